"""Edges of the buckets of a time series."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from tap_customerio.sandbox.faults.behaviours import Behaviours

HOUR = 3600
UNITS = {
    "hours": "hours",
    "hourly": "hours",
    "days": "days",
    "daily": "days",
    "weeks": "weeks",
    "weekly": "weeks",
    "months": "months",
    "monthly": "months",
}
"""Names of widths in responses, by name in requests."""

DEFAULT_STEPS = {"hours": 24, "days": 45, "weeks": 12, "months": 12}
MAX_STEPS = {"hours": 24, "days": 45, "weeks": 12, "months": 121}
EASTERN = ZoneInfo("America/New_York")


def window_edges(
    start: int, end: int, unit: str, zone: ZoneInfo, behaviours: Behaviours
) -> list[int]:
    """The edges of the buckets that cover `[start, end)`, at least one bucket."""
    origin = floor(start, unit, zone) if behaviours.aligned_buckets else start
    edges = [origin]
    while edges[-1] < end or len(edges) == 1:
        edges.append(step(origin, len(edges), unit, zone))
    if behaviours.includes_end_bucket and edges[-1] == end:
        edges.append(step(origin, len(edges), unit, zone))
    return edges


def recent_edges(now: float, unit: str, steps: int | None) -> list[int]:
    """The edges of the running bucket and earlier ones, in US Eastern time."""
    wanted = DEFAULT_STEPS[unit] if steps is None else steps or MAX_STEPS[unit]
    count = min(max(wanted, 2), MAX_STEPS[unit])
    running = floor(int(now), unit, EASTERN)
    return [step(running, number, unit, EASTERN) for number in range(1 - count, 2)]


def floor(at: int, unit: str, zone: ZoneInfo) -> int:
    """The start of the calendar bucket that holds `at`; weeks begin on Sunday."""
    local = datetime.fromtimestamp(at, zone)
    if unit == "hours":
        return at - local.minute * 60 - local.second
    day = local.replace(hour=0, minute=0, second=0, fold=0)
    if unit == "weeks":
        day -= timedelta(days=local.isoweekday() % 7)
    return int((day.replace(day=1) if unit == "months" else day).timestamp())


@lru_cache(maxsize=50_000)
def step(origin: int, number: int, unit: str, zone: ZoneInfo) -> int:
    """The edge `number` buckets after `origin`, by the calendar in the zone."""
    if unit == "hours":
        return origin + number * HOUR
    local = datetime.fromtimestamp(origin, zone).replace(fold=0)
    if unit == "months":
        return int(_months_later(local, number).timestamp())
    return int((local + timedelta(days=number * (7 if unit == "weeks" else 1))).timestamp())


def written(at: int, zone: ZoneInfo) -> str:
    """A time in the API's format for edges of windows, which is not ISO 8601."""
    return datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M:%S %z %Z")


def _months_later(local: datetime, number: int) -> datetime:
    """The same day of another month, or its last one if that month is shorter."""
    years, month = divmod(local.year * 12 + local.month - 1 + number, 12)
    month_start = local.replace(year=years, month=month + 1, day=1)
    next_start = (month_start + timedelta(days=31)).replace(day=1)
    last = (next_start - timedelta(days=1)).day
    return month_start.replace(day=min(local.day, last))


def month_start(at: int) -> int:
    """The first second of the month in UTC."""
    return floor(at, "months", ZoneInfo("UTC"))
