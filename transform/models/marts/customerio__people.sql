-- People with a profile or with deliveries.
with profiles as (
    select workspace, cio_id, id as customer_id, email, unsubscribed, created_at
    from {{ ref('stg_customerio__customers') }}
),

preferences as (
    select workspace, cio_id, unsubscribed
    from {{ ref('stg_customerio__subscription_preferences') }}
),

opted_out as (
    select distinct workspace, cio_id
    from {{ customerio.json_elements(ref('stg_customerio__opt_outs'), 'optouts') }}
),

refused as (
    select distinct workspace, lower(email) as email
    from {{ ref('stg_customerio__esp_suppressions') }}
    where suppression_type <> 'blocks'
),

sent as (
    select *
    from {{ ref('customerio__deliveries') }}
    where cio_id is not null and not is_draft
),

present as (
    select workspace, {{ customerio.latest('changed_at') }} as latest
    from {{ ref('customerio__deliveries') }}
    group by workspace
),

totals as (
    select
        workspace,
        cio_id,
        max(customer_id) as customer_id,
        count(*) as deliveries,
        min(created_at) as first_delivery_at,
        max(created_at) as last_delivery_at,
        min(first_open_at) as earliest_open_at,
        max(first_open_at) as latest_open_at,
        min(first_click_at) as earliest_click_at,
        max(first_click_at) as latest_click_at,
        max(unsubscribed_at) as latest_unsubscribe_at,
        {{- customerio.sender_sums() }}
    from sent
    group by 1, 2
),

engagements as (
    {%- for what in ['first_open', 'first_click', 'replied', 'converted'] %}
    select workspace, cio_id, '{{ what }}' as what, {{ what }}_at as engaged_at
    from sent
    where {{ what }}_at is not null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

engaged as (
    select workspace, cio_id, max(engaged_at) as last_engaged_at
    from engagements
    group by 1, 2
),

hours as (
    select
        workspace,
        cio_id,
        local_hour,
        count(*) as engagements,
        row_number() over (
            partition by workspace, cio_id order by count(*) desc, local_hour
        ) as place
    from (
        select
            workspace,
            cio_id,
            cast(extract(hour from {{ customerio.local_time(
                'engaged_at', dbt.string_literal(var('customerio_timezone'))
            ) }}) as {{ dbt.type_int() }}) as local_hour
        from engagements
        where what in ('first_open', 'first_click')
    ) as by_hour
    group by 1, 2, 3
),

people as (
    select distinct workspace, cio_id
    from (
        select workspace, cio_id from profiles
        union all
        select workspace, cio_id from totals
    ) as known
),

joined as (
    select
        people.workspace,
        people.cio_id,
        coalesce(profiles.customer_id, totals.customer_id) as customer_id,
        profiles.email,
        profiles.created_at,
        profiles.cio_id is not null as has_profile,
        coalesce(profiles.unsubscribed, preferences.unsubscribed) as is_unsubscribed,
        refused.email is not null as is_suppressed,
        opted_out.cio_id is not null as is_opted_out,
        totals.latest_unsubscribe_at,
        totals.first_delivery_at,
        totals.last_delivery_at,
        totals.earliest_open_at,
        totals.latest_open_at,
        totals.earliest_click_at,
        totals.latest_click_at,
        engaged.last_engaged_at,
        present.latest,
        hours.local_hour as best_hour,
        hours.engagements as best_hour_engagements,
        coalesce(totals.deliveries, 0) as deliveries,
        {%- for name in customerio.counted_states() %}
        coalesce(totals.{{ name }}, 0) as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from people
    left join profiles
        on people.workspace = profiles.workspace and people.cio_id = profiles.cio_id
    left join preferences
        on people.workspace = preferences.workspace and people.cio_id = preferences.cio_id
    left join opted_out
        on people.workspace = opted_out.workspace and people.cio_id = opted_out.cio_id
    left join refused
        on people.workspace = refused.workspace and lower(profiles.email) = refused.email
    left join totals
        on people.workspace = totals.workspace and people.cio_id = totals.cio_id
    left join engaged
        on people.workspace = engaged.workspace and people.cio_id = engaged.cio_id
    left join hours
        on people.workspace = hours.workspace and people.cio_id = hours.cio_id and hours.place = 1
    left join present on people.workspace = present.workspace
)

select
    {{ customerio.row_hash(['workspace', 'cio_id']) }} as person_key,
    workspace,
    cio_id,
    customer_id,
    email,
    created_at,
    has_profile,
    case
        when is_unsubscribed then 'unsubscribed'
        when is_suppressed then 'suppressed'
        when has_profile then 'subscribed'
    end as subscription_state,
    is_unsubscribed,
    case when is_unsubscribed then latest_unsubscribe_at end as unsubscribed_at,
    is_suppressed,
    is_opted_out,
    first_delivery_at,
    last_delivery_at,
    earliest_open_at as first_open_at,
    latest_open_at as last_open_at,
    earliest_click_at as first_click_at,
    latest_click_at as last_click_at,
    last_engaged_at,
    case
        when sent = 0 then 'not contacted'
        when {{ dbt.datediff('last_engaged_at', 'latest', 'day') }}
            <= {{ var('customerio_active_days') }} then 'active'
        when {{ dbt.datediff('last_engaged_at', 'latest', 'day') }}
            <= {{ var('customerio_dormant_days') }} then 'cooling'
        when last_engaged_at is not null then 'dormant'
        when {{ dbt.datediff('first_delivery_at', 'latest', 'day') }}
            <= {{ var('customerio_active_days') }} then 'new'
        else 'never engaged'
    end as engagement_class,
    best_hour,
    best_hour_engagements,
    deliveries,
    {%- for name in customerio.counted_states() %}
    {{ name }},
    {%- endfor %}
    {{- customerio.sender_rates() }}
from joined
