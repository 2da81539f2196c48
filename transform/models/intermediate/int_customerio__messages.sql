-- Deliveries with their senders, and a hash that changes with their events. An older tap wrote
-- neither source_type nor source_id. A tap that cannot read the broadcasts writes source_id alone:
-- campaign_id then holds the id of a campaign or of a broadcast.
{%- set senders = {
    'newsletter_id': "'newsletter'",
    'transactional_message_id': "'transactional'",
    'broadcast_id': "'broadcast'",
    'campaign_id': "coalesce(known.source_type, case "
        ~ "when nullif(messages.source_id, 0) is null then 'campaign' end)",
} %}
{%- set same = [
    'id', 'created_at', 'updated_at', 'type', 'cio_id', 'customer_id', 'recipient', 'action_id',
    'content_id', 'metrics', 'links', 'other_metrics', 'failure_message', 'forgotten',
] %}

with sent as (
    select
        messages.workspace,
        coalesce(
            messages.source_type,
            case
            {%- for column, type in senders.items() %}
                when nullif(messages.{{ column }}, 0) is not null then {{ type }}
            {%- endfor %}
            end,
            case when nullif(messages.source_id, 0) is not null then 'unknown' end
        ) as source_type,
        coalesce(
            nullif(messages.source_id, 0)
            {%- for column in senders %}, nullif(messages.{{ column }}, 0){% endfor %}
        ) as source_id,
        {%- for column in same %}
        messages.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('stg_customerio__messages') }} as messages
    left join {{ ref('int_customerio__campaign_ids') }} as known
        on messages.workspace = known.workspace
        and messages.campaign_id = known.source_id
)

select
    *,
    {{ customerio.row_hash([
        customerio.json_string('metrics'), customerio.json_string('links'),
        customerio.json_string('other_metrics'), 'cio_id', 'type', 'source_type', 'source_id',
        'created_at',
    ]) }} as events_hash
from sent
