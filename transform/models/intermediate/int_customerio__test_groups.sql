-- The A/B test group of each content of a newsletter.
select
    workspace,
    newsletter_id,
    cast({{ customerio.json_scalar('element') }} as {{ dbt.type_bigint() }}) as content_id,
    min(id) as group_id,
    max(coalesce(label, name)) as test_group
from {{ customerio.json_elements(ref('stg_customerio__newsletter_test_groups'), 'content_ids') }}
group by 1, 2, 3
