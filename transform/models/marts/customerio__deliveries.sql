{{ config(
    materialized='incremental',
    unique_key=['workspace', 'delivery_id'],
    incremental_strategy=customerio.replacing(),
    on_schema_change='append_new_columns',
    post_hook="{{ customerio.delete_vanished() }}",
) }}
{%- set states = customerio.delivery_states() %}
{%- set compared = [
    'source_type', 'source_id', 'source_name', 'action_id', 'content_id', 'part_name',
    'test_group', 'channel', 'cio_id', 'customer_id', 'recipient_domain', 'created_at',
    'first_open_at', 'first_click_at', 'is_draft', 'is_settled', 'is_forgotten',
    'failure_message', 'changed_at',
] %}
{%- for state in states %}{% do compared.append(state ~ '_at') %}{% endfor %}
{%- set human = 'human_' if var('customerio_human_only') else '' %}

with present as (
    -- The newest loaded time: without new data, no more deliveries become settled.
    select workspace, {{ customerio.latest('coalesce(updated_at, created_at)') }} as latest
    from {{ ref('int_customerio__messages') }}
    group by workspace
),

messages as (
    select
        workspace,
        id as delivery_id,
        source_type,
        source_id,
        nullif(action_id, 0) as action_id,
        nullif(content_id, 0) as content_id,
        type as channel,
        cio_id,
        customer_id,
        case
            when type = 'email' and recipient like '%@%'
                then {{ customerio.email_domain('recipient') }}
        end as recipient_domain,
        created_at,
        coalesce(updated_at, created_at) as changed_at,
        failure_message,
        coalesce(forgotten, false) as is_forgotten,
        {%- for state in states %}
        cast({{ customerio.json_text('metrics', state) }} as {{ dbt.type_timestamp() }})
            as {{ state }}_at{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('int_customerio__messages') }}
),

named as (
    select
        messages.*,
        senders.source_name,
        parts.name as part_name,
        test_groups.test_group,
        messages.{{ human }}opened_at as first_open_at,
        messages.{{ human }}clicked_at as first_click_at,
        {{ dbt.datediff('messages.created_at', 'present.latest', 'day') }}
            >= {{ var('customerio_settled_days') }} as is_settled
    from messages
    inner join present on messages.workspace = present.workspace
    left join {{ ref('int_customerio__senders') }} as senders
        on messages.workspace = senders.workspace
        and messages.source_type = senders.source_type
        and messages.source_id = senders.source_id
    left join {{ ref('int_customerio__parts') }} as parts
        on messages.workspace = parts.workspace
        and messages.source_type = parts.source_type
        and messages.source_id = parts.source_id
        and coalesce(messages.action_id, messages.content_id) = parts.part_id
    left join {{ ref('int_customerio__test_groups') }} as test_groups
        on messages.workspace = test_groups.workspace
        and messages.source_type = 'newsletter'
        and messages.source_id = test_groups.newsletter_id
        and messages.content_id = test_groups.content_id
),

finished as (
    select
        workspace,
        delivery_id,
        source_type,
        source_id,
        source_name,
        action_id,
        content_id,
        part_name,
        test_group,
        channel,
        cio_id,
        customer_id,
        recipient_domain,
        created_at,
        {%- for state in states %}
        {{ state }}_at,
        {%- endfor %}
        first_open_at,
        first_click_at,
        {{ customerio.hours_between('coalesce(sent_at, created_at)', 'first_open_at') }}
            as hours_to_open,
        {{ customerio.hours_between('coalesce(sent_at, created_at)', 'first_click_at') }}
            as hours_to_click,
        drafted_at is not null and sent_at is null as is_draft,
        is_settled,
        is_forgotten,
        failure_message,
        changed_at
    from named
),

hashed as (
    select
        *,
        {{ customerio.row_hash(compared) }} as row_hash
    from finished
)

select *
from hashed
{%- if is_incremental() %}
-- Loaders do not reliably record load times, and late opens change old rows: compare hashes.
where not exists (
    select 1
    from {{ this }} as kept
    where kept.workspace = hashed.workspace
        and kept.delivery_id = hashed.delivery_id
        and kept.row_hash = hashed.row_hash
)
{%- endif %}
