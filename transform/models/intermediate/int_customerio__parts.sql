-- Names of actions and contents, if their streams were loaded (they are off by default).
select workspace, 'campaign' as source_type, campaign_id as source_id, id as part_id, name
from {{ ref('stg_customerio__campaign_actions') }}
union all
select workspace, 'broadcast', broadcast_id, id, name
from {{ ref('stg_customerio__broadcast_actions') }}
union all
select workspace, 'newsletter', newsletter_id, id, name
from {{ ref('stg_customerio__newsletter_variants') }}
union all
select workspace, 'transactional', transactional_id, id, name
from {{ ref('stg_customerio__transactional_variants') }}
