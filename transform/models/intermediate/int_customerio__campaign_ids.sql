-- What the ids in campaign_id are of; unknown if both a campaign and a broadcast have the id.
select
    workspace,
    source_id,
    case when min(source_type) = max(source_type) then min(source_type) else 'unknown' end
        as source_type
from (
    select workspace, id as source_id, 'broadcast' as source_type
    from {{ ref('stg_customerio__broadcasts') }}
    union all
    select workspace, id, 'campaign'
    from {{ ref('stg_customerio__campaigns') }}
    union all
    select workspace, source_id, source_type
    from {{ ref('stg_customerio__metrics') }}
    where source_type in ('broadcast', 'campaign')
) as listed_or_counted
group by 1, 2
