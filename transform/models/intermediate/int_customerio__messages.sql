-- Deliveries with their senders, and a hash that changes with their events. Tables that an older
-- tap loaded lack source_type, and campaign_id may hold the id of a broadcast.
{%- set senders = {
    'newsletter_id': "'newsletter'",
    'transactional_message_id': "'transactional'",
    'broadcast_id': "'broadcast'",
    'campaign_id': "case when broadcasts.broadcast_id is null then 'campaign' else 'broadcast' end",
} %}
{%- set same = [
    'id', 'created_at', 'updated_at', 'type', 'cio_id', 'customer_id', 'recipient', 'action_id',
    'content_id', 'metrics', 'links', 'other_metrics', 'failure_message', 'forgotten',
] %}

with broadcasts as (
    select distinct workspace, broadcast_id
    from (
        select workspace, id as broadcast_id
        from {{ ref('stg_customerio__broadcasts') }}
        union all
        select workspace, source_id
        from {{ ref('stg_customerio__metrics') }}
        where source_type = 'broadcast'
    ) as listed_or_counted
),

sent as (
    select
        messages.workspace,
        coalesce(messages.source_type, case
            {%- for column, type in senders.items() %}
            when nullif(messages.{{ column }}, 0) is not null then {{ type }}
            {%- endfor %}
        end) as source_type,
        coalesce(
            nullif(messages.source_id, 0)
            {%- for column in senders %}, nullif(messages.{{ column }}, 0){% endfor %}
        ) as source_id,
        {%- for column in same %}
        messages.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('stg_customerio__messages') }} as messages
    left join broadcasts
        on messages.workspace = broadcasts.workspace
        and messages.campaign_id = broadcasts.broadcast_id
)

select
    *,
    {{ customerio.row_hash([
        customerio.json_string('metrics'), customerio.json_string('links'),
        customerio.json_string('other_metrics'), 'cio_id', 'type', 'source_type', 'source_id',
        'created_at',
    ]) }} as events_hash
from sent
