"""Requests that keep deliveries current: rescans at fixed ages, or 30 days in every sync.

    python tests/benchmarks/freshness.py [--days 30] [--per-day 20000] [--people 20000]
    python tests/benchmarks/freshness.py --streams

Syncs `messages`, or `customers`, every hour of the sandbox's clock. The cost of the other strategy
is computed from the same workspace: a request for every 1,000 deliveries of the last 30 days, or
eleven for every 1,000 people.

With `--streams`: a table of the requests of each stream in a day of hourly syncs of the demo's
workspace, with the default streams.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from freshness import DAY, HOUR, SINCE, SyncScenario
from harness import config_for

from tap_customerio.sandbox import Clock, Sandbox, Workspace
from tap_customerio.tap import TapCustomerio

_DEMO_DAYS = 180


def _rival(scenario: SyncScenario, window: int = 30 * DAY) -> int:
    rows = scenario.workspace.count_deliveries(
        scenario.now - window, scenario.now, now=scenario.now
    )
    return max(1, math.ceil(rows / 1000))


def _run(scenario: SyncScenario, stream: str, days: int, rival: int | None) -> None:
    ours = theirs = 0
    for _ in range(days * 24):
        ours += scenario.sync(HOUR)
        theirs += rival or _rival(scenario)
        scenario.tables.rows.clear()
        scenario.tables = type(scenario.tables)()
    print(f"{stream}, {days} days, hourly: requests {ours:,}; the other way {theirs:,}; ", end="")
    print(f"1/{theirs / ours:.0f}")


def _sync(sandbox: Sandbox, state: Any, after: float, **settings: Any) -> tuple[Counter[str], Any]:
    """One sync; returns the requests of each stream, and the state."""
    sandbox.clock.advance(after)
    config = config_for(sandbox, requests_per_second=100_000, **settings)
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):
        tap = TapCustomerio(config=config, state=state)
        tap.sync_all()
    tap.client.close()
    return tap.client.requests, dict(tap.state)


def _run_streams() -> None:
    """A day of the demo's workspace, from 9:00 on."""
    workspace = Workspace(since=SINCE, per_day=50_000 // _DEMO_DAYS)
    clock = Clock(SINCE + _DEMO_DAYS * DAY + 9 * HOUR)
    daily: Counter[str] = Counter()
    with Sandbox(workspace, clock=clock, requests_per_second=None) as sandbox:
        first, state = _sync(sandbox, None, 0)
        totals = []
        for _ in range(24):
            hourly, state = _sync(sandbox, state, HOUR)
            daily += hourly
            totals.append(hourly.total())
        always, _ = _sync(sandbox, state, HOUR, refresh_hours=0)
    print(
        "| stream | first sync | a day, hourly | a day, `refresh_hours: 0` |\n|---|---:|---:|---:|"
    )
    for name in sorted(first | daily):
        print(f"| `{name}` | {first[name]:,} | {daily[name]:,} | {24 * always[name]:,} |")
    print(f"| all | {first.total():,} | {daily.total():,} | {24 * always.total():,} |")
    between = totals[:-1]
    print(f"between two full reads {min(between)} to {max(between)}, on average ", end="")
    print(f"{sum(between) / len(between):.0f}; the full read {totals[-1]}")


def main() -> None:
    """Measure and print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--per-day", type=int, default=20_000)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--streams", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    if options.streams:
        _run_streams()
        return
    start = SINCE + 35 * DAY
    with SyncScenario(streams=["messages"], start=start, per_day=options.per_day) as scenario:
        scenario.sync()
        _run(scenario, "messages", options.days, None)
    people = options.people
    with SyncScenario(
        streams=["customers"], start=start, per_day=10, people=people, churn=0.01
    ) as scenario:
        scenario.sync()
        _run(scenario, "customers", options.days, math.ceil(people / 1000) * 11)


if __name__ == "__main__":
    main()
