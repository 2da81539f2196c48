{#- A delivery has several rows, which are replaced together; a merge cannot do that. -#}
{{ config(
    materialized='table' if target.type == 'bigquery' else 'incremental',
    unique_key=['workspace', 'delivery_id'],
    incremental_strategy=customerio.replacing(),
    on_schema_change='append_new_columns',
    post_hook="{{ customerio.delete_vanished('events_hash') }}",
) }}

with changed as (
    select
        workspace, id as delivery_id, source_type, source_id, type as channel, cio_id,
        created_at, metrics, links, other_metrics, events_hash
    from {{ ref('int_customerio__messages') }} as messages
    {%- if is_incremental() %}
    where not exists (
        select 1
        from {{ this }} as kept
        where kept.workspace = messages.workspace
            and kept.delivery_id = messages.id
            and kept.events_hash = messages.events_hash
    )
    {%- endif %}
),

reached as (
    select workspace, delivery_id, member_key as state, '' as link_id, member_value as at_text
    from {{ customerio.json_members('changed', 'metrics') }}
    union all
    select workspace, delivery_id, member_key, '', member_value
    from {{ customerio.json_members('changed', 'other_metrics') }}
    union all
    select
        workspace,
        delivery_id,
        {{ customerio.json_text('element', 'state') }},
        {{ customerio.json_text('element', 'link_id') }},
        {{ customerio.json_text('element', 'at') }}
    from {{ customerio.json_elements('changed', 'links') }}
),

reported as (
    select
        workspace,
        delivery_id,
        link_id,
        {{ dbt.replace(dbt.replace('state', "'human_'", "''"), "'prefetch_'", "''") }} as event,
        case
            when state like 'human_%' then 'human'
            when state like 'prefetch_%' then 'machine'
            when state in ('opened', 'clicked') then 'unknown'
        end as actor,
        cast(at_text as {{ dbt.type_timestamp() }}) as occurred_at
    from reached
    where at_text is not null and state <> 'created'
),

clicked_by_machine as (
    select distinct workspace, delivery_id
    from reported
    where event = 'clicked' and actor = 'machine'
),

attributed as (
    select
        reported.workspace,
        reported.delivery_id,
        reported.link_id,
        reported.event,
        case
            when reported.actor = 'unknown' and reported.link_id <> '' and machine.delivery_id is not null
                then 'machine'
            else reported.actor
        end as actor,
        reported.occurred_at
    from reported
    left join clicked_by_machine as machine
        on reported.workspace = machine.workspace
        and reported.delivery_id = machine.delivery_id
),

first_of_each as (
    select workspace, delivery_id, link_id, event, actor, min(occurred_at) as occurred_at
    from attributed
    group by 1, 2, 3, 4, 5
),

known as (
    select distinct workspace, delivery_id, link_id, event
    from first_of_each
    where actor in ('human', 'machine')
)

select
    {{ customerio.row_hash([
        'events.workspace', 'events.delivery_id', 'events.event', 'events.actor', 'events.link_id',
    ]) }} as event_key,
    events.workspace,
    events.delivery_id,
    events.event,
    events.actor,
    nullif(events.link_id, '') as link_id,
    events.occurred_at,
    changed.source_type,
    changed.source_id,
    changed.channel,
    changed.cio_id,
    changed.created_at,
    changed.events_hash
from first_of_each as events
inner join changed
    on events.workspace = changed.workspace and events.delivery_id = changed.delivery_id
-- The API reports the first open of all, and the first by a person and by a machine.
left join known
    on events.actor = 'unknown'
    and events.workspace = known.workspace
    and events.delivery_id = known.delivery_id
    and events.link_id = known.link_id
    and events.event = known.event
where known.delivery_id is null
