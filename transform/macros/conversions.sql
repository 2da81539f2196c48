{#- Conversions from the table in customerio_conversions; empty without a table. -#}
{%- macro conversions() -%}
  {%- set named = var('customerio_conversions') or {} -%}
  {%- set present = customerio.loaded_columns(customerio.conversions_relation(named)) -%}
select
    {{ customerio.conversion_column(named, present, 'id', 'text') }} as conversion_id,
    {{ customerio.conversion_column(named, present, 'at', 'timestamp') }} as converted_at,
    {{ customerio.conversion_column(named, present, 'person', 'text') }} as person,
    cast({{ customerio.conversion_column(named, present, 'value', 'text') }}
        as {{ dbt.type_numeric() }}) as value,
    {{ customerio.conversion_column(named, present, 'workspace', 'text') }} as workspace
  {%- if named %}
from {{ customerio.conversions_relation(named) }}
  {%- else %}
from (select 1 as nothing) as not_named
where 1 = 0
  {%- endif %}
{%- endmacro %}

{#- The table or model; dbt's schema and database are the default. -#}
{%- macro conversions_relation(named) -%}
  {%- if named.get('model') -%}
    {%- set wanted = ref(named['model']) -%}
    {%- set parts = [wanted.database, wanted.schema, wanted.identifier] -%}
  {%- else -%}
    {%- set parts = named.get('table', '(none)').split('.') -%}
    {%- set parts = [target.database, target.schema][: 3 - parts | length] + parts -%}
  {%- endif -%}
  {%- if not execute or not named -%}{{ return(none) }}{%- endif -%}
  {%- set found = adapter.get_relation(
      database=parts[0], schema=parts[1], identifier=parts[2]
  ) -%}
  {%- if found is none -%}
    {{ exceptions.raise_compiler_error(
        "customerio_conversions: there is no table " ~ parts | join('.')
        ~ ". Name one that exists (table) or a model, or leave the variable out."
    ) }}
  {%- endif -%}
  {{ return(found) }}
{%- endmacro %}

{#- One of its columns; only the value and the workspace are optional. -#}
{%- macro conversion_column(named, present, what, type) -%}
  {%- set column = named.get(what) -%}
  {%- if named and execute and (
      not column and what in ('id', 'at', 'person') or column and column | lower not in present
  ) -%}
    {{ exceptions.raise_compiler_error(
        "customerio_conversions: " ~ what ~ " must name a column of the table"
        ~ (", which has no " ~ column if column else "") ~ "."
    ) }}
  {%- endif -%}
  {{ customerio.typed(present.get(column | lower) if column else none, type, customerio.types()) | trim }}
{%- endmacro %}

{#- The form in which people are compared: addresses are case-insensitive. -#}
{%- macro person_name(named, expression) -%}
  {{ return('lower(' ~ expression ~ ')' if named.get('person_is') == 'email' else expression) }}
{%- endmacro %}

{#- The value of a variable, if it is valid. -#}
{%- macro one_of(variable, value, known) -%}
  {%- if execute and value not in known -%}
    {{ exceptions.raise_compiler_error(
        variable ~ " must be one of " ~ known | join(', ') ~ ", not " ~ value ~ "."
    ) }}
  {%- endif -%}
  {{ return(value) }}
{%- endmacro %}
