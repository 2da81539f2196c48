"""A plan for people."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tap_customerio.windows import rfc3339

if TYPE_CHECKING:
    from tap_customerio.backfill.plan import Plan


def show(plan: Plan) -> None:
    """Print a table, and below it what cannot be had."""
    screen = Console()
    job = plan.job
    start, end = map(rfc3339, job.range)
    title = f"{start} to {end}, shard {job.number}/{job.count}"
    table = Table(title=title, title_justify="left")
    table.add_column("stream")
    for heading in ("slices", "rows", "requests", "time"):
        table.add_column(heading, justify="right")
    for estimate in plan.estimates:
        cells = (estimate.slices, estimate.rows, estimate.requests)
        table.add_row(estimate.stream, *map(_number, cells), _time(plan, estimate.requests))
    if plan.shared:
        table.add_row("lists that streams share", "", "", *_cost(plan, plan.shared))
    table.add_section()
    table.add_row("all", "", "", *_cost(plan, plan.requests), style="bold")
    screen.print(table)
    for estimate in plan.estimates:
        for note in estimate.notes:
            screen.print(f"[bold]{estimate.stream}[/]: {note}", highlight=False)
    screen.print(
        f"Estimated with {plan.probes:,} probing requests, at {plan.pace:.1f} requests a second.",
        highlight=False,
    )


def _cost(plan: Plan, requests: int) -> tuple[str, str]:
    return _number(requests), _time(plan, requests)


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _time(plan: Plan, requests: int | None) -> str:
    return "?" if requests is None else str(dt.timedelta(seconds=plan.seconds(requests)))
