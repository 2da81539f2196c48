-- Deliveries with the one thing that sent each, and its part: an action or a content.
select
    messages.*,
    case
        when nullif(newsletter_id, 0) is not null then 'newsletter'
        when nullif(transactional_message_id, 0) is not null then 'transactional'
        when nullif(broadcast_id, 0) is not null then 'broadcast'
        -- Campaigns and broadcasts share their numbers, and the older API calls both campaigns.
        when broadcasts.id is not null then 'broadcast'
        when nullif(campaign_id, 0) is not null then 'campaign'
    end as source_type,
    coalesce(
        nullif(newsletter_id, 0),
        nullif(transactional_message_id, 0),
        nullif(broadcast_id, 0),
        nullif(campaign_id, 0)
    ) as source_id,
    {{ dbt.hash(dbt.concat([
        "coalesce(" ~ customerio.json_string('metrics') ~ ", '')", "'|'",
        "coalesce(" ~ customerio.json_string('links') ~ ", '')", "'|'",
        "coalesce(" ~ customerio.json_string('other_metrics') ~ ", '')", "'|'",
        "coalesce(cio_id, '')", "'|'", "coalesce(messages.type, '')",
    ])) }} as events_hash
from {{ ref('stg_customerio__messages') }} as messages
left join {{ ref('stg_customerio__broadcasts') }} as broadcasts
    on messages.workspace = broadcasts.workspace and messages.campaign_id = broadcasts.id
