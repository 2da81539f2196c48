"""Counts of deliveries by state, per quarter of an hour of their creation."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from tap_customerio.sandbox.world.rng import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tap_customerio.sandbox.world.deliveries import Delivery

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
"""Counted states."""

LINKS = range(1, 6)
LINK_SERIES = {"clicked": "link", "human_clicked": "human_link", "machine_clicked": "machine_link"}
"""The counts of each link, and the prefix of their names here, before a colon."""

SLOT = 900
_SLOTS = DAY // SLOT
_NAMES = 64
_COUNTED = (*SERIES, *(f"{name}:{link}" for name in LINK_SERIES.values() for link in LINKS))
_PLACES = {name: place for place, name in enumerate(_COUNTED)}
# Series and deliveries have different names for the same states.
_PLACES |= {"prefetch_clicked": _PLACES["machine_clicked"], "dropped": _PLACES["suppressed"]}


class Source(NamedTuple):
    """The source of deliveries: a sender, a channel, and an action or content."""

    kind: str
    sender: int
    channel: str
    part: int | None


class Subject(NamedTuple):
    """Selects deliveries: all of a sender, or those of a channel and of some parts."""

    kind: str
    sender: int
    channel: str | None = None
    parts: frozenset[int] | None = None

    def includes(self, source: Source) -> bool:
        """Whether deliveries of a source count."""
        return (
            source[:2] == self[:2]
            and self.channel in {None, source.channel}
            and (self.parts is None or source.part in self.parts)
        )


class DayCounts(NamedTuple):
    """Counts of one day's deliveries, valid from `since` until `until`."""

    keys: array[int]
    counts: array[int]
    since: float
    until: float


class Counts:
    """Counts for any sender and period; stores only numbers, no deliveries."""

    def __init__(self, made: Callable[[int, int, float], Iterable[Delivery]]) -> None:
        """`made(start, end, now)` yields deliveries."""
        self._made = made
        self._days: dict[int, DayCounts] = {}
        self._sources: dict[Source, int] = {}
        self._lock = Lock()

    def forget(self) -> None:
        """Count every day again."""
        with self._lock:
            self._days.clear()

    def series(
        self, subject: Subject, edges: Sequence[int], now: float, names: Sequence[str] = SERIES
    ) -> dict[str, list[int]]:
        """Counts per bucket between adjacent `edges`, for every name."""
        buckets = len(edges) - 1
        series = {name: [0] * buckets for name in names}
        # A slot with an edge inside cannot be added as a whole; its deliveries are counted again.
        ragged = {edge - edge % SLOT for edge in edges if edge % SLOT}
        for start, name, count in self._entries(subject, edges, now):
            bucket = bisect_right(edges, start) - 1
            if start not in ragged and 0 <= bucket < buckets and name in series:
                series[name][bucket] += count
        for start in sorted(ragged):
            for delivery in self._made(start, start + SLOT, now):
                bucket = bisect_right(edges, delivery.created) - 1
                if subject.includes(_source(delivery)) and 0 <= bucket < buckets:
                    for place, at in _states(delivery):
                        if at <= now and _COUNTED[place] in series:
                            series[_COUNTED[place]][bucket] += 1
        return series

    def links(
        self, subject: Subject, edges: Sequence[int], now: float
    ) -> dict[int, dict[str, list[int]]]:
        """Clicks per bucket on every link with clicks."""
        series = self.series(subject, edges, now, _COUNTED[len(SERIES) :])
        return {
            link: {name: series[f"{own}:{link}"] for name, own in LINK_SERIES.items()}
            for link in LINKS
            if any(series[f"link:{link}"])
        }

    def _entries(
        self, subject: Subject, edges: Sequence[int], now: float
    ) -> Iterator[tuple[int, str, int]]:
        """Start of slot, name and count for everything in the subject around these edges."""
        days = range(edges[0] // DAY, min(edges[-1], int(now)) // DAY + 1)
        counted = {day: self._day(day, now) for day in days}
        # The sources are known only once their days are counted.
        numbers = [n for source, n in list(self._sources.items()) if subject.includes(source)]
        for day, (keys, counts, *_) in counted.items():
            for number in numbers if keys else ():
                low = bisect_left(keys, number * _SLOTS * _NAMES)
                high = bisect_left(keys, (number + 1) * _SLOTS * _NAMES)
                for place in range(low, high):
                    slot, name = divmod(keys[place] % (_SLOTS * _NAMES), _NAMES)
                    yield day * DAY + slot * SLOT, _COUNTED[name], counts[place]

    def _day(self, day: int, now: float) -> DayCounts:
        """The counts of a day, recomputed only after a change."""
        with self._lock:
            known = self._days.get(day)
            if known is None or not known.since <= now < known.until:
                known = self._days[day] = self._count(day, now)
            return known

    def _count(self, day: int, now: float) -> DayCounts:
        counts: dict[int, int] = {}
        until = float("inf")
        for delivery in self._made(day * DAY, (day + 1) * DAY, float("inf")):
            source = self._sources.setdefault(_source(delivery), len(self._sources))
            slot = source * _SLOTS + delivery.created % DAY // SLOT
            for place, at in _states(delivery):
                if at <= now:
                    key = slot * _NAMES + place
                    counts[key] = counts.get(key, 0) + 1
                elif at < until:
                    until = at
        keys = array("I", sorted(counts))
        return DayCounts(keys, array("I", (counts[key] for key in keys)), now, until)


def _states(delivery: Delivery) -> Iterator[tuple[int, int]]:
    """The counted states of a delivery, with their times."""
    events, failure = delivery.journey()
    yield 0, delivery.created
    is_machine = any(name == "prefetch_clicked" for name, _ in events)
    for name, at in events:
        place = _PLACES.get(name)
        if place is not None:
            yield place, at
        if is_machine and name.startswith("link:"):
            yield _PLACES[f"machine_{name}"], at
    if delivery.outlet.channel == "webhook" and delivery.person is not None:
        # The reason of a failed webhook begins with the response's status.
        status = "2xx" if failure is None else f"{failure[0]}xx"
        yield _PLACES[status], events[-1][1]


def _source(delivery: Delivery) -> Source:
    outlet = delivery.outlet
    part = outlet.content if outlet.action is None else outlet.action
    return Source(outlet.kind, outlet.id, outlet.channel, part)
