"""Compares loaded deliveries with Customer.io's counts, bucket by bucket, and adds them up."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from tap_customerio import errors
from tap_customerio.verification.queries import SLOT, UNKNOWN
from tap_customerio.verification.stretches import Bucketing, stretches_of
from tap_customerio.windows import DAY, LONGEST_PERIOD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_customerio.verification.queries import DeliveryTables
    from tap_customerio.verification.stretches import Key, Sender, Stretch

_SETTLING = 2 * DAY
_UTC_DAYS = Bucketing("days", ZoneInfo("UTC"))


class Bucket(NamedTuple):
    """Counts of a sender's bucket on both sides."""

    sender: Sender
    bucketing: Bucketing
    start: int
    counted: int
    loaded: int
    is_uncertain: bool

    @property
    def end(self) -> int:
        """First second after it."""
        return self.bucketing.end(self.start)

    def is_certain(self, first: int, newest: int, last: int) -> bool:
        """Whether counts must agree, for deliveries created from `first` to `newest`.

        Loading may begin and end within a bucket; `last` is the time of the last change.
        """
        if self.is_uncertain or self.end > last - _SETTLING or self.start < last - LONGEST_PERIOD:
            return False
        edges = self.bucketing.start(first), self.bucketing.start(newest)
        return self.start > edges[0] and self.start != edges[1]


class Month(NamedTuple):
    """The result for a month."""

    counted: int
    loaded: int
    uncounted: int
    unknown_sender: int
    missing: list[Bucket]

    def sentence(self, name: str) -> str:
        """The result as a sentence."""
        text = f"{name}: {self.counted:,} sent by Customer.io, {self.loaded:,} loaded"
        if self.missing:
            text += f", {sum(each.counted - each.loaded for each in self.missing):,} missing"
        if self.uncounted:
            text += f"; {self.uncounted:,} more loaded, which Customer.io's counts do not cover"
        if self.unknown_sender:
            text += f"; {self.unknown_sender:,} more loaded, sent by a campaign or a broadcast"
        return f"{text}."


def compare(tables: DeliveryTables) -> dict[str, Month]:
    """Counted and loaded deliveries, by month.

    Raises:
        TapError: There is nothing to compare.
    """
    first, newest = tables.created()
    rows = tables.counts()
    if first is None or newest is None or not rows:
        raise errors.commands.nothing_to_verify()
    last = max(map(_seconds, tables.newest()))
    counted, running = _counts(rows)
    stretches = stretches_of(counted, running)
    loaded, uncounted = _loaded(tables.deliveries(), stretches)
    ambiguous = tables.ambiguous()
    buckets = [
        Bucket(*key, counted[key], loaded[key], key in running or _is_among(ambiguous, key[0]))
        for key in {**counted, **loaded}
        if any(key[1] == each.bucketing and each.includes(key[2]) for each in stretches[key[0]])
    ]
    missing = list(_missing(buckets, _seconds(first), _seconds(newest), last))
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for each in buckets:
        sums[each.bucketing.day(each.start)[:7]].update(counted=each.counted, loaded=each.loaded)
    for (sender, bucketing, start), number in uncounted.items():
        is_known = sender[0] != UNKNOWN and not _is_among(ambiguous, sender)
        what = "uncounted" if is_known else "unknown_sender"
        sums[bucketing.day(start)[:7]][what] += number
    return {
        name: Month(
            month["counted"],
            month["loaded"],
            month["uncounted"],
            month["unknown_sender"],
            [each for each in missing if each.bucketing.day(each.start).startswith(name)],
        )
        for name, month in sorted(sums.items())
    }


def _counts(rows: Iterable[tuple[Any, ...]]) -> tuple[Counter[Key], set[Key]]:
    """Sent deliveries by bucket, and the buckets that had not ended."""
    counted: Counter[Key] = Counter()
    running = set()
    for kind, number, resolution, zone, start, sent, is_partial in rows:
        bucketing = Bucketing(resolution, ZoneInfo(zone))
        key = ((kind, number), bucketing, bucketing.start(_seconds(start)))
        counted[key] += sent or 0
        if is_partial:
            running.add(key)
    return counted, running


def _loaded(
    rows: Iterable[tuple[Any, ...]], stretches: dict[Sender, list[Stretch]]
) -> tuple[Counter[Key], Counter[Key]]:
    """Sent deliveries in buckets that Customer.io counts, and the others by day."""
    loaded: Counter[Key] = Counter()
    uncounted: Counter[Key] = Counter()
    for kind, number, slot, sent in rows:
        sender, moment = (kind, number), slot * SLOT
        for each in stretches[sender]:
            start = each.bucketing.start(moment)
            if each.start <= moment < each.end and each.includes(start):
                loaded[sender, each.bucketing, start] += sent
                break
        else:
            uncounted[sender, _UTC_DAYS, _UTC_DAYS.start(moment)] += sent
    return loaded, uncounted


def _is_among(ambiguous: set[int], sender: Sender) -> bool:
    """Whether a campaign or a broadcast has the id of one of the other kind."""
    return sender[0] in {"campaign", "broadcast"} and sender[1] in ambiguous


def _missing(buckets: Iterable[Bucket], first: int, newest: int, last: int) -> Iterator[Bucket]:
    """Buckets that lack deliveries; none if the sums of a sender agree."""
    differing: dict[Sender, list[Bucket]] = defaultdict(list)
    for each in buckets:
        if each.counted != each.loaded and each.is_certain(first, newest, last):
            differing[each.sender].append(each)
    for sender in differing.values():
        if sum(each.counted - each.loaded for each in sender):
            yield from (each for each in sender if each.counted > each.loaded)


def _seconds(moment: datetime) -> int:
    """Unix seconds of a time that is in UTC, whether it says so or not."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return int(aware.timestamp())
