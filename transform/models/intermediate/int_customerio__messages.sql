-- Deliveries, with what tells that their events have changed.
select
    messages.*,
    {{ dbt.hash(dbt.concat([
        "coalesce(" ~ customerio.json_string('metrics') ~ ", '')", "'|'",
        "coalesce(" ~ customerio.json_string('links') ~ ", '')", "'|'",
        "coalesce(" ~ customerio.json_string('other_metrics') ~ ", '')", "'|'",
        "coalesce(cio_id, '')", "'|'", "coalesce(type, '')",
    ])) }} as events_hash
from {{ ref('stg_customerio__messages') }} as messages
