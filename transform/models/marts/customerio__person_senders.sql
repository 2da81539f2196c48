with totals as (
    select
        workspace,
        cio_id,
        source_type,
        source_id,
        max(source_name) as source_name,
        count(*) as deliveries,
        min(created_at) as first_delivery_at,
        max(created_at) as last_delivery_at,
        max(first_open_at) as last_open_at,
        max(first_click_at) as last_click_at,
        {{- customerio.sender_sums() }}
    from {{ ref('customerio__deliveries') }}
    where cio_id is not null and source_id is not null and not is_draft
    group by 1, 2, 3, 4
)

select
    {{ customerio.row_hash(['workspace', 'cio_id', 'source_type', 'source_id']) }}
        as person_sender_key,
    workspace,
    cio_id,
    source_type,
    source_id,
    source_name,
    first_delivery_at,
    last_delivery_at,
    last_open_at,
    last_click_at,
    deliveries,
    {%- for name in customerio.counted_states() %}
    {{ name }},
    {%- endfor %}
    {{- customerio.sender_rates() }}
from totals
