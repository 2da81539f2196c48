"""The regular sync as a job: all streams of a workspace, each from its last bookmark."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from pydantic import Field

from tap_customerio.backfill.job import State, with_selected
from tap_customerio.dagster.coordinator import SYNC_JOB, SYNC_TAG, WORKSPACE_TAG
from tap_customerio.dagster.history import MONTH, WORKSPACE
from tap_customerio.dagster.pipeline_run import PipelineRun
from tap_customerio.dagster.state_store import StateStore
from tap_customerio.dagster.streams import StreamClasses, asset_key
from tap_customerio.dagster.workspace import Workspace
from tap_customerio.streams.series import TimeSeries
from tap_customerio.tap import TapCustomerio
from tap_customerio.windows import parse, rfc3339

_Event = dg.AssetMaterialization | dg.AssetObservation

_UNFINISHED = [
    status
    for status in dg.DagsterRunStatus
    if status
    not in {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
]


class SyncConfig(dg.Config):
    """Options of one sync."""

    restart: bool = Field(default=False, description="Discard the state and start over.")


class _Described(TapCustomerio):
    """Describes settings and streams; reads nothing, and leaves signals to Dagster."""

    def _setup_signal_handlers(self) -> None:
        pass


def sync_job(
    workspaces: Mapping[str, Workspace],
    stream_classes: StreamClasses,
    months: dg.TimeWindowPartitionsDefinition,
    retry_policy: dg.RetryPolicy | None,
) -> dg.JobDefinition:
    """The job, partitioned by workspace."""

    @dg.op(name="sync", out={}, retry_policy=retry_policy)
    def sync(context: dg.OpExecutionContext, config: SyncConfig) -> Iterator[_Event]:
        workspace = workspaces[context.partition_key]
        yield from _sync(context, workspace, stream_classes, months, restart=config.restart)

    @dg.job(
        name=SYNC_JOB,
        description="All streams of a workspace, each from where the last sync ended.",
        partitions_def=dg.StaticPartitionsDefinition(list(workspaces)),
        tags={"dagster/priority": "10"},
    )
    def job() -> None:
        sync()

    return job


def _sync(
    context: dg.OpExecutionContext,
    workspace: Workspace,
    stream_classes: StreamClasses,
    months: dg.TimeWindowPartitionsDefinition,
    *,
    restart: bool,
) -> Iterator[_Event]:
    """Continue from the last sync, or start over, and yield events for what was read."""
    store = StateStore.of(context.instance, f"sync/{workspace.name}")
    first_try = context.run.parent_run_id is None and not context.retry_number
    if restart and first_try:
        store.state = None
    tap = _Described(config={**workspace.settings, "app_api_key": "unused"}, parse_env_config=True)
    begun = store.state or {"bookmarks": {}}
    bounded = "start_date" in tap.config
    if not bounded:
        begun = _from_history(begun, tap, stream_classes, months)
    store.state, store.rows = begun, {}
    pipeline_run = PipelineRun(context, workspace, store)
    pipeline_run.run(
        "--config", "ENV", state=begun, catalog=with_selected(tap.catalog_dict, stream_classes)
    )
    # Yielded, not logged by the context, which loses its events when the op fails.
    yield from _events(pipeline_run, workspace, stream_classes)
    if not bounded:
        yield from _months_read(workspace, stream_classes, months, begun, store.state)
    pipeline_run.check()


def schedule(
    job: dg.JobDefinition, cron: str, workspaces: Mapping[str, Workspace]
) -> dg.ScheduleDefinition:
    """One run per workspace, unless its last one is still running."""

    @dg.schedule(job=job, cron_schedule=cron, name=f"{SYNC_JOB}_schedule")
    def hourly(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        wanted = dg.RunsFilter(job_name=SYNC_JOB, statuses=_UNFINISHED)
        busy = {run.tags.get("dagster/partition") for run in context.instance.get_runs(wanted)}
        for name in workspaces:
            if name in busy:
                context.log.info("Workspace %s: its last sync has not ended yet.", name)
                continue
            yield dg.RunRequest(
                run_key=f"{name} {context.scheduled_execution_time:%Y-%m-%dT%H:%M}",
                partition_key=name,
                tags={WORKSPACE_TAG: name, SYNC_TAG: name},
            )
        if busy.issuperset(workspaces):
            yield dg.SkipReason("The last syncs of all workspaces have not ended yet.")

    return hourly


def _from_history(
    state: State,
    tap: TapCustomerio,
    stream_classes: StreamClasses,
    months: dg.TimeWindowPartitionsDefinition,
) -> State:
    """A state in which streams with a time range begin at the end of the monthly partitions.

    Partitions read the older data. The state has a bookmark instead of a start_date, because a
    start_date would also exclude older deliveries from rescans.
    """
    last = months.get_last_partition_window()
    edge = rfc3339(int((last.end if last else months.start).timestamp()))
    for name, stream_class in stream_classes.items():
        if stream_class.has_time_range and not state["bookmarks"].get(name):
            mark = {"replication_key": stream_class.replication_key, "replication_key_value": edge}
            if issubclass(stream_class, TimeSeries):
                mark["resolution"] = tap.settings.metrics_resolution
                mark["timezone"] = tap.settings.metrics_timezone
            state["bookmarks"][name] = mark
    return state


def _events(
    pipeline_run: PipelineRun, workspace: Workspace, stream_classes: StreamClasses
) -> Iterator[_Event]:
    """Materializations of the streams that were read and loaded completely."""
    if pipeline_run.codes[1]:
        return
    for name in sorted(pipeline_run.complete & stream_classes.keys()):
        about: dict[str, Any] = {"workspace": workspace.name, **pipeline_run.metadata(name)}
        if stream_classes[name].has_time_range:
            yield dg.AssetObservation(asset_key(name), metadata=about)
        else:
            yield dg.AssetMaterialization(asset_key(name), partition=workspace.name, metadata=about)


def _months_read(
    workspace: Workspace,
    stream_classes: StreamClasses,
    months: dg.TimeWindowPartitionsDefinition,
    before: State,
    after: State,
) -> Iterator[_Event]:
    """Months that syncs have now read completely, so that the grid shows them as present."""
    ends = {
        month: months.time_window_for_partition_key(month).end.timestamp()
        for month in months.get_partition_keys()
    }
    for stream, stream_class in stream_classes.items():
        if not stream_class.has_time_range:
            continue
        first, last = (
            parse(state["bookmarks"][stream]["replication_key_value"]) for state in (before, after)
        )
        for month, end in ends.items():
            if first < end <= last:
                key = dg.MultiPartitionKey({WORKSPACE: workspace.name, MONTH: month})
                yield dg.AssetMaterialization(
                    asset_key(stream), partition=key, metadata={"read_by": SYNC_JOB}
                )
