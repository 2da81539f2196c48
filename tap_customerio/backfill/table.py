"""A plan as a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tap_customerio.console import make_console, print_marked, table
from tap_customerio.estimates.estimate import notes_of
from tap_customerio.windows import rfc3339
from tap_customerio.wording import at_least, counted, duration

if TYPE_CHECKING:
    from tap_customerio.backfill.plan import Plan


def show(plan: Plan) -> None:
    """Print a table, and below it the limits of the API."""
    out, job = make_console(), plan.job
    start, end = map(rfc3339, job.shard_range)
    shard = f", shard {job.shard}/{job.shards}" if job.shards > 1 else ""
    made = table(
        "stream", ">parts", ">rows", ">requests", ">time", title=f"{start} to {end}{shard}"
    )
    for estimate in sorted(plan.estimates, key=lambda each: -(each.requests or 0)):
        parts, found = at_least(estimate.slices), at_least(estimate.rows, more=estimate.more)
        cost = _cost(plan, estimate.requests, more=estimate.more)
        made.add_row(estimate.stream, parts, found, *cost)
    if plan.shared:
        made.add_row("lists that streams share", "", "", *_cost(plan, plan.shared))
    made.add_section()
    made.add_row(
        "all", "", "", *_cost(plan, plan.requests, more=not plan.is_complete), style="bold"
    )
    print_marked(out, made)
    for note, streams in notes_of(plan.estimates).items():
        out.print(f"{', '.join(streams)}: {note}")
    probes = counted(plan.probes, "sample request")
    out.print(f"Estimated from {probes}, at {plan.rate:.1f} requests a second.")
    if rows := sum(estimate.rows or 0 for estimate in plan.estimates):
        needed = math.ceil(rows / max(plan.seconds(plan.requests), 1))
        out.print(
            f"The time is that of reading. A target that loads fewer than {needed:,} rows a second "
            "takes longer: docs/targets.md says what targets manage."
        )


def _cost(plan: Plan, requests: int | None, *, more: bool = False) -> tuple[str, str]:
    """Requests and time; a plus marks a lower bound."""
    time = "?" if requests is None else duration(plan.seconds(requests)) + "+" * more
    return at_least(requests, more=more), time
