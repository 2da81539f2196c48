{%- set steps = {
    'activated': 'activation', 'messaged': 'message', 'converted': 'conversion',
    'finished': 'finish', 'exited_early': 'exit', 'never_activated': 'drop',
} %}

-- Resolutions overlap: the one with the longest range of each campaign is used.
with totals as (
    select workspace, campaign_id, resolution, timezone, sum(coalesce(started, 0)) as started
    from {{ ref('stg_customerio__journey_metrics') }}
    group by 1, 2, 3, 4
),

ranked as (
    select
        *,
        row_number() over (
            partition by workspace, campaign_id order by started desc, resolution, timezone
        ) as place
    from totals
),

journeys as (
    select
        metrics.workspace,
        metrics.campaign_id,
        metrics.resolution,
        metrics.timezone,
        metrics.period_start,
        metrics.is_partial,
        coalesce(metrics.started, 0) as started,
        {%- for step in steps %}
        coalesce(metrics.{{ step }}, 0) as {{ step }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('stg_customerio__journey_metrics') }} as metrics
    inner join ranked
        on metrics.workspace = ranked.workspace
        and metrics.campaign_id = ranked.campaign_id
        and metrics.resolution = ranked.resolution
        and metrics.timezone = ranked.timezone
        and ranked.place = 1
)

select
    {{ customerio.row_hash(['journeys.workspace', 'journeys.campaign_id', 'period_start']) }}
        as journey_period_key,
    journeys.workspace,
    journeys.campaign_id,
    senders.source_name as campaign_name,
    journeys.resolution,
    journeys.timezone,
    journeys.period_start,
    cast({{ customerio.local_time('period_start', 'timezone') }} as date) as day,
    journeys.is_partial,
    journeys.started,
    {%- for step in steps %}
    journeys.{{ step }},
    {%- endfor %}
    {%- for step, rate in steps.items() %}
    {{ customerio.rate('journeys.' ~ step, 'journeys.started') }} as {{ rate }}_rate
        {{- ',' if not loop.last }}
    {%- endfor %}
from journeys
left join {{ ref('int_customerio__senders') }} as senders
    on journeys.workspace = senders.workspace
    and senders.source_type = 'campaign'
    and journeys.campaign_id = senders.source_id
