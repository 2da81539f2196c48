with people as (
    select * from {{ ref('customerio__people') }}
),

topics as (
    select
        workspace,
        id as topic_id,
        name,
        subscribed_by_default
    from {{ ref('stg_customerio__subscription_topics') }}
),

-- The choices on the preference page, if subscription_preferences was loaded.
shown as (
    select
        workspace,
        cio_id,
        cast({{ customerio.json_text('element', 'id') }} as {{ dbt.type_bigint() }}) as topic_id,
        max({{ customerio.json_text('element', 'name') }}) as name,
        max(case when {{ customerio.json_text('element', 'subscribed') }} = 'true' then 1 else 0 end)
            as subscribed
    from {{ customerio.json_elements(
        ref('stg_customerio__subscription_preferences'), 'topics'
    ) }}
    group by 1, 2, 3
),

-- Otherwise the profile: the person's choice, or the value that Customer.io computed.
attributes as (
    select
        workspace,
        cio_id,
        replace(coalesce(
            {{ customerio.json_text('attributes', 'cio_subscription_preferences') }}, ''
        ), ' ', '') as chosen,
        replace(coalesce(
            {{ customerio.json_text('attributes', '_cio_subscription_preferences_computed') }}, ''
        ), ' ', '') as computed
    from {{ ref('stg_customerio__customers') }}
),

{%- set named -%}
{{ dbt.concat(["'\"topic_'", "cast(topics.topic_id as " ~ dbt.type_string() ~ ")", "'\":'"]) }}
{%- endset %}

in_profile as (
    select
        attributes.workspace,
        attributes.cio_id,
        topics.topic_id,
        topics.name,
        topics.subscribed_by_default,
        {%- for column in ['chosen', 'computed'] %}
        case
            when {{ dbt.position(dbt.concat([named, "'true'"]), 'attributes.' ~ column) }} > 0 then 1
            when {{ dbt.position(dbt.concat([named, "'false'"]), 'attributes.' ~ column) }} > 0
                then 0
        end as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from attributes
    inner join topics on attributes.workspace = topics.workspace
),

-- A computed value may be the topic's default: only one that differs must have been chosen.
by_topic as (
    select
        coalesce(shown.workspace, in_profile.workspace) as workspace,
        coalesce(shown.cio_id, in_profile.cio_id) as cio_id,
        coalesce(shown.topic_id, in_profile.topic_id) as topic_id,
        coalesce(in_profile.name, shown.name) as name,
        coalesce(
            shown.subscribed,
            in_profile.chosen,
            in_profile.computed,
            case when in_profile.subscribed_by_default then 1 else 0 end
        ) = 1 as is_allowed,
        case
            when shown.subscribed is not null then 'preferences'
            when coalesce(in_profile.chosen, in_profile.computed) is not null then 'profile'
            else 'default'
        end as known_from,
        in_profile.chosen is not null or coalesce(
            coalesce(shown.subscribed, in_profile.computed)
            <> case when topics.subscribed_by_default then 1 else 0 end
            and topics.subscribed_by_default is not null,
            false
        ) as is_choice
    from shown
    full outer join in_profile
        on shown.workspace = in_profile.workspace
        and shown.cio_id = in_profile.cio_id
        and shown.topic_id = in_profile.topic_id
    left join topics
        on coalesce(shown.workspace, in_profile.workspace) = topics.workspace
        and coalesce(shown.topic_id, in_profile.topic_id) = topics.topic_id
),

opted_out as (
    select
        workspace,
        cio_id,
        {{ customerio.json_text('element', 'channel') }} as channel,
        {{ customerio.json_text('element', 'from') }} as sender
    from {{ customerio.json_elements(ref('stg_customerio__opt_outs'), 'optouts') }}
),

refused as (
    select
        workspace,
        lower(email) as email,
        suppression_type,
        min(created_at) as created_at
    from {{ ref('stg_customerio__esp_suppressions') }}
    where suppression_type <> 'blocks'
    group by 1, 2, 3
),

together as (
    select
        workspace,
        cio_id,
        'everything' as scope,
        'everything' as subject,
        cast(null as {{ dbt.type_string() }}) as subject_name,
        not is_unsubscribed as is_allowed,
        is_unsubscribed as is_choice,
        'profile' as known_from,
        unsubscribed_at as decided_at
    from people
    where is_unsubscribed is not null
    union all
    select
        workspace,
        cio_id,
        'topic',
        {{ dbt.concat(["'topic_'", "cast(topic_id as " ~ dbt.type_string() ~ ")"]) }},
        name,
        is_allowed,
        is_choice,
        known_from,
        cast(null as {{ dbt.type_timestamp() }})
    from by_topic
    union all
    select distinct
        workspace,
        cio_id,
        'sender',
        {{ dbt.concat(["coalesce(channel, '')", "':'", "coalesce(sender, '')"]) }},
        sender,
        false,
        true,
        'opt-outs',
        cast(null as {{ dbt.type_timestamp() }})
    from opted_out
    union all
    select
        people.workspace,
        people.cio_id,
        'address',
        refused.suppression_type,
        cast(null as {{ dbt.type_string() }}),
        false,
        false,
        'suppressions',
        refused.created_at
    from people
    inner join refused
        on people.workspace = refused.workspace and lower(people.email) = refused.email
)

select
    {{ customerio.row_hash(['workspace', 'cio_id', 'scope', 'subject']) }} as consent_key,
    workspace,
    cio_id,
    scope,
    subject,
    subject_name,
    is_allowed,
    is_choice,
    known_from,
    decided_at
from together
