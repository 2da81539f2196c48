{#- The bucket of a local time; weeks start on Sunday. -#}
{%- macro local_bucket(resolution, local) -%}
        {%- set monday = 'isoweek' if target.type == 'bigquery' else 'week' -%}
        {%- set starts = {
            'hours': dbt.date_trunc('hour', local),
            'days': dbt.date_trunc('day', local),
            'weeks': dbt.dateadd('day', -1, dbt.date_trunc(monday, dbt.dateadd('day', 1, local))),
            'months': dbt.date_trunc('month', local),
        } -%}
        case {{ resolution }}
            {%- for name, start in starts.items() %}
            when '{{ name }}' then cast({{ start }} as {{ customerio.type_local() }})
            {%- endfor %}
        end
{%- endmacro %}

{#- The type of a local time. -#}
{%- macro type_local() -%}
  {{ return('datetime' if target.type == 'bigquery' else dbt.type_timestamp()) }}
{%- endmacro %}

{#- Days from the start of a bucket until it has ended and its deliveries are sent. -#}
{%- macro recent_days(resolution) -%}
case {{ resolution }} when 'months' then 33 when 'weeks' then 9 else 3 end
{%- endmacro %}
