"""Time arithmetic: instants, time windows, and calendar buckets in a time zone.

Instants are whole unix seconds, like the API's; ranges are half-open.
"""

from __future__ import annotations

import datetime as dt
import re
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

Resolution = Literal["hours", "days", "weeks", "months"]

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MONTHS_PER_YEAR = 12

BEGINNING = 1_325_376_000
"""2012-01-01; Customer.io, and so every workspace, is younger."""

LONGEST_PERIOD = 180 * DAY
"""Longest period of a request; the API silently limits longer ones to six months."""

EASTERN = ZoneInfo("America/New_York")
"""Time zone of all metrics that have only version 1."""

_YEAR_1, _YEAR_10000 = -62_135_596_800, 253_402_300_800
_AGO = re.compile(r"(\d{1,5})([hdw])")

V1_REACH: dict[Resolution, int] = {"hours": 24, "days": 45, "weeks": 12, "months": 120}
"""Maximum number of buckets that version 1 of a metrics endpoint counts back."""


def parse(text: str) -> int:
    """Parse an RFC 3339 instant or a plain date (UTC) to unix seconds, rounded down.

    Raises:
        ValueError: The text has another format, or in UTC the year is not 1 to 9999.
    """
    moment = dt.datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in "zZ" else text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.timezone.utc)
    seconds = int(moment.timestamp() // 1)
    if not _YEAR_1 <= seconds < _YEAR_10000:
        message = "out of year 1 to 9999"
        raise ValueError(message)
    return seconds


def relative(text: str, now: float) -> int | None:
    """Parse `now`, `today`, `yesterday`, `12h`, `7d` or `2w`; None for anything else.

    Days begin at midnight UTC: `7d` is the start of the day a week before today.
    """
    words = {"now": "0h", "today": "0d", "yesterday": "1d"}
    found = _AGO.fullmatch(words.get(text.strip().lower(), text.strip().lower()))
    if found is None:
        return None
    count, unit = int(found[1]), found[2]
    if unit == "h":
        return int(now) - count * HOUR
    return int(now) // DAY * DAY - count * {"d": DAY, "w": 7 * DAY}[unit]


@lru_cache(maxsize=10_000)
def rfc3339(seconds: int) -> str:
    """Format unix seconds as an RFC 3339 instant in UTC; eight times as fast as datetime.

    A cache holds recent results, because a row has most of its times more than once.
    """
    return _hour(seconds // HOUR) + _WITHIN_THE_HOUR[seconds % HOUR]


_WITHIN_THE_HOUR = [f":{minute:02}:{second:02}Z" for minute in range(60) for second in range(60)]


@lru_cache(maxsize=50_000)
def _hour(hours: int) -> str:
    days, hour = divmod(hours, 24)
    return f"{dt.date(1970, 1, 1) + dt.timedelta(days=days)}T{hour:02}"


class Window(NamedTuple):
    """The seconds from `start` to `end`, exclusive."""

    start: int
    end: int

    @property
    def width(self) -> int:
        """Length in seconds."""
        return self.end - self.start

    def cut(self, count: int) -> list[Window]:
        """`count` consecutive windows of about equal width; fewer if seconds run out."""
        count = min(count, self.width)
        return [self.shard(number, count) for number in range(1, count + 1)]

    def shard(self, number: int, count: int) -> Window:
        """The `number`-th (from 1) of `count` consecutive shards; empty if seconds run out."""
        edges = (self.start + self.width * place // count for place in (number - 1, number))
        return Window(*edges)


class WindowPlan:
    """Cuts a range into consecutive windows; their width adapts to the rows of recent ones.

    No window is wider than `LONGEST_PERIOD`. Those near the end of the range are narrower, so that
    parallel reads end at about the same time; this costs one or two requests more.
    """

    first = 3 * DAY
    growth = 6
    rows_wanted = 10_000
    rows_at_end = 4_000
    share_at_end = 4
    pages_many = 12

    def __init__(self, start: int, end: int) -> None:
        """Plan for `[start, end)`."""
        self._start, self._end = start, end
        self._width = self._width_at_end = self.first
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Window]:
        """Yield windows, oldest first, with the width that `learn` has set by then."""
        return self.over(Window(self._start, self._end))

    def over(self, whole: Window) -> Iterator[Window]:
        """Cut another range, starting with the learned width."""
        start = whole.start
        while start < whole.end:
            share = (whole.end - start) // self.share_at_end
            width = min(self._width, max(share, self._width_at_end))
            window = Window(start, min(start + width, whole.end))
            yield window
            start = window.end

    def learn(self, window: Window, rows: int) -> None:
        """Set the width for about `rows_wanted` rows per window, growing at most sixfold."""
        wanted = window.width * self.rows_wanted // max(rows, self.rows_wanted // self.growth)
        with self._lock:
            if rows > self.rows_wanted:
                self._width = max(1, min(self._width, wanted))
            else:
                self._width = min(LONGEST_PERIOD, max(self._width, wanted))
        self._narrow_end(window, rows)

    def _narrow_end(self, window: Window, rows: int) -> None:
        """Set the least width near the end, for `rows_at_end` rows; a burst counts for little."""
        with self._lock:
            least = self._width * self.rows_at_end // self.rows_wanted
            self._width_at_end = max(1, least, window.width * self.rows_at_end // max(rows, 1))

    def rest(self, window: Window, oldest: int, pages: int) -> list[Window]:
        """The rest of a window that has not ended after many full pages, newest first.

        The rest is cut for parallel reads; an empty window at the end stands for the whole. Empty
        if it is too early to split, or if the rest lies within one second.
        """
        if oldest + 1 >= window.end:
            return []
        left = Window(window.start, max(oldest, window.start) + 1)
        rows = pages * 1000 * left.width // (window.end - left.end)
        if pages < self.pages_many:
            self._narrow_end(window, pages * 1000 + rows)
            return []
        self.learn(window, pages * 1000 + rows)
        count = max(1, min(rows // self.rows_wanted, 4))
        return [*left.cut(count), Window(window.end, window.end)]


def bucket_start(moment: int, resolution: Resolution, zone: ZoneInfo) -> int:
    """First second of the calendar hour, day, week (from Sunday) or month that holds `moment`."""
    local = dt.datetime.fromtimestamp(moment, zone)
    if resolution == "hours":
        return moment - local.minute * 60 - local.second
    day = local.date()
    if resolution == "weeks":
        day -= dt.timedelta(days=day.isoweekday() % 7)
    elif resolution == "months":
        day = day.replace(day=1)
    return _midnight(day, zone)


@lru_cache(maxsize=50_000)
def bucket_after(start: int, resolution: Resolution, zone: ZoneInfo, count: int = 1) -> int:
    """First second of the bucket `count` places after (before, if negative) the one at `start`."""
    if resolution == "hours":
        return start + count * HOUR
    day = dt.datetime.fromtimestamp(start, zone).date()
    if resolution == "months":
        months = day.year * MONTHS_PER_YEAR + day.month - 1 + count
        day = day.replace(year=months // MONTHS_PER_YEAR, month=months % MONTHS_PER_YEAR + 1)
    else:
        day += dt.timedelta(days=count if resolution == "days" else 7 * count)
    return _midnight(day, zone)


def bucket_from(moment: int, resolution: Resolution, zone: ZoneInfo) -> int:
    """First second of the first bucket that begins at `moment` or later."""
    start = bucket_start(moment, resolution, zone)
    return start if start == moment else bucket_after(start, resolution, zone)


def buckets(first: int, end: int, resolution: Resolution, zone: ZoneInfo) -> Iterator[Window]:
    """Yield consecutive buckets, from the one that starts at `first` to the last before `end`."""
    while first < end:
        after = bucket_after(first, resolution, zone)
        yield Window(first, after)
        first = after


def _midnight(day: dt.date, zone: ZoneInfo) -> int:
    """First second of a day, even where clocks skip midnight."""
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())
