"""How many deliveries reached which state, by quarter of an hour of their creation."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from tap_customerio.sandbox.dice import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tap_customerio.sandbox.deliveries import Delivery

SERIES = (
    "created",
    "attempted",
    "sent",
    "delivered",
    "opened",
    "human_opened",
    "prefetch_opened",
    "clicked",
    "human_clicked",
    "machine_clicked",
    "converted",
    "bounced",
    "spammed",
    "unsubscribed",
    "failed",
    "undeliverable",
    "suppressed",
    "2xx",
    "4xx",
    "5xx",
)
"""What is counted."""

SLOT = 900
_SLOTS = DAY // SLOT
_NAMES = 32
_PLACES = {name: place for place, name in enumerate(SERIES)}
# Series and deliveries call the same thing by different names.
_PLACES |= {"prefetch_clicked": _PLACES["machine_clicked"], "dropped": _PLACES["suppressed"]}

Source = tuple[str, int, str]
"""Kind and id of a sender, and a channel."""


class DayCounts(NamedTuple):
    """Counts of one day's deliveries, true from `since` until `until`."""

    keys: array[int]
    counts: array[int]
    since: float
    until: float


class Ledger:
    """Counts for any sender and any stretch of time; keeps numbers only, no deliveries."""

    def __init__(self, made: Callable[[int, int, float], Iterable[Delivery]]) -> None:
        """Take deliveries from `made(start, end, now)`."""
        self._made = made
        self._days: dict[int, DayCounts] = {}
        self._sources: dict[Source, int] = {}
        self._lock = Lock()

    def series(
        self, kind: str, sender: int, edges: Sequence[int], now: float, channel: str | None = None
    ) -> dict[str, list[int]]:
        """Counts per bucket between neighbouring `edges`, for every metric."""
        buckets = len(edges) - 1
        series = {name: [0] * buckets for name in SERIES}
        # A slot with an edge inside it cannot be added as a whole: its deliveries are counted anew.
        ragged = {edge - edge % SLOT for edge in edges if edge % SLOT}
        for start, name, count in self._entries(kind, sender, edges, now, channel):
            bucket = bisect_right(edges, start) - 1
            if start not in ragged and 0 <= bucket < buckets:
                series[name][bucket] += count
        for start in sorted(ragged):
            for delivery in self._made(start, start + SLOT, now):
                bucket = bisect_right(edges, delivery.created) - 1
                if _is_from(delivery, kind, sender, channel) and 0 <= bucket < buckets:
                    for place, at in _states(delivery):
                        series[SERIES[place]][bucket] += at <= now
        return series

    def _entries(
        self, kind: str, sender: int, edges: Sequence[int], now: float, channel: str | None
    ) -> Iterator[tuple[int, str, int]]:
        """Start of slot, metric and count of everything the sender did around these edges."""
        for day in range(edges[0] // DAY, min(edges[-1], int(now)) // DAY + 1):
            counted = self._day(day, now)
            for source, number in list(self._sources.items()):
                if source[:2] == (kind, sender) and channel in {None, source[2]}:
                    low = bisect_left(counted.keys, number * _SLOTS * _NAMES)
                    high = bisect_left(counted.keys, (number + 1) * _SLOTS * _NAMES)
                    for place in range(low, high):
                        slot, name = divmod(counted.keys[place] % (_SLOTS * _NAMES), _NAMES)
                        yield day * DAY + slot * SLOT, SERIES[name], counted.counts[place]

    def _day(self, day: int, now: float) -> DayCounts:
        """The counts of a day, made again only if something has happened since."""
        with self._lock:
            known = self._days.get(day)
            if known is None or not known.since <= now < known.until:
                known = self._days[day] = self._count(day, now)
            return known

    def _count(self, day: int, now: float) -> DayCounts:
        counts: dict[int, int] = {}
        until = float("inf")
        for delivery in self._made(day * DAY, (day + 1) * DAY, float("inf")):
            slot = self._source(delivery) * _SLOTS + delivery.created % DAY // SLOT
            for place, at in _states(delivery):
                if at <= now:
                    key = slot * _NAMES + place
                    counts[key] = counts.get(key, 0) + 1
                elif at < until:
                    until = at
        keys = array("I", sorted(counts))
        return DayCounts(keys, array("I", (counts[key] for key in keys)), now, until)

    def _source(self, delivery: Delivery) -> int:
        outlet = delivery.outlet
        source = (outlet.kind, outlet.id, outlet.channel)
        return self._sources.setdefault(source, len(self._sources))


def _states(delivery: Delivery) -> Iterator[tuple[int, int]]:
    """What is counted for a delivery, and since when."""
    events, failure = delivery.journey()
    yield 0, delivery.created
    for name, at in events:
        place = _PLACES.get(name)
        if place is not None:
            yield place, at
    if delivery.outlet.channel == "webhook" and delivery.person is not None:
        # The reason why a webhook failed begins with the status of the answer.
        status = "2xx" if failure is None else f"{failure[0]}xx"
        yield _PLACES[status], events[-1][1]


def _is_from(delivery: Delivery, kind: str, sender: int, channel: str | None) -> bool:
    outlet = delivery.outlet
    return (outlet.kind, outlet.id) == (kind, sender) and channel in {None, outlet.channel}
