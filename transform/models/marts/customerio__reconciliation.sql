-- Loaded deliveries and the API's counts, by sender and bucket of the metrics stream.
with metrics as (
    select
        *,
        {{ customerio.local_time('period_start', 'timezone') }} as local_start
    from {{ ref('stg_customerio__metrics') }}
    where {{ customerio.is_possible('period_start') }}
),

counted as (
    select
        workspace, source_type, source_id, resolution, timezone,
        {{ customerio.local_bucket('resolution', 'local_start') }} as bucket,
        min(period_start) as period_start,
        sum(coalesce(sent, 0)) as sent,
        sum(coalesce(delivered, 0)) as delivered,
        sum(coalesce(drafted, 0)) as drafted,
        sum(case when is_partial then 1 else 0 end) as running
    from metrics
    group by 1, 2, 3, 4, 5, 6
),

cuts as (
    select
        workspace, source_type, source_id, resolution, timezone, min(bucket) as first_counted
    from counted
    group by 1, 2, 3, 4, 5
),

deliveries as (
    select
        cuts.*,
        deliveries.delivery_id,
        deliveries.created_at,
        deliveries.sent_at,
        deliveries.delivered_at,
        {{ customerio.local_time('deliveries.created_at', 'cuts.timezone') }} as local_created
    from {{ ref('customerio__deliveries') }} as deliveries
    inner join cuts
        on deliveries.workspace = cuts.workspace
        and deliveries.source_type = cuts.source_type
        and deliveries.source_id = cuts.source_id
    where not deliveries.is_draft and {{ customerio.is_possible('deliveries.created_at') }}
),

loaded as (
    select
        workspace, source_type, source_id, resolution, timezone,
        {{ customerio.local_bucket('resolution', 'local_created') }} as bucket,
        count(sent_at) as sent,
        count(delivered_at) as delivered,
        min(created_at) as first_created,
        min(first_counted) as first_counted
    from deliveries
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

-- metrics has no zero buckets; before the first bucket, counts may not exist.
buckets as (
    select distinct workspace, source_type, source_id, resolution, timezone, bucket
    from (
        select workspace, source_type, source_id, resolution, timezone, bucket
        from counted
        union all
        select workspace, source_type, source_id, resolution, timezone, bucket
        from loaded
        where bucket >= first_counted
    ) as counted_or_loaded
),

compared as (
    select
        buckets.*,
        counted.period_start,
        coalesce(counted.sent, 0) as sent,
        coalesce(counted.delivered, 0) as delivered,
        coalesce(counted.drafted, 0) as drafted,
        coalesce(counted.running, 0) as running,
        coalesce(loaded.sent, 0) as loaded_sent,
        coalesce(loaded.delivered, 0) as loaded_delivered,
        coalesce(counted.sent, 0) - coalesce(loaded.sent, 0) as missing_sent,
        coalesce(counted.delivered, 0) - coalesce(loaded.delivered, 0) as missing_delivered,
        {{ customerio.local_bucket(
            'buckets.resolution', customerio.local_time('ranges.earliest', 'buckets.timezone')
        ) }} as first_bucket,
        {{ customerio.local_bucket(
            'buckets.resolution', customerio.local_time('ranges.newest', 'buckets.timezone')
        ) }} as last_bucket,
        {{ dbt.datediff(
            'coalesce(counted.period_start, loaded.first_created)', 'ranges.latest', 'day'
        ) }} as age_days,
        ranges.earliest
    from buckets
    left join counted
        on buckets.workspace = counted.workspace
        and buckets.source_type = counted.source_type
        and buckets.source_id = counted.source_id
        and buckets.resolution = counted.resolution
        and buckets.timezone = counted.timezone
        and buckets.bucket = counted.bucket
    left join loaded
        on buckets.workspace = loaded.workspace
        and buckets.source_type = loaded.source_type
        and buckets.source_id = loaded.source_id
        and buckets.resolution = loaded.resolution
        and buckets.timezone = loaded.timezone
        and buckets.bucket = loaded.bucket
    left join ranges on buckets.workspace = ranges.workspace
),

judged as (
    select
        *,
        case
            when missing_sent = 0 and missing_delivered = 0 then 'equal'
            when earliest is null or bucket <= first_bucket then 'before loading'
            when age_days > 180 then 'too old'
            when running > 0 or age_days <= {{ customerio.recent_days('resolution') }} then 'recent'
            when bucket = last_bucket then 'end of loading'
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
            over (partition by workspace, source_type, source_id, resolution, timezone)
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
    period_start,
    cast(bucket as date) as day,
    sent as counted_sent,
    loaded_sent,
    missing_sent,
    delivered as counted_delivered,
    loaded_delivered,
    missing_delivered,
    drafted as counted_drafts,
    final_status as status,
    case final_status
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
