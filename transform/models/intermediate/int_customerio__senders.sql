-- Senders of all four types.
{% set kinds = {
    'campaign': ['campaigns', 'name', 'state', 'created_at', 'first_started'],
    'newsletter': ['newsletters', 'name', 'null', 'created_at', 'sent_at'],
    'broadcast': ['broadcasts', 'name', 'state', 'created_at', 'first_started'],
    'transactional': ['transactional_messages', 'name', 'null', 'created_at', 'null'],
} %}
{% for kind, (stream, name, state, created, started) in kinds.items() %}
select
    workspace,
    '{{ kind }}' as source_type,
    id as source_id,
    {{ name }} as source_name,
    cast({{ state }} as {{ dbt.type_string() }}) as source_state,
    {{ created }} as source_created_at,
    cast({{ started }} as {{ dbt.type_timestamp() }}) as source_started_at
from {{ ref('stg_customerio__' ~ stream) }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
