{%- set tested = customerio.tested_states() %}
{%- set rates = customerio.rated_states() %}
{%- set metric = customerio.one_of('customerio_ab_metric', var('customerio_ab_metric'), tested) %}
{%- set decisive = rates[metric] %}

with variants as (
    select
        workspace,
        newsletter_id,
        id as group_id,
        coalesce(label, name) as test_group,
        coalesce(winner, false) as is_declared_winner
    from {{ ref('stg_customerio__newsletter_test_groups') }}
),

totals as (
    select
        deliveries.workspace,
        contents.newsletter_id,
        contents.group_id,
        count(*) as deliveries,
        {{- customerio.sender_sums() }}
    from {{ ref('customerio__deliveries') }} as deliveries
    inner join {{ ref('int_customerio__test_groups') }} as contents
        on deliveries.workspace = contents.workspace
        and deliveries.source_type = 'newsletter'
        and deliveries.source_id = contents.newsletter_id
        and deliveries.content_id = contents.content_id
    where not deliveries.is_draft
    group by 1, 2, 3
),

rated as (
    select
        variants.*,
        coalesce(totals.deliveries, 0) as deliveries,
        coalesce(totals.sent, 0) as sent,
        {%- for name in tested %}
        coalesce(totals.{{ name }}, 0) as {{ name }},
        {{ customerio.rate('totals.' ~ name, 'totals.sent') }} as {{ rates[name] }}_rate,
        {{ customerio.wilson('totals.' ~ name, 'totals.sent', '-') }} as {{ rates[name] }}_rate_low,
        {{ customerio.wilson('totals.' ~ name, 'totals.sent', '+') }}
            as {{ rates[name] }}_rate_high,
        {%- endfor %}
        row_number() over (
            partition by variants.workspace, variants.newsletter_id order by variants.group_id
        ) as place,
        sum(coalesce(totals.deliveries, 0)) over (
            partition by variants.workspace, variants.newsletter_id
        ) as deliveries_of_test
    from variants
    left join totals
        on variants.workspace = totals.workspace
        and variants.newsletter_id = totals.newsletter_id
        and variants.group_id = totals.group_id
),

-- A variant wins if it is significantly better than each of the others.
beaten as (
    select
        one.workspace,
        one.newsletter_id,
        one.group_id,
        min(case
            when {{ customerio.difference_low(
                'one.' ~ decisive ~ '_rate', 'one.' ~ decisive ~ '_rate_low',
                'other.' ~ decisive ~ '_rate', 'other.' ~ decisive ~ '_rate_high',
            ) }} > 0 then 1
            else 0
        end) as all_of_them
    from rated as one
    inner join rated as other
        on one.workspace = other.workspace
        and one.newsletter_id = other.newsletter_id
        and one.group_id <> other.group_id
    group by 1, 2, 3
)

select
    {{ customerio.row_hash(['rated.workspace', 'rated.newsletter_id', 'rated.group_id']) }}
        as variant_key,
    rated.workspace,
    rated.newsletter_id,
    senders.source_name as newsletter_name,
    rated.group_id,
    rated.test_group,
    rated.place = 1 as is_baseline,
    rated.deliveries,
    {{ customerio.rate('rated.deliveries', 'rated.deliveries_of_test') }} as share,
    rated.sent,
    {%- for name in tested %}
    {%- set rate = rates[name] ~ '_rate' %}
    rated.{{ name }},
    rated.{{ rate }},
    rated.{{ rate }}_low,
    rated.{{ rate }}_high,
    case when rated.place > 1 then
        {{ customerio.rate('rated.' ~ rate, 'baseline.' ~ rate) }} - 1
    end as {{ rates[name] }}_lift,
    {%- endfor %}
    '{{ metric }}' as decided_by,
    coalesce(beaten.all_of_them, 0) = 1 as is_winner,
    rated.is_declared_winner
from rated
left join rated as baseline
    on rated.workspace = baseline.workspace
    and rated.newsletter_id = baseline.newsletter_id
    and baseline.place = 1
left join beaten
    on rated.workspace = beaten.workspace
    and rated.newsletter_id = beaten.newsletter_id
    and rated.group_id = beaten.group_id
left join {{ ref('int_customerio__senders') }} as senders
    on rated.workspace = senders.workspace
    and senders.source_type = 'newsletter'
    and rated.newsletter_id = senders.source_id
