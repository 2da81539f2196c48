{%- set sender = ['workspace', 'source_type', 'source_id'] %}
{%- set keys = (sender + ['resolution', 'timezone', 'bucket']) | join(', ') %}

-- Loaded deliveries and the API's counts, by sender and bucket of the metrics stream. Resolutions
-- may overlap: for each stretch of time, one of them counts.
with metrics as (
    {{ customerio.with_buckets(ref('stg_customerio__metrics')) }}
),

every_count as (
    select
        {{ keys }}, begins_at, ends_at,
        sum(coalesce(sent, 0)) as sent,
        sum(coalesce(delivered, 0)) as delivered,
        sum(coalesce(drafted, 0)) as drafted,
        sum(running) as running
    from metrics
    group by {{ keys }}, begins_at, ends_at
),

stretches as (
    {{ customerio.stretches('every_count', sender) }}
),

counted as (
    select every_count.*
    from every_count
    inner join stretches
        on every_count.workspace = stretches.workspace
        and every_count.source_type = stretches.source_type
        and every_count.source_id = stretches.source_id
        and every_count.resolution = stretches.resolution
        and every_count.timezone = stretches.timezone
    where {{ customerio.is_counted() }}
),

deliveries as (
    select
        deliveries.workspace,
        deliveries.source_type,
        deliveries.source_id,
        deliveries.created_at,
        deliveries.sent_at,
        deliveries.delivered_at,
        stretches.resolution,
        stretches.timezone,
        stretches.counts_from,
        stretches.counts_until,
        {{ customerio.local_time('deliveries.created_at', 'stretches.timezone') }} as local_created
    from {{ ref('customerio__deliveries') }} as deliveries
    left join stretches
        on deliveries.workspace = stretches.workspace
        and deliveries.source_type = stretches.source_type
        and deliveries.source_id = stretches.source_id
        and deliveries.created_at >= stretches.counts_from
        and (stretches.counts_until is null or deliveries.created_at < stretches.counts_until)
    where not deliveries.is_draft and {{ customerio.is_possible('deliveries.created_at') }}
        and deliveries.source_id is not null
),

placed as (
    select
        *,
        {{ customerio.local_bucket('resolution', 'local_created') }} as bucket
    from deliveries
),

matched as (
    select
        *,
        {{ customerio.is_counted() }} as is_counted
    from (
        select
            *,
            {{ customerio.bucket_edges() }}
        from placed
    ) as edged
),

-- Deliveries without counts are added up by day.
loaded as (
    select
        {{ sender | join(', ') }},
        case when is_counted then resolution else 'days' end as resolution,
        case when is_counted then timezone else 'UTC' end as timezone,
        case
            when is_counted then bucket
            else cast({{ dbt.date_trunc('day', 'created_at') }} as {{ customerio.type_local() }})
        end as bucket,
        count(sent_at) as sent,
        count(delivered_at) as delivered,
        min(case when is_counted then 1 else 0 end) as is_covered
    from matched
    group by 1, 2, 3, 4, 5, 6
),

-- Counts newer than all deliveries show that the newest deliveries are missing.
ranges as (
    select
        workspace,
        min(created_at) as earliest,
        max(created_at) as newest,
        {{ customerio.latest('known_at') }} as latest
    from (
        select workspace, created_at, changed_at as known_at
        from {{ ref('customerio__deliveries') }}
        where {{ customerio.is_possible('created_at') }}
        union all
        select workspace, cast(null as {{ dbt.type_timestamp() }}), period_start
        from metrics
    ) as deliveries_and_counts
    group by workspace
),

-- metrics has no zero buckets.
buckets as (
    select
        {{ keys }},
        max(sent) as sent,
        max(delivered) as delivered,
        max(drafted) as drafted,
        max(running) as running,
        max(loaded_sent) as loaded_sent,
        max(loaded_delivered) as loaded_delivered,
        max(is_covered) as is_covered
    from (
        select {{ keys }}, sent, delivered, drafted, running,
            0 as loaded_sent, 0 as loaded_delivered, 1 as is_covered
        from counted
        union all
        select {{ keys }}, 0, 0, 0, 0, sent, delivered, is_covered
        from loaded
    ) as counted_or_loaded
    group by {{ keys }}
),

edged as (
    select
        *,
        {{ customerio.bucket_edges() }}
    from buckets
),

compared as (
    select
        edged.*,
        sent - loaded_sent as missing_sent,
        delivered - loaded_delivered as missing_delivered,
        {{ dbt.datediff('edged.ends_at', 'ranges.latest', 'second') }} as settled_seconds,
        {{ dbt.datediff('edged.begins_at', 'ranges.latest', 'second') }} as age_seconds,
        ranges.earliest,
        ranges.newest,
        edged.source_type = 'unknown' or ids.source_type = 'unknown' as is_unknown
    from edged
    left join ranges on edged.workspace = ranges.workspace
    left join {{ ref('int_customerio__campaign_ids') }} as ids
        on edged.workspace = ids.workspace
        and edged.source_id = ids.source_id
        and edged.source_type in ('campaign', 'broadcast')
),

judged as (
    select
        *,
        case
            when is_covered = 1 and missing_sent = 0 and missing_delivered = 0 then 'equal'
            when is_unknown then 'unknown sender'
            when is_covered = 0 then 'not covered'
            when earliest is null or begins_at <= earliest then 'before loading'
            when age_seconds > 180 * 86400 then 'too old'
            when running > 0 or settled_seconds < 2 * 86400 then 'recent'
            when begins_at <= newest and newest < ends_at then 'end of loading'
            when missing_sent > 0 then 'missing'
            when missing_sent < 0 then 'more loaded'
            else 'states differ'
        end as status
    from compared
),

summed as (
    select
        *,
        sum(case when status in ('missing', 'more loaded') then missing_sent else 0 end)
            over (partition by workspace, source_type, source_id)
            as missing_of_sender
    from judged
),

settled as (
    select
        *,
        case
            when status in ('missing', 'more loaded') and missing_of_sender = 0 then 'other bucket'
            else status
        end as final_status
    from summed
)

select
    {{ customerio.row_hash([
        'workspace', 'source_type', 'source_id', 'resolution', 'timezone', 'bucket',
    ]) }} as reconciliation_key,
    workspace,
    source_type,
    source_id,
    resolution,
    timezone,
    begins_at as period_start,
    ends_at as period_end,
    cast(bucket as date) as day,
    sent as counted_sent,
    loaded_sent,
    missing_sent,
    delivered as counted_delivered,
    loaded_delivered,
    missing_delivered,
    drafted as counted_drafts,
    is_covered = 1 as is_covered,
    final_status as status,
    case final_status
        when 'unknown sender' then 'A campaign or a broadcast sent these: it is not known which.'
        when 'not covered' then 'Customer.io does not count these deliveries, or no longer.'
        when 'before loading' then 'Loading begins later (start_date).'
        when 'too old' then 'The API may no longer list deliveries older than six months.'
        when 'end of loading' then 'The newest loaded delivery is in this bucket, which may be incomplete.'
        when 'recent' then 'Deliveries and counts were read at different times.'
        when 'other bucket' then 'The sums agree: the API seems to use another time zone for its days.'
        when 'more loaded' then 'The counts are older than the deliveries.'
        when 'states differ' then 'Delivered after the delivery was last read (rescan_ages).'
        when 'missing' then 'Not loaded. Read this period again with the backfill command; '
            || 'drafts that were sent later need include_drafts.'
    end as explanation
from settled
