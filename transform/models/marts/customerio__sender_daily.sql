-- The same counts twice: by the day of the delivery's creation, and by the day of the event.
{%- set counted = customerio.counted_states() %}

with deliveries as (
    select *
    from {{ ref('customerio__deliveries') }}
    where source_id is not null and not is_draft
),

by_sending as (
    select
        workspace,
        source_type,
        source_id,
        cast(created_at as date) as day,
        count(*) as deliveries,
        {{- customerio.sender_sums() }}
    from deliveries
    group by 1, 2, 3, 4
),

happened as (
    select
        workspace, source_type, source_id, 'deliveries' as counted, cast(created_at as date) as day
    from deliveries
    {%- for name, column in counted.items() %}
    union all
    select workspace, source_type, source_id, '{{ name }}', cast({{ column }} as date)
    from deliveries
    where {{ column }} is not null
    {%- endfor %}
),

by_event as (
    select
        workspace,
        source_type,
        source_id,
        day,
        sum(case when counted = 'deliveries' then 1 else 0 end) as deliveries,
        {%- for name in counted %}
        sum(case when counted = '{{ name }}' then 1 else 0 end) as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from happened
    group by 1, 2, 3, 4
),

together as (
    select 'sending' as day_of, by_sending.* from by_sending
    union all
    select 'event' as day_of, by_event.* from by_event
)

select
    {{ customerio.row_hash(['workspace', 'source_type', 'source_id', 'day_of', 'day']) }}
        as sender_day_key,
    workspace,
    source_type,
    source_id,
    day_of,
    day,
    deliveries,
    {%- for name in counted %}
    {{ name }},
    {%- endfor %}
    {%- for name, rate in customerio.rated_states().items() %}
    case when day_of = 'sending' then {{ customerio.rate(name, 'sent') }} end as {{ rate }}_rate
        {{- ',' if not loop.last }}
    {%- endfor %}
from together
