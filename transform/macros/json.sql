{#- JSON functions that differ between databases. -#}

{%- macro type_json() -%}{{ return(adapter.dispatch('type_json', 'customerio')()) }}{%- endmacro %}
{%- macro default__type_json() -%}json{%- endmacro %}
{%- macro postgres__type_json() -%}jsonb{%- endmacro %}
{%- macro snowflake__type_json() -%}variant{%- endmacro %}

{#- A loaded object or list, as JSON. -#}
{%- macro as_json(expression, dtype) -%}
  {{ return(adapter.dispatch('as_json', 'customerio')(expression, dtype)) }}
{%- endmacro %}

{%- macro default__as_json(expression, dtype) -%}cast({{ expression }} as json){%- endmacro %}

{#- target-postgres stores lists as arrays. -#}
{%- macro postgres__as_json(expression, dtype) -%}
  {%- if dtype == 'text' or 'char' in dtype -%}cast({{ expression }} as jsonb)
  {%- else -%}to_jsonb({{ expression }})
  {%- endif -%}
{%- endmacro %}

{%- macro snowflake__as_json(expression, dtype) -%}
  {%- if 'char' in dtype or dtype == 'text' or dtype == 'string' -%}parse_json({{ expression }})
  {%- else -%}to_variant({{ expression }})
  {%- endif -%}
{%- endmacro %}

{%- macro bigquery__as_json(expression, dtype) -%}
  {%- if dtype == 'string' -%}parse_json({{ expression }})
  {%- else -%}to_json({{ expression }})
  {%- endif -%}
{%- endmacro %}

{#- A member of an object as text; null if there is none. -#}
{%- macro json_text(expression, member) -%}
  {{ return(adapter.dispatch('json_text', 'customerio')(expression, member)) }}
{%- endmacro %}

{%- macro default__json_text(expression, member) -%}
  ({{ expression }} ->> '{{ member }}')
{%- endmacro %}

{%- macro snowflake__json_text(expression, member) -%}
  cast(get({{ expression }}, '{{ member }}') as varchar)
{%- endmacro %}

{%- macro bigquery__json_text(expression, member) -%}
  json_value({{ expression }}, '$."{{ member }}"')
{%- endmacro %}

{#- Rows of a relation with each member of an object: `member_key` and `member_value`, as text.

For use as a from clause. -#}
{%- macro json_members(relation, column) -%}
  {{ return(adapter.dispatch('json_members', 'customerio')(relation, column)) }}
{%- endmacro %}

{%- macro default__json_members(relation, column) -%}
(
    select base.*, member.key as member_key, member.value ->> '$' as member_value
    from {{ relation }} as base, json_each(base.{{ column }}) as member
) as members
{%- endmacro %}

{%- macro postgres__json_members(relation, column) -%}
(
    select base.*, member.key as member_key, member.value as member_value
    from {{ relation }} as base
    cross join lateral jsonb_each_text(
        case when jsonb_typeof(base.{{ column }}) = 'object' then base.{{ column }} end
    ) as member
) as members
{%- endmacro %}

{%- macro snowflake__json_members(relation, column) -%}
(
    select base.*, member.key as member_key, cast(member.value as varchar) as member_value
    from {{ relation }} as base, lateral flatten(input => base.{{ column }}) as member
) as members
{%- endmacro %}

{%- macro bigquery__json_members(relation, column) -%}
(
    select
        base.*,
        trim(name, '"') as member_key,
        json_value(base.{{ column }}[trim(name, '"')]) as member_value
    from {{ relation }} as base, unnest(json_keys(base.{{ column }}, 1)) as name
) as members
{%- endmacro %}

{#- Rows of a relation with each element of a list: `element`, as JSON. -#}
{%- macro json_elements(relation, column) -%}
  {{ return(adapter.dispatch('json_elements', 'customerio')(relation, column)) }}
{%- endmacro %}

{%- macro default__json_elements(relation, column) -%}
(
    select base.*, item.value as element
    from {{ relation }} as base, json_each(base.{{ column }}) as item
) as elements
{%- endmacro %}

{%- macro postgres__json_elements(relation, column) -%}
(
    select base.*, item.element
    from {{ relation }} as base
    cross join lateral jsonb_array_elements(
        case when jsonb_typeof(base.{{ column }}) = 'array' then base.{{ column }} end
    ) as item (element)
) as elements
{%- endmacro %}

{%- macro snowflake__json_elements(relation, column) -%}
(
    select base.*, item.value as element
    from {{ relation }} as base, lateral flatten(input => base.{{ column }}) as item
) as elements
{%- endmacro %}

{%- macro bigquery__json_elements(relation, column) -%}
(
    select base.*, element
    from {{ relation }} as base, unnest(json_query_array(base.{{ column }})) as element
) as elements
{%- endmacro %}

{#- A text or number element, as text. -#}
{%- macro json_scalar(expression) -%}
  {{ return(adapter.dispatch('json_scalar', 'customerio')(expression)) }}
{%- endmacro %}
{%- macro default__json_scalar(expression) -%}({{ expression }} ->> '$'){%- endmacro %}
{%- macro postgres__json_scalar(expression) -%}({{ expression }} #>> '{}'){%- endmacro %}
{%- macro snowflake__json_scalar(expression) -%}cast({{ expression }} as varchar){%- endmacro %}
{%- macro bigquery__json_scalar(expression) -%}json_value({{ expression }}){%- endmacro %}

{#- JSON as text. -#}
{%- macro json_string(expression) -%}
  {{ return(adapter.dispatch('json_string', 'customerio')(expression)) }}
{%- endmacro %}
{%- macro default__json_string(expression) -%}cast({{ expression }} as {{ dbt.type_string() }}){%- endmacro %}
{%- macro snowflake__json_string(expression) -%}to_json({{ expression }}){%- endmacro %}
{%- macro bigquery__json_string(expression) -%}to_json_string({{ expression }}){%- endmacro %}
