{#- A stream as a view with renamed and typed columns of all workspaces.

Missing tables are empty and missing columns are null, so that streams and fields may be
deselected. Rows that a loader marks as deleted are left out.

columns: name in the stream -> [type, name in the model]. -#}
{%- macro stage(stream, columns) -%}
  {%- set declared = source('customerio', stream) -%}
  {%- if not execute %}{{ return('') }}{% endif -%}
  {%- set types = customerio.types() -%}
  {%- for workspace, schema in customerio.workspaces().items() %}
    {%- set relation = customerio.loaded_relation(declared, schema) %}
    {%- set present = customerio.loaded_columns(relation) %}
select
    {{ dbt.string_literal(workspace) }} as workspace
    {%- for name, (type, alias) in columns.items() %},
    {{ customerio.typed(present.get(name), type, types) }} as {{ alias }}
    {%- endfor %}
    {%- if relation is none %}
from (select 1 as nothing) as not_loaded
where 1 = 0
    {%- else %}
from {{ relation }}
      {%- if '_sdc_deleted_at' in present %}
where {{ adapter.quote(present['_sdc_deleted_at'].name) }} is null
      {%- endif %}
    {%- endif %}
    {%- if not loop.last %}
union all
    {%- endif %}
  {%- endfor %}
{%- endmacro %}

{#- Schemas by workspace name. -#}
{%- macro workspaces() -%}
  {%- set one = var('customerio_schema') -%}
  {{ return(var('customerio_workspaces') or {one: one}) }}
{%- endmacro %}

{#- The stream's table in a schema, or none. -#}
{%- macro loaded_relation(declared, schema) -%}
  {{ return(adapter.get_relation(
      database=declared.database, schema=schema, identifier=declared.identifier
  )) }}
{%- endmacro %}

{#- Columns of a relation by their lower-case name. -#}
{%- macro loaded_columns(relation) -%}
  {%- set found = {} -%}
  {%- if relation is not none -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
      {%- do found.update({column.name | lower: column}) -%}
    {%- endfor -%}
  {%- endif -%}
  {{ return(found) }}
{%- endmacro %}

{#- A column as one of the package's types; null if it is missing. -#}
{%- macro typed(column, type, types) -%}
  {%- if column is none -%}
    cast(null as {{ types[type] }})
  {%- elif type == 'json' -%}
    {{ customerio.as_json(adapter.quote(column.name), column.dtype | lower) }}
  {%- elif type == 'timestamp' -%}
    {{ customerio.as_utc(adapter.quote(column.name), column.dtype | lower) }}
  {%- else -%}
    cast({{ adapter.quote(column.name) }} as {{ types[type] }})
  {%- endif -%}
{%- endmacro %}

{#- The package's types in the warehouse's SQL, found once for all columns. -#}
{%- macro types() -%}
  {{ return({
      'text': dbt.type_string(), 'integer': dbt.type_bigint(), 'boolean': dbt.type_boolean(),
      'timestamp': dbt.type_timestamp(), 'json': customerio.type_json() | trim,
  }) }}
{%- endmacro %}
