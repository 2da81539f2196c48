"""A plan as a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tap_customerio.commands.console import make_console, table
from tap_customerio.windows import rfc3339
from tap_customerio.wording import counted, duration

if TYPE_CHECKING:
    from tap_customerio.backfill.plan import Plan


def show(plan: Plan) -> None:
    """Print a table, and below it the limits of the API."""
    out, job = make_console(), plan.job
    start, end = map(rfc3339, job.shard_range)
    share = f", shard {job.shard}/{job.shards}" if job.shards > 1 else ""
    made = table(
        "stream", ">parts", ">rows", ">requests", ">time", title=f"{start} to {end}{share}"
    )
    for estimate in plan.estimates:
        cells = _number(estimate.slices), _number(estimate.rows)
        cost = _cost(plan, estimate.requests, more=estimate.more)
        made.add_row(estimate.stream, *cells, *cost)
    if plan.shared:
        made.add_row("lists that streams share", "", "", *_cost(plan, plan.shared))
    made.add_section()
    made.add_row(
        "all", "", "", *_cost(plan, plan.requests, more=not plan.is_complete), style="bold"
    )
    out.print(made)
    for note, streams in _notes(plan).items():
        out.print(f"{', '.join(streams)}: {note}")
    probes = counted(plan.probes, "sample request")
    out.print(f"Estimated from {probes}, at {plan.rate:.1f} requests a second.")
    if rows := sum(estimate.rows or 0 for estimate in plan.estimates):
        needed = math.ceil(rows / max(plan.seconds(plan.requests), 1))
        out.print(
            f"The time is that of reading. A target that loads fewer than {needed:,} rows a second "
            "takes longer: docs/targets.md says what targets manage."
        )


def _notes(plan: Plan) -> dict[str, list[str]]:
    """Notes, each once, with the streams that they concern."""
    notes: dict[str, list[str]] = {}
    for estimate in plan.estimates:
        for note in estimate.notes:
            notes.setdefault(note, []).append(estimate.stream)
    return notes


def _cost(plan: Plan, requests: int | None, *, more: bool = False) -> tuple[str, str]:
    """Requests and time; a plus marks a lower bound."""
    if requests is None:
        return "?", "?"
    plus = "+" if more else ""
    return f"{_number(requests)}{plus}", f"{duration(plan.seconds(requests))}{plus}"


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"
