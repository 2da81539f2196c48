{%- set steps = {
    'activated': 'activation', 'messaged': 'message', 'converted': 'conversion',
    'finished': 'finish', 'exited_early': 'exit', 'never_activated': 'drop',
} %}

-- Resolutions may overlap: for each time, one of them counts.
with counted_rows as (
    {{ customerio.counted_rows(
        ref('stg_customerio__journey_metrics'), ['workspace', 'campaign_id']
    ) }}
),

journeys as (
    select
        workspace,
        campaign_id,
        resolution,
        timezone,
        period_start,
        is_partial,
        coalesce(started, 0) as started,
        {%- for step in steps %}
        coalesce({{ step }}, 0) as {{ step }}{{ ',' if not loop.last }}
        {%- endfor %}
    from counted_rows
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
