{#- The domain of an address, also of `Ada <ada@x.com>`, or of the first of several addresses. -#}
{%- macro email_domain(address) -%}
  {%- set bare -%}
    case when {{ address }} like '%<%@%' then {{ dbt.split_part(address, "'<'", 2) }} else {{ address }} end
  {%- endset -%}
  {%- set parts = namespace(domain=dbt.split_part(bare, "'@'", 2)) -%}
  {%- for mark in [',', ';', ' ', '>'] -%}
    {%- set parts.domain = dbt.split_part(parts.domain, dbt.string_literal(mark), 1) -%}
  {%- endfor -%}
  nullif(lower({{ parts.domain }}), '')
{%- endmacro %}
