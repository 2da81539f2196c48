"""Assets, jobs and a schedule for any number of workspaces."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import dagster as dg

from tap_customerio import errors
from tap_customerio.dagster.coordinator import GROUP
from tap_customerio.dagster.history import assets
from tap_customerio.dagster.streams import select_streams
from tap_customerio.dagster.sync import schedule as scheduled
from tap_customerio.dagster.sync import sync_job

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_customerio.dagster.workspace import Workspace
    from tap_customerio.streams.base import CustomerioStream

RETRIES = dg.RetryPolicy(
    max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)
"""Three attempts."""


def build_definitions(  # noqa: PLR0913 - each but two has a default, and none depends on another
    workspaces: Sequence[Workspace],
    start_date: str,
    *,
    end_date: str | None = None,
    streams: Sequence[str] | None = None,
    schedule: str | None = "0 * * * *",
    retry_policy: dg.RetryPolicy | None = RETRIES,
) -> dg.Definitions:
    """Assets of all streams, by workspace and, for streams with a time range, by month.

    `start_date` is in the first month of history; months from `end_date` on are left out.
    Jobs: `customerio_history` and `customerio_lists` materialize the assets, `customerio_sync` is
    the regular sync, on the `schedule` (cron) unless it is None. Without `streams`, the streams
    selected by default. `retry_policy` applies to failed runs.

    Raises:
        TapError: A stream does not exist, a date is invalid, or workspaces share a name.
    """
    by_name = _by_name(workspaces)
    months = dg.MonthlyPartitionsDefinition(
        _month("start_date", start_date),
        None if end_date is None else _month("end_date", end_date),
    )
    classes = select_streams(streams)
    by_job = {name: some for name, some in _by_job(classes.values()).items() if some}
    made = {name: assets(name, by_job[name], by_name, months, retry_policy) for name in by_job}
    sync = sync_job(by_name, classes, months, retry_policy)
    return dg.Definitions(
        assets=[*made.values()],
        jobs=[
            *(dg.define_asset_job(f"{GROUP}_{name}", [found]) for name, found in made.items()),
            sync,
        ],
        schedules=[] if schedule is None else [scheduled(sync, schedule, by_name)],
        # Celery workers may not start the child processes of Dagster's default executor.
        executor=dg.in_process_executor,
    )


def _by_job(classes: Iterable[type[CustomerioStream]]) -> dict[str, list[type[CustomerioStream]]]:
    """The streams of the jobs that materialize assets."""
    ordered = list(classes)
    return {
        "history": [stream for stream in ordered if stream.has_time_range],
        "lists": [stream for stream in ordered if not stream.has_time_range],
    }


def _by_name(workspaces: Iterable[Workspace]) -> dict[str, Workspace]:
    found: dict[str, Workspace] = {}
    for workspace in workspaces:
        if workspace.name in found:
            raise errors.dagster.bad_workspace(
                workspace.name, "another workspace has the same name."
            )
        found[workspace.name] = workspace
    return found


def _month(option: str, text: str) -> dt.datetime:
    """The first day of the month; from a later day on, Dagster would omit the month."""
    try:
        return dt.datetime.fromisoformat(text).replace(
            day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=dt.timezone.utc
        )
    except ValueError:
        raise errors.commands.bad_option(option, text, "write a date such as 2024-01-01") from None
