"""Creation times of deliveries; any period can be counted without generating them."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from tap_customerio.sandbox.world.rng import DAY, Rng, lateness

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tap_customerio.sandbox.world.payloads import Send
    from tap_customerio.sandbox.world.senders import Senders

# Inside the sandbox a delivery has a day and a code: second of the day, source, number.
# Codes sort by time, and do not change when the workspace gets more deliveries around them.
SECOND_BITS = 44
SOURCE_BITS = 28
SOURCES = 1 << SECOND_BITS - SOURCE_BITS

FLOW = 0
BURST = SOURCES - 1
DRAFT = SOURCES - 2
NEWSLETTERS = range(FLOW + 1, DRAFT)

_WEEKDAYS = (114, 114, 65, 65, 114, 114, 114)  # per cent; day 0 was a Thursday
_DAYS_KEPT = 48


class Traffic(Protocol):
    """The deliveries created on a day."""

    def size(self, day: int) -> int:
        """Their number, without generating them."""

    def codes(self, day: int) -> list[int]:
        """Their codes, in any order."""


class Sending:
    """Deliveries of newsletters, of all other senders evenly over time, and in requested bursts."""

    def __init__(self, rng: Rng, senders: Senders, per_day: int, bursts: Mapping[int, int]) -> None:
        """Divide the deliveries of an average day into flow and newsletters."""
        self._rng = rng
        self._senders = senders
        flow = per_day * 3 // 4 if senders.sends_newsletters else per_day
        self._flow = flow if senders.outlets else 0
        self._bursts: dict[int, list[tuple[int, int]]] = {}
        for at, count in bursts.items():
            self._bursts.setdefault(at // DAY, []).append((at % DAY, count))

    def size(self, day: int) -> int:
        """All deliveries of the day."""
        send = self._senders.send_on(day)
        bursts = sum(count for _, count in self._bursts.get(day, ()))
        return self._flow_size(day) + (send.size if send else 0) + bursts

    def codes(self, day: int) -> list[int]:
        """Codes of the even flow, of the newsletter, and of bursts."""
        codes = spread(self._rng, self._flow_size(day), FLOW, day)
        if send := self._senders.send_on(day):
            codes += self._newsletter(send)
        for second, count in self._bursts.get(day, ()):
            first = second << SECOND_BITS | BURST << SOURCE_BITS
            codes += range(first, first + count)
        return codes

    def _flow_size(self, day: int) -> int:
        noise = 80 + self._rng.draw("noise", day)[0] % 41
        return self._flow * _WEEKDAYS[day % 7] * noise // 10_000

    def _newsletter(self, send: Send) -> list[int]:
        """A newsletter leaves within minutes, with several messages in the same second."""
        start = (send.sent_at or 0) % DAY
        lasts = 60 + send.size // 20
        words = self._rng.series(send.size, "newsletter", send.id)
        return [
            (start + (word * lasts >> 16)) << SECOND_BITS | send.id << SOURCE_BITS | number
            for number, word in enumerate(words)
        ]


class Drafting:
    """Drafts, a separate set of deliveries that wait for a person to send them."""

    def __init__(self, rng: Rng, per_day: int) -> None:
        self._rng = rng
        self._per_day = per_day

    def size(self, day: int) -> int:
        """About the same number each day."""
        return self._rng.draw("drafts", day)[0] * (2 * self._per_day + 1) >> 16

    def codes(self, day: int) -> list[int]:
        """Drafts over the day."""
        return spread(self._rng, self.size(day), DRAFT, day)


class Schedule:
    """The deliveries of all days in the order of creation, by rank from 0."""

    def __init__(
        self, traffic: Traffic, first_day: int, gaps: Sequence[tuple[int, int]] = ()
    ) -> None:
        """Nothing is created before `first_day`, nor within `gaps`."""
        self._traffic = traffic
        self._first_day = first_day
        self._gaps = gaps
        self._ranks = [0]
        self._lock = Lock()
        self._codes = lru_cache(maxsize=_DAYS_KEPT)(self._sorted_codes)

    def before(self, second: int) -> int:
        """The number of deliveries created before this unix second."""
        day, seconds = divmod(second, DAY)
        if day < self._first_day:
            return 0
        rank = self._rank_of_day(day)
        return (
            rank if seconds == 0 else rank + bisect_left(self._codes(day), seconds << SECOND_BITS)
        )

    def between(
        self, low: int, high: int, *, newest_first: bool = False
    ) -> Iterator[tuple[int, int]]:
        """Day and code of the deliveries with these ranks."""
        self._rank_of_day(self._day_of_rank(low))
        day = self._day_of_rank(high - 1 if newest_first else low)
        while low < high:
            first = self._rank_of_day(day)
            codes = self._codes(day)[max(low - first, 0) : high - first]
            yield from ((day, code) for code in (reversed(codes) if newest_first else codes))
            if newest_first:
                high -= len(codes)
            else:
                low += len(codes)
            day += -1 if newest_first else 1

    def forget(self, day: int) -> None:
        """Count again from this day on."""
        with self._lock:
            del self._ranks[max(day - self._first_day, 0) + 1 :]
        self._codes.cache_clear()

    def _day_of_rank(self, rank: int) -> int:
        """The day that holds a rank; `before` has counted up to it."""
        return self._first_day + bisect_right(self._ranks, rank) - 1

    def _rank_of_day(self, day: int) -> int:
        """The number of deliveries before the day."""
        place = day - self._first_day
        with self._lock:
            while len(self._ranks) <= place:
                latest = self._first_day + len(self._ranks) - 1
                self._ranks.append(self._ranks[-1] + self._size(latest))
        return self._ranks[place]

    def _size(self, day: int) -> int:
        holed = any(a < (day + 1) * DAY and b > day * DAY for a, b in self._gaps)
        return len(self._codes(day)) if holed else self._traffic.size(day)

    def _sorted_codes(self, day: int) -> array[int]:
        codes = self._traffic.codes(day)
        for start, end in self._gaps:
            low, high = (bound - day * DAY << SECOND_BITS for bound in (start, end))
            if low < DAY << SECOND_BITS and high > 0:
                codes = [code for code in codes if not low <= code < high]
        return array("Q", sorted(codes))


def spread(rng: Rng, count: int, source: int, day: int) -> list[int]:
    """Times over a day, most around noon, every fourth on a full five minutes."""
    words = rng.series(2 * count, "flow", source, day)
    codes = []
    for number in range(count):
        one, two = words[2 * number], words[2 * number + 1]
        second = (one + two) * DAY >> 17
        if two % 4 == 0:
            second -= second % 300
        codes.append(second << SECOND_BITS | source << SOURCE_BITS | number)
    return codes


def is_listed(day: int, code: int, now: float, lag: int) -> bool:
    """Whether a delivery is in lists by now: mostly immediately, sometimes only after the `lag`."""
    return day * DAY + (code >> SECOND_BITS) + lateness(code ^ day, lag) <= now
