{#- The bucket of a local time; weeks start on Sunday. -#}
{%- macro local_bucket(resolution, local) -%}
        {%- set monday = 'isoweek' if target.type == 'bigquery' else 'week' -%}
        {%- set starts = {
            'hours': dbt.date_trunc('hour', local),
            'days': dbt.date_trunc('day', local),
            'weeks': dbt.dateadd('day', -1, dbt.date_trunc(monday, dbt.dateadd('day', 1, local))),
            'months': dbt.date_trunc('month', local),
        } -%}
        {{ customerio.by_resolution(resolution, starts) }}
{%- endmacro %}

{#- The bucket after a bucket, both as local times. -#}
{%- macro next_bucket(resolution, bucket) -%}
        {{ customerio.by_resolution(resolution, {
            'hours': dbt.dateadd('hour', 1, bucket),
            'days': dbt.dateadd('day', 1, bucket),
            'weeks': dbt.dateadd('day', 7, bucket),
            'months': dbt.dateadd('month', 1, bucket),
        }) }}
{%- endmacro %}

{#- The local time for a resolution. -#}
{%- macro by_resolution(resolution, times) -%}
        case {{ resolution }}
            {%- for name, time in times.items() %}
            when '{{ name }}' then cast({{ time }} as {{ customerio.type_local() }})
            {%- endfor %}
        end
{%- endmacro %}

{#- The type of a local time. -#}
{%- macro type_local() -%}
  {{ return('datetime' if target.type == 'bigquery' else dbt.type_timestamp()) }}
{%- endmacro %}

{#- First and last instant of a bucket, in UTC; the last is exclusive. -#}
{%- macro bucket_edges() -%}
        {{ customerio.utc_time('bucket', 'timezone') }} as begins_at,
        {{ customerio.utc_time(customerio.next_bucket('resolution', 'bucket'), 'timezone') }}
            as ends_at
{%- endmacro %}

{#- The rows of a stream of counts with their buckets: edges, and whether one was running (1) when read. -#}
{%- macro with_buckets(relation) -%}
    select
        *,
        {{ customerio.bucket_edges() }},
        case when is_partial then 1 else 0 end as running
    from (
        select
            *,
            {{ customerio.local_bucket('resolution', 'local_start') }} as bucket
        from (
            select
                *,
                {{ customerio.local_time('period_start', 'timezone') }} as local_start
            from {{ relation }}
            where {{ customerio.is_possible('period_start') }}
        ) as timed
    ) as bucketed
    where bucket is not null
{%- endmacro %}

{#- The resolution and time zone that count in each stretch of time, by owner of the buckets.

From its first bucket on, the resolution that reaches furthest counts (the finest, if several do): to
the end of its last bucket that was over (running is 0), or the start of a running one. Before that,
the next one counts. A coarser bucket that reaches into finer ones counts if it was over when it was
read: then the finer ones count from its end. -#}
{%- macro stretches(buckets, owner) -%}
    {%- set key = (owner + ['resolution', 'timezone']) | join(', ') -%}
    {%- set owner = owner | join(', ') -%}
    {%- set before = 'rows between unbounded preceding and 1 preceding' -%}
    with ranked as (
        select
            {{ key }},
            min(begins_at) as first_at,
            row_number() over (
                partition by {{ owner }}
                order by
                    max(case when running = 0 then ends_at else begins_at end) desc,
                    case resolution when 'hours' then 1 when 'days' then 2 when 'weeks' then 3 else 4 end,
                    timezone
            ) as place
        from {{ buckets }}
        group by {{ key }}
    ),

    limited as (
        select
            *,
            min(first_at) over (partition by {{ owner }} order by place {{ before }}) as limit_at
        from ranked
    ),

    ended as (
        select
            {{ key }}, place, first_at,
            max(case
                when begins_at < limit_at and (running = 0 or ends_at <= limit_at) then ends_at
            end) as end_at
        from limited
        inner join {{ buckets }} using ({{ key }})
        group by {{ key }}, place, first_at
    ),

    begun as (
        select
            {{ key }}, place, first_at,
            max(end_at) over (partition by {{ owner }} order by place desc {{ before }}) as former_end
        from ended
    ),

    beginnings as (
        select
            {{ key }}, place,
            case when former_end > first_at then former_end else first_at end as counts_from
        from begun
    )

    select
        {{ key }}, counts_from,
        min(counts_from) over (partition by {{ owner }} order by place {{ before }}) as counts_until
    from beginnings
{%- endmacro %}

{#- Whether a bucket is within its stretch. -#}
{%- macro is_counted() -%}
begins_at >= counts_from and (counts_until is null or ends_at <= counts_until)
{%- endmacro %}

{#- The rows of a stream of counts that count: for each time, those of one resolution and time zone. -#}
{%- macro counted_rows(relation, owner) -%}
    with edged as (
        {{ customerio.with_buckets(relation) }}
    ),

    stretches as (
        {{ customerio.stretches('edged', owner) }}
    )

    select edged.*
    from edged
    inner join stretches
        on edged.resolution = stretches.resolution
        and edged.timezone = stretches.timezone
        {%- for column in owner %}
        and edged.{{ column }} = stretches.{{ column }}
        {%- endfor %}
    where {{ customerio.is_counted() }}
{%- endmacro %}
