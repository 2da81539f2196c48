"""The activity log, generated day by day on request."""

from __future__ import annotations

from bisect import bisect
from functools import lru_cache
from typing import TYPE_CHECKING

from tap_customerio.sandbox.world.people import PLANS, numbered
from tap_customerio.sandbox.world.rng import DAY, Rng, Row, Words
from tap_customerio.sandbox.world.schedule import (
    SECOND_BITS,
    SOURCE_BITS,
    SOURCES,
    Schedule,
    spread,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_customerio.sandbox.world.deliveries import Delivery
    from tap_customerio.sandbox.world.people import People
    from tap_customerio.sandbox.world.person_history import Event

GENERATED = 1
HISTORY = 2
KEPT = 30 * DAY
NO_PERSON: Row = {"customer_id": None, "customer_identifiers": None}
HOUR = 3600
LATEST = 20 * HOUR
"""Maximum delay between an event and its arrival."""

SOON = HOUR // 2
KEPT_ROWS = 4096
"""How many entries stay in memory: a filter searches the same log for every page."""

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_GONE = 4_000  # of 65,536: about 6 % concern a deleted person
_PAGES = ("https://www.example.org/", "https://www.example.org/pricing?ref=a%26b")
_EVENTS = ("order_placed", "login", "trial_started", "größe gewählt")
_SEEN_AGAIN = frozenset({"opened", "clicked"})
_DELIVERED_TO = {"email": "email", "push": "ios", "twilio": "phone", "whatsapp": "phone"}


class Activities:
    """A fixed number per day, in the order of arrival; some are backdated by hours."""

    def __init__(
        self,
        rng: Rng,
        people: People,
        first_day: int,
        per_day: int,
        find: Callable[[int, int, int], Delivery | None],
    ) -> None:
        """`find(start, end, pick)` selects from the deliveries created in `[start, end)`.

        Changes and deletions are fictitious as well, unless people have histories.
        """
        self._rng = rng
        self._people = people
        self._history = people.history
        self._is_true = people.history.make is not None
        self._per_day = per_day
        self._find = find
        self._schedule = Schedule(self, first_day)
        self._made = lru_cache(KEPT_ROWS)(self._make)
        self._makers: tuple[Callable[[int, Words], Row], ...] = (
            self._message,
            self._event,
            self._page,
            self._screen,
            self._event if self._is_true else self._change,
            self._event if self._is_true else self._deletion,
            self._object_change,
        )

    def size(self, day: int) -> int:
        """The number of arrivals on a day."""
        return self._made_up(day) + len(self._history.on(day))

    def codes(self, day: int) -> list[int]:
        """Codes of the arrivals on a day."""
        events = enumerate(self._history.on(day))
        return spread(self._rng, self._made_up(day), GENERATED, day) + [
            at % DAY << SECOND_BITS | HISTORY << SOURCE_BITS | place for place, (at, _) in events
        ]

    def between(self, start: int, end: int, now: float) -> Iterator[Row]:
        """Arrivals in `[start, end)` by `now`, oldest first."""
        high = self._schedule.before(min(end, int(now) + 1))
        low = self._schedule.before(min(start, end))
        for day, code in self._schedule.between(low, high):
            yield self._row(day, code, now)

    def newest_first(self, now: float, below: int | None = None) -> Iterator[tuple[int, Row]]:
        """Entries retained at `now`, with positions in the log; only those `below` a position."""
        low = self._schedule.before(int(now) - KEPT)
        high = self._schedule.before(int(now) + 1)
        high = high if below is None else min(high, below)
        found = self._schedule.between(low, high, newest_first=True)
        for place, (day, code) in enumerate(found, 1):
            yield high - place, self._row(day, code, now)

    def forget(self, day: int) -> None:
        """Discard the caches from a day on."""
        self._schedule.forget(day)
        self._made.cache_clear()

    def _made_up(self, day: int) -> int:
        return self._per_day * (80 + self._rng.draw("activities", day)[0] % 41) // 100

    def _row(self, day: int, code: int, now: float) -> Row:
        row = self._made(day, code)
        return {**row, **self._forgotten(row, now)}

    def _make(self, day: int, code: int) -> Row:
        words = self._rng.draw("activity", day, code)
        arrived = day * DAY + (code >> SECOND_BITS)
        if code >> SOURCE_BITS & SOURCES - 1 == HISTORY:
            row = self._true(self._history.on(day)[code & (1 << SOURCE_BITS) - 1][1])
        else:
            row = self._makers[bisect(_SHARES, words[0])](arrived, words)
        return {"id": _ulid(arrived, words), **row}

    def _forgotten(self, row: Row, now: float) -> Row:
        """The remaining identifiers of a person who has been deleted since."""
        if row["customer_identifiers"] is None:
            return {}
        cio_id: str = row["customer_identifiers"]["cio_id"]
        number = numbered(cio_id)
        if number is None or not self._history.is_over(number, now):
            return {}
        return NO_PERSON if self._history.is_forgotten(number, now) else _gone(cio_id)

    def _true(self, event: Event) -> Row:
        """An entry about a real change; the other person of a merge or deletion is not named."""
        changes = {name: {"from": old, "to": new} for name, (old, new) in event.changes.items()}
        data = changes if event.type == "attribute_change" else {}
        row = {"type": event.type, "timestamp": event.at}
        return row | self._who(event.number, event.at, with_id=True) | {"data": data}

    def _message(self, arrived: int, words: Words) -> Row:
        """The latest state of a delivery, or one more open."""
        span = LATEST if words[6] % 8 == 0 else SOON
        delivery = self._find(arrived - span, arrived, words[7])
        events = [] if delivery is None else delivery.journey()[0]
        states = [(at, name) for name, at in events if at <= arrived and ":" not in name]
        if delivery is None or not states:
            return self._event(arrived, words)
        at, name = max(states)
        state = name.rpartition("_")[2]
        happened = arrived if state in _SEEN_AGAIN else at
        channel = delivery.outlet.channel
        row: Row = {"type": f"{state}_{channel}", "timestamp": happened}
        row |= self._who(delivery.person, arrived) | {"delivery_id": delivery.id}
        if channel in _DELIVERED_TO:
            row["delivery_type"] = _DELIVERED_TO[channel]
        return row | {"data": _delivery_data(delivery.id, state, happened)}

    def _event(self, arrived: int, words: Words) -> Row:
        name = _EVENTS[words[9] % 4]
        payload = {"total": words[10] / 100, "items": [{"sku": f"s-{words[11] % 9}", "gift": None}]}
        row = {"type": "event", "name": name, "timestamp": _happened(arrived, words)}
        return row | self._whom(arrived, words) | {"data": payload}

    def _page(self, arrived: int, words: Words) -> Row:
        """A page view, possibly anonymous."""
        whom = self._who(None, arrived) if words[8] % 4 == 0 else self._whom(arrived, words)
        url = _PAGES[words[9] % 2]
        row = {"type": "page", "url": url, "timestamp": _happened(arrived, words)}
        return row | whom | {"data": {"referrer": ""}}

    def _screen(self, arrived: int, words: Words) -> Row:
        row = {"type": "screen", "name": "Home", "timestamp": _happened(arrived, words)}
        return row | self._whom(arrived, words) | {"data": None}

    def _change(self, arrived: int, words: Words) -> Row:
        before, after = PLANS[words[9] % 7], PLANS[words[10] % 7]
        change = {"from": before if words[11] % 3 else None, "to": after}
        row = {"type": "attribute_change", "timestamp": arrived}
        return row | self._whom(arrived, words, with_id=True) | {"data": {"plan": change}}

    def _deletion(self, arrived: int, words: Words) -> Row:
        return {"type": "profile_delete", "timestamp": arrived, **_gone(_dead(words)), "data": {}}

    def _object_change(self, arrived: int, words: Words) -> Row:
        data = {"seats": {"from": words[9] % 50, "to": words[10] % 50}}
        row = {"type": "_o:1:attribute_change", "timestamp": arrived}
        return row | self._who(None, arrived) | {"data": data}

    def _whom(self, arrived: int, words: Words, *, with_id: bool = False) -> Row:
        """A person, possibly deleted since."""
        if words[4] < _GONE and not self._is_true:
            return _gone(_dead(words))
        number = self._people.someone(words[1] << 16 | words[2], words[3], arrived)
        return self._who(number, arrived, with_id=with_id)

    def _who(self, number: int | None, at: int, *, with_id: bool = False) -> Row:
        """A person or none; the identifiers omit the custom id, unless it was changed."""
        if number is None:
            return NO_PERSON
        name = self._people.name(number, at)
        identifiers = {"cio_id": name.cio_id, "email": name.email}
        if with_id:
            identifiers["id"] = name.id
        return {"customer_id": name.id, "customer_identifiers": identifiers}


_SHARES = (26_000, 40_000, 48_000, 52_000, 61_000, 62_500)
"""The end of each type's share of 65,536, in the order of the functions that create them."""


def _happened(arrived: int, words: Words) -> int:
    """Event time: long before its arrival, or after it, if a device's clock is ahead."""
    if words[6] % 8 == 0:
        return arrived - (words[7] * LATEST >> 16)
    return arrived + words[7] % HOUR if words[6] % 256 == 1 else arrived


def _gone(cio_id: str) -> Row:
    """A person who no longer exists."""
    return {"customer_id": None, "customer_identifiers": {"cio_id": cio_id}}


def _dead(words: Words) -> str:
    """A person who was deleted before the workspace began."""
    return f"dead{words[5]:04x}"


def _delivery_data(delivery: str, state: str, at: int) -> Row:
    data: Row = {"delivery_id": delivery, state: at}
    return data | {"ip_address": "192.0.2.10"} if state in _SEEN_AGAIN else data


def _ulid(arrived: int, words: Words) -> str:
    """Milliseconds of the arrival and 80 random bits, in Crockford's base 32."""
    number = arrived * 1000 + words[9] % 1000
    for word in words[11:]:
        number = number << 16 | word
    return "".join(_BASE32[number >> shift & 31] for shift in range(125, -1, -5))
