{#- A time in UTC, from a type with or without a time zone. -#}
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

{#- Whether a time is possible: Customer.io began in 2012, and nothing happens in the future. -#}
{%- macro is_possible(expression) -%}
  {{ expression }} >= cast('2012-01-01' as {{ dbt.type_timestamp() }})
        and {{ expression }} <= cast(
            {{ dbt.dateadd('day', 1, dbt.current_timestamp()) }} as {{ dbt.type_timestamp() }}
        )
{%- endmacro %}

{#- The latest time, without invalid ones in the future. -#}
{%- macro latest(expression) -%}
  coalesce(
        max(case when {{ customerio.is_possible(expression) }} then {{ expression }} end),
        max({{ expression }})
    )
{%- endmacro %}

{#- Hours from one time to another, with fractions. -#}
{%- macro hours_between(start, end) -%}
  {{ dbt.datediff(start, end, 'second') }} / 3600.0
{%- endmacro %}

{#- A UTC time as local time; the zone is an expression. -#}
{%- macro local_time(expression, zone) -%}
  {{ return(adapter.dispatch('local_time', 'customerio')(expression, zone)) }}
{%- endmacro %}

{%- macro default__local_time(expression, zone) -%}
  {{ expression }} at time zone 'UTC' at time zone {{ zone }}
{%- endmacro %}

{%- macro snowflake__local_time(expression, zone) -%}
  convert_timezone('UTC', {{ zone }}, {{ expression }})
{%- endmacro %}

{%- macro bigquery__local_time(expression, zone) -%}
  datetime({{ expression }}, {{ zone }})
{%- endmacro %}

{#- A local time as UTC time; the zone is an expression. -#}
{%- macro utc_time(local, zone) -%}
  {{ return(adapter.dispatch('utc_time', 'customerio')(local, zone)) }}
{%- endmacro %}

{%- macro default__utc_time(local, zone) -%}
  {{ local }} at time zone {{ zone }} at time zone 'UTC'
{%- endmacro %}

{%- macro snowflake__utc_time(local, zone) -%}
  convert_timezone({{ zone }}, 'UTC', {{ local }})
{%- endmacro %}

{%- macro bigquery__utc_time(local, zone) -%}
  timestamp({{ local }}, {{ zone }})
{%- endmacro %}
