{%- set lists = ['bounces', 'blocks', 'spam_reports', 'invalid_emails'] %}
{%- set recent = 30 %}

with present as (
    select workspace, {{ customerio.latest('changed_at') }} as latest
    from {{ ref('customerio__deliveries') }}
    group by workspace
),

sent as (
    select
        deliveries.*,
        case
            when {{ dbt.datediff('deliveries.created_at', 'present.latest', 'day') }} < {{ recent }}
                then 1
        end as is_recent
    from {{ ref('customerio__deliveries') }} as deliveries
    inner join present on deliveries.workspace = present.workspace
    where deliveries.recipient_domain is not null and not deliveries.is_draft
),

totals as (
    select
        workspace,
        recipient_domain,
        count(*) as deliveries,
        count(distinct cio_id) as people,
        max(created_at) as last_delivery_at,
        {{- customerio.sender_sums() }},
        {%- for name in ['sent', 'delivered', 'bounced', 'spammed'] %}
        count(case when is_recent = 1 then {{ name }}_at end) as recently_{{ name }}
            {{- ',' if not loop.last }}
        {%- endfor %}
    from sent
    group by 1, 2
),

refused as (
    select
        workspace,
        recipient_domain,
        {%- for list in lists %}
        count(distinct case when suppression_type = '{{ list }}' then email end) as {{ list }}
            {{- ',' if not loop.last }}
        {%- endfor %}
    from (
        select
            workspace,
            suppression_type,
            lower(email) as email,
            {{ customerio.email_domain('email') }} as recipient_domain
        from {{ ref('stg_customerio__esp_suppressions') }}
    ) as addresses
    group by 1, 2
)

select
    {{ customerio.row_hash(['totals.workspace', 'totals.recipient_domain']) }} as domain_key,
    totals.workspace,
    totals.recipient_domain,
    totals.people,
    totals.last_delivery_at,
    totals.deliveries,
    {%- for name in customerio.counted_states() %}
    totals.{{ name }},
    {%- endfor %}
    {{- customerio.sender_rates() }},
    totals.recently_sent,
    {%- for name in ['delivered', 'bounced', 'spammed'] %}
    {{ customerio.rate('totals.recently_' ~ name, 'totals.recently_sent') }}
        as recent_{{ customerio.rated_states()[name] }}_rate,
    {%- endfor %}
    {%- for list in lists %}
    coalesce(refused.{{ list }}, 0) as suppressed_{{ list }}{{ ',' if not loop.last }}
    {%- endfor %}
from totals
left join refused
    on totals.workspace = refused.workspace
    and totals.recipient_domain = refused.recipient_domain
