{#- A time, of a type with or without a zone, in UTC. -#}
{%- macro as_utc(expression, dtype) -%}
  {{ return(adapter.dispatch('as_utc', 'customerio')(expression, dtype)) }}
{%- endmacro %}

{%- macro default__as_utc(expression, dtype) -%}
  {%- if 'with time zone' in dtype or dtype == 'timestamptz' -%}
    {{ expression }} at time zone 'UTC'
  {%- else -%}
    cast({{ expression }} as {{ dbt.type_timestamp() }})
  {%- endif -%}
{%- endmacro %}

{%- macro snowflake__as_utc(expression, dtype) -%}
  {%- if 'tz' in dtype and 'ntz' not in dtype -%}
    cast(convert_timezone('UTC', {{ expression }}) as {{ dbt.type_timestamp() }})
  {%- else -%}
    cast({{ expression }} as {{ dbt.type_timestamp() }})
  {%- endif -%}
{%- endmacro %}

{%- macro bigquery__as_utc(expression, dtype) -%}
  cast({{ expression }} as timestamp)
{%- endmacro %}
