"""What it costs to keep deliveries fresh: rescans at fixed ages against reading 30 days each time.

    python tests/benchmarks/freshness.py [--days 30] [--per-day 20000] [--people 20000]

Syncs `messages`, or `customers`, every hour of the sandbox's clock; the other strategy is computed
from the same workspace, a request for every 1,000 deliveries of the last 30 days, or eleven for
every 1,000 people.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from freshness import DAY, HOUR, SINCE, SyncScenario


def _rival(story: SyncScenario, window: int = 30 * DAY) -> int:
    rows = story.workspace.count_deliveries(story.now - window, story.now, now=story.now)
    return max(1, math.ceil(rows / 1000))


def _run(story: SyncScenario, stream: str, days: int, rival: int | None) -> None:
    ours = theirs = 0
    for _ in range(days * 24):
        ours += story.sync(HOUR)
        theirs += rival or _rival(story)
        story.tables.rows.clear()
        story.tables = type(story.tables)()
    print(f"{stream}, {days} days, hourly: requests {ours:,}; the other way {theirs:,}; ", end="")
    print(f"1/{theirs / ours:.0f}")


def main() -> None:
    """Measure both and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--per-day", type=int, default=20_000)
    parser.add_argument("--people", type=int, default=20_000)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    start = SINCE + 35 * DAY
    with SyncScenario(streams=["messages"], start=start, per_day=options.per_day) as story:
        story.sync()
        _run(story, "messages", options.days, None)
    people = options.people
    with SyncScenario(
        streams=["customers"], start=start, per_day=10, people=people, churn=0.01
    ) as story:
        story.sync()
        _run(story, "customers", options.days, math.ceil(people / 1000) * 11)


if __name__ == "__main__":
    main()
