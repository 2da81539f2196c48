-- Each full read adds a count; the last one of each day (UTC) is used.
with counts as (
    select
        *,
        cast(observed_at as date) as day,
        row_number() over (
            partition by workspace, segment_id, cast(observed_at as date) order by observed_at desc
        ) as place
    from {{ ref('stg_customerio__segment_counts') }}
    where people is not null
),

days as (
    select
        workspace,
        segment_id,
        day,
        observed_at,
        people,
        lag(people) over (partition by workspace, segment_id order by day) as people_before,
        lag(day) over (partition by workspace, segment_id order by day) as day_before
    from counts
    where place = 1
)

select
    {{ customerio.row_hash(['days.workspace', 'days.segment_id', 'days.day']) }} as segment_day_key,
    days.workspace,
    days.segment_id,
    segments.name as segment_name,
    segments.type as segment_type,
    days.day,
    days.observed_at,
    days.people,
    days.people_before,
    days.day_before,
    days.people - days.people_before as growth,
    {{ customerio.rate('(days.people - days.people_before)', 'days.people_before') }} as growth_rate
from days
left join {{ ref('stg_customerio__segments') }} as segments
    on days.workspace = segments.workspace and days.segment_id = segments.id
