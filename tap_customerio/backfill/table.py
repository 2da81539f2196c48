"""A plan for people."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from tap_customerio.commands.console import make_console, table
from tap_customerio.windows import rfc3339

if TYPE_CHECKING:
    from tap_customerio.backfill.plan import Plan


def show(plan: Plan) -> None:
    """Print a table, and below it what cannot be had."""
    out, job = make_console(), plan.job
    start, end = map(rfc3339, job.range)
    title = f"{start} to {end}, shard {job.number}/{job.count}"
    made = table("stream", ">slices", ">rows", ">requests", ">time", title=title)
    for estimate in plan.estimates:
        cells = (estimate.slices, estimate.rows, estimate.requests)
        made.add_row(estimate.stream, *map(_number, cells), _time(plan, estimate.requests))
    if plan.shared:
        made.add_row("lists that streams share", "", "", *_cost(plan, plan.shared))
    made.add_section()
    made.add_row("all", "", "", *_cost(plan, plan.requests), style="bold")
    out.print(made)
    for estimate in plan.estimates:
        for note in estimate.notes:
            out.print(f"{estimate.stream}: {note}")
    out.print(
        f"Estimated from {plan.probes:,} sample requests, at {plan.rate:.1f} requests a second."
    )


def _cost(plan: Plan, requests: int) -> tuple[str, str]:
    return _number(requests), _time(plan, requests)


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _time(plan: Plan, requests: int | None) -> str:
    return "?" if requests is None else str(dt.timedelta(seconds=plan.seconds(requests)))
