"""Which of a sender's counts are used, if several resolutions or time zones were loaded."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from tap_customerio.windows import V1_REACH, bucket_after, bucket_start

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from tap_customerio.windows import Resolution

    Sender = tuple[str, int]
    Key = tuple[Sender, "Bucketing", int]

_FINEST: list[Resolution] = [*V1_REACH]


class Bucketing(NamedTuple):
    """Resolution and time zone of a sender's counts."""

    resolution: Resolution
    zone: ZoneInfo

    def start(self, moment: int) -> int:
        """First second of the bucket that holds a moment."""
        return bucket_start(moment, self.resolution, self.zone)

    def end(self, start: int) -> int:
        """First second after the bucket with this start."""
        return bucket_after(start, self.resolution, self.zone)

    def day(self, moment: int) -> str:
        """The date in the zone."""
        return datetime.fromtimestamp(moment, self.zone).date().isoformat()


class Stretch(NamedTuple):
    """A stretch of time in which one resolution and zone of a sender's counts is used."""

    bucketing: Bucketing
    start: int
    end: float

    def includes(self, start: int) -> bool:
        """Whether the bucket with this start is within it."""
        return start >= self.start and self.bucketing.end(start) <= self.end


def stretches_of(counted: Iterable[Key], running: set[Key]) -> dict[Sender, list[Stretch]]:
    """The stretches of each sender, as in the macro `stretches` of the dbt package.

    From its first bucket on, the resolution that reaches furthest counts (the finest, if several
    do): to the end of its last bucket that was over, or the start of a running one. Before that,
    the next one counts. A coarser bucket that reaches into finer ones counts if it was over when it
    was read: then the finer ones count from its end.
    """
    starts: dict[Sender, dict[Bucketing, list[int]]] = defaultdict(lambda: defaultdict(list))
    for sender, bucketing, start in counted:
        starts[sender][bucketing].append(start)
    found: dict[Sender, list[Stretch]] = defaultdict(list)
    for sender, buckets in starts.items():
        end = math.inf
        for bucketing, start in _beginnings(sender, buckets, running):
            found[sender].append(Stretch(bucketing, start, end))
            end = min(end, start)
    return found


def _beginnings(
    sender: Sender, buckets: dict[Bucketing, list[int]], running: set[Key]
) -> list[tuple[Bucketing, int]]:
    """Where each resolution begins to count, the one that reaches furthest first."""

    def rank(each: Bucketing) -> tuple[int, int, str]:
        ends = (s if (sender, each, s) in running else each.end(s) for s in buckets[each])
        return -max(ends), _FINEST.index(each.resolution), str(each.zone)

    ordered = sorted(buckets, key=rank)
    limits = accumulate((min(buckets[each]) for each in ordered), min, initial=math.inf)
    found: list[tuple[Bucketing, int]] = []
    former_end = 0
    for bucketing, limit in reversed([*zip(ordered, limits, strict=False)]):
        found.append((bucketing, max(former_end, min(buckets[bucketing]))))
        for start in buckets[bucketing]:
            end = bucketing.end(start)
            if start < limit and (end <= limit or (sender, bucketing, start) not in running):
                former_end = max(former_end, end)
    return found[::-1]
