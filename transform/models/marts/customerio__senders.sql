with totals as (
    select
        workspace,
        source_type,
        source_id,
        count(*) as deliveries,
        count(distinct cio_id) as people,
        min(created_at) as first_delivery_at,
        max(created_at) as last_delivery_at,
        sum(case when is_settled then 0 else 1 end) as unsettled,
        {{- customerio.sender_sums() }}
    from {{ ref('customerio__deliveries') }}
    where source_id is not null and not is_draft
    group by 1, 2, 3
),

-- Includes senders without deliveries, and those that Customer.io no longer lists.
senders as (
    select distinct workspace, source_type, source_id
    from (
        select workspace, source_type, source_id from {{ ref('int_customerio__senders') }}
        union all
        select workspace, source_type, source_id from totals
    ) as listed_or_sending
)

select
    {{ customerio.row_hash(['senders.workspace', 'senders.source_type', 'senders.source_id']) }}
        as sender_key,
    senders.workspace,
    senders.source_type,
    senders.source_id,
    listed.source_name,
    listed.source_state,
    listed.source_created_at,
    listed.source_started_at,
    listed.source_id is not null as is_listed,
    totals.first_delivery_at,
    totals.last_delivery_at,
    coalesce(totals.deliveries, 0) as deliveries,
    coalesce(totals.people, 0) as people,
    coalesce(totals.unsettled, 0) as unsettled,
    {%- for name in customerio.counted_states() %}
    coalesce(totals.{{ name }}, 0) as {{ name }},
    {%- endfor %}
    {{- customerio.sender_rates() }},
    {{ customerio.rate('clicked', 'opened') }} as click_to_open_rate
from senders
left join {{ ref('int_customerio__senders') }} as listed
    on senders.workspace = listed.workspace
    and senders.source_type = listed.source_type
    and senders.source_id = listed.source_id
left join totals
    on senders.workspace = totals.workspace
    and senders.source_type = totals.source_type
    and senders.source_id = totals.source_id
