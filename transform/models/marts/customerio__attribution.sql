{%- set named = var('customerio_conversions') or {} %}
{%- set identifiers = {'cio_id': 'cio_id', 'id': 'customer_id', 'email': 'email'} %}
{%- set identifier = identifiers[customerio.one_of(
    'person_is of customerio_conversions', named.get('person_is', 'cio_id'), identifiers | list
)] %}
{%- set columns = customerio.counted_states() %}
{%- set known = ['sent', 'delivered', 'opened', 'clicked'] %}

with conversions as (
    {{ customerio.conversions() | indent }}
),

people as (
    select workspace, cio_id, {{ customerio.person_name(named, identifier) }} as person
    from {{ ref('customerio__people') }}
    where {{ identifier }} is not null
),

touches as (
    {%- for touch in var('customerio_attribution_touches') %}
    {%- set touch = customerio.one_of('customerio_attribution_touches', touch, known) %}
    select
        workspace,
        cio_id,
        delivery_id,
        source_type,
        source_id,
        source_name,
        channel,
        '{{ touch }}' as touch,
        {{ loop.index }} as preference,
        {{ columns[touch] }} as touched_at
    from {{ ref('customerio__deliveries') }}
    where {{ columns[touch] }} is not null and cio_id is not null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

candidates as (
    select
        conversions.conversion_id,
        touches.*,
        row_number() over (
            partition by conversions.conversion_id
            order by touches.touched_at desc, touches.preference, touches.delivery_id
        ) as place
    from conversions
    inner join people on {{ customerio.person_name(named, 'conversions.person') }} = people.person
    {%- if named.get('workspace') %}
        and conversions.workspace = people.workspace
    {%- endif %}
    inner join touches
        on people.workspace = touches.workspace
        and people.cio_id = touches.cio_id
        and {{ dbt.datediff('touches.touched_at', 'conversions.converted_at', 'second') }}
            between 0 and {{ var('customerio_attribution_days') * 86400 }}
)

select
    conversions.conversion_id,
    conversions.converted_at,
    conversions.person,
    conversions.value,
    last_touch.workspace,
    last_touch.cio_id,
    last_touch.delivery_id is not null as is_attributed,
    last_touch.delivery_id,
    last_touch.source_type,
    last_touch.source_id,
    last_touch.source_name,
    last_touch.channel,
    last_touch.touch,
    last_touch.touched_at,
    {{ customerio.hours_between('last_touch.touched_at', 'conversions.converted_at') }}
        as hours_to_conversion
from conversions
left join candidates as last_touch
    on conversions.conversion_id = last_touch.conversion_id and last_touch.place = 1
