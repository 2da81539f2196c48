"""Streams as assets: each run of a partition is a backfill with a separate state."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from tap_customerio.backfill.job import STATE_KEY
from tap_customerio.dagster.pipeline_run import PipelineRun
from tap_customerio.dagster.state_store import StateStore
from tap_customerio.dagster.streams import asset_key, spec
from tap_customerio.dagster.workspace import Workspace
from tap_customerio.streams.base import CustomerioStream

MONTH = "month"
WORKSPACE = "workspace"


def assets(
    name: str,
    stream_classes: Sequence[type[CustomerioStream]],
    workspaces: Mapping[str, Workspace],
    months: dg.TimeWindowPartitionsDefinition,
    retry_policy: dg.RetryPolicy | None,
) -> dg.AssetsDefinition:
    """Assets that one run materializes together or in part; by month with a time range."""
    keys = dg.StaticPartitionsDefinition(list(workspaces))
    has_time_range = any(stream_class.has_time_range for stream_class in stream_classes)

    @dg.multi_asset(
        name=name,
        specs=[spec(stream_class) for stream_class in stream_classes],
        partitions_def=dg.MultiPartitionsDefinition({WORKSPACE: keys, MONTH: months})
        if has_time_range
        else keys,
        can_subset=True,
        retry_policy=retry_policy,
    )
    def read(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        yield from _read(context, name, workspaces, months)

    return read


def _read(
    context: dg.AssetExecutionContext,
    name: str,
    workspaces: Mapping[str, Workspace],
    months: dg.TimeWindowPartitionsDefinition,
) -> Iterator[dg.MaterializeResult[None]]:
    """A backfill of the selected streams, and its results per stream."""
    key = context.partition_key
    if isinstance(key, dg.MultiPartitionKey):
        workspace, window = key.keys_by_dimension[WORKSPACE], context.partition_time_window
    else:  # a backfill needs a range, even for streams without one
        workspace, window = key, dg.TimeWindow(months.start, months.start + dt.timedelta(1))
    names = sorted(asset.path[-1] for asset in context.selected_asset_keys)
    # A retry has the same root run; a later materialization reads the partition again.
    root = context.run.root_run_id or context.run.run_id
    store = StateStore.of(context.instance, f"{name}/{key}", root)
    if store.state is not None:  # a retry may have fewer streams
        store.state[STATE_KEY]["streams"] = ", ".join(names)
    pipeline_run = PipelineRun(context.op_execution_context, workspaces[workspace], store)
    pipeline_run.run(
        *("backfill", "--config", "ENV"),
        *("--from", f"{window.start:%Y-%m-%d}", "--to", f"{window.end:%Y-%m-%d}"),
        *(word for stream in names for word in ("--stream", stream)),
        state=store.state or {},
    )
    done = (store.state or {}).get(STATE_KEY, {}).get("done", ())
    for stream in names:
        if stream in done:
            metadata = pipeline_run.metadata(stream)
            yield dg.MaterializeResult(asset_key=asset_key(stream), metadata=metadata)
    pipeline_run.check(unconfirmed=[stream for stream in names if stream not in done])
    store.forget()
