{%- set human = 'human_' if var('customerio_human_only') else '' %}

-- Counts of the API. Resolutions may overlap: for each time, one of them counts.
with counted_rows as (
    {{ customerio.counted_rows(
        ref('stg_customerio__link_metrics'), ['workspace', 'source_type', 'source_id']
    ) }}
),

counted as (
    select
        workspace, source_type, source_id, link_id,
        max(href) as href,
        sum(clicks) as counted_clicks
    from (
        select workspace, source_type, source_id, link_id, href, null as clicks
        from {{ ref('stg_customerio__link_metrics') }}
        union all
        select workspace, source_type, source_id, link_id, href, coalesce({{ human }}clicked, 0)
        from counted_rows
    ) as every_link
    group by 1, 2, 3, 4
),

clicked as (
    select
        workspace, source_type, source_id, link_id,
        count(distinct delivery_id) as clicked,
        count(distinct cio_id) as people,
        min(occurred_at) as first_click_at,
        max(occurred_at) as last_click_at
    from {{ ref('customerio__message_events') }}
    where event = 'clicked' and link_id is not null and source_id is not null
    {%- if human %}
        and coalesce(actor, 'human') <> 'machine'
    {%- endif %}
    group by 1, 2, 3, 4
),

senders as (
    select
        workspace,
        source_type,
        source_id,
        max(source_name) as source_name,
        count(sent_at) as sent
    from {{ ref('customerio__deliveries') }}
    where source_id is not null and not is_draft
    group by 1, 2, 3
),

links as (
    select distinct workspace, source_type, source_id, link_id
    from (
        select workspace, source_type, source_id, link_id from counted
        union all
        select workspace, source_type, source_id, link_id from clicked
    ) as known
),

joined as (
    select
        links.workspace,
        links.source_type,
        links.source_id,
        links.link_id,
        coalesce(senders.source_name, listed.source_name) as source_name,
        counted.href,
        coalesce(senders.sent, 0) as sent,
        coalesce(clicked.clicked, 0) as clicked,
        coalesce(clicked.people, 0) as people,
        counted.counted_clicks,
        clicked.first_click_at,
        clicked.last_click_at
    from links
    left join counted
        on links.workspace = counted.workspace
        and links.source_type = counted.source_type
        and links.source_id = counted.source_id
        and links.link_id = counted.link_id
    left join clicked
        on links.workspace = clicked.workspace
        and links.source_type = clicked.source_type
        and links.source_id = clicked.source_id
        and links.link_id = clicked.link_id
    left join senders
        on links.workspace = senders.workspace
        and links.source_type = senders.source_type
        and links.source_id = senders.source_id
    left join {{ ref('int_customerio__senders') }} as listed
        on links.workspace = listed.workspace
        and links.source_type = listed.source_type
        and links.source_id = listed.source_id
)

select
    {{ customerio.row_hash(['workspace', 'source_type', 'source_id', 'link_id']) }} as link_key,
    workspace,
    source_type,
    source_id,
    source_name,
    link_id,
    href,
    sent,
    clicked,
    people,
    {{ customerio.rate('clicked', 'sent') }} as click_rate,
    {{ customerio.rate(
        'clicked', 'sum(clicked) over (partition by workspace, source_type, source_id)'
    ) }} as share_of_clicks,
    counted_clicks,
    first_click_at,
    last_click_at
from joined
