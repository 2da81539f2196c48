-- Deliveries that Customer.io counts in its metrics, but that are missing in the warehouse.
select workspace, source_type, source_id, day, missing_sent, missing_delivered, explanation
from {{ ref('customerio__reconciliation') }}
where status = 'missing'
