"""Events of people since the workspace began."""

from __future__ import annotations

from bisect import insort
from operator import attrgetter, itemgetter
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple

from tap_customerio.sandbox.world.rng import DAY, lateness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Change = tuple[str | None, str | None]
"""Old and new value of an attribute; None for no value."""

EVER = float("inf")
_at = attrgetter("at")
_first = itemgetter(0)


class Event(NamedTuple):
    """An event of a person: its type in the log, and the changed attributes."""

    at: int
    number: int
    type: str
    changes: Mapping[str, Change] = {}


class PersonHistory:
    """Events by person, and by the day of their log entry; other people are unchanged."""

    def __init__(self, first_day: int, log_lag: int) -> None:
        """Start without events; log entries may be up to `log_lag` seconds late."""
        self._log_lag = log_lag
        self.make: Callable[[int], None] | None = None
        self._made_until = first_day * DAY
        self._is_making = False
        self._lock = RLock()
        self._of: dict[int, list[Event]] = {}
        self._on: dict[int, list[tuple[int, Event]]] = {}
        self._ends: dict[int, int] = {}
        self._forgotten: dict[int, int] = {}

    def of(self, number: int, now: float) -> list[Event]:
        """The events of a person by `now`, oldest first."""
        self._make_until(now)
        known = self._of.get(number)
        return [it for it in known if it.at <= now] if known else []

    def on(self, day: int) -> list[tuple[int, Event]]:
        """Log entries that arrived on a day, with their times, oldest first."""
        self._make_until(day * DAY)
        return self._on.get(day, [])

    def is_over(self, number: int, now: float) -> bool:
        """Whether the person was deleted, or merged into another, by `now`."""
        self._make_until(now)
        return self._ends.get(number, EVER) <= now

    def over(self, now: float) -> int:
        """The number of people who are gone."""
        self._make_until(now)
        return sum(at <= now for at in self._ends.values())

    def note(self, event: Event) -> None:
        """Add an event."""
        arrived = self._arrived(event)
        insort(self._of.setdefault(event.number, []), event, key=_at)
        insort(self._on.setdefault(arrived // DAY, []), (arrived, event), key=_first)

    def end(self, number: int, at: int) -> None:
        """End a person at `at`, and drop their later events."""
        self._ends[number] = min(at, self._ends.get(number, at))
        for event in [it for it in self._of.get(number, ()) if it.at > at]:
            arrived = self._arrived(event)
            self._of[number].remove(event)
            self._on[arrived // DAY].remove((arrived, event))

    def forget(self, number: int, at: int) -> None:
        """Remove a person's names from all entries from `at` on."""
        self._forgotten[number] = at

    def is_forgotten(self, number: int, now: float) -> bool:
        """Whether no entry names the person any more."""
        return self._forgotten.get(number, EVER) <= now

    def _arrived(self, event: Event) -> int:
        return event.at + lateness(event.at ^ event.number, self._log_lag)

    def _make_until(self, now: float) -> None:
        """Simulate random events up to the end of the day of `now`."""
        if self.make is None or now < self._made_until:
            return
        with self._lock:
            if self._is_making:
                return
            self._is_making = True
            while self._made_until <= now:
                self.make(self._made_until // DAY)
                self._made_until += DAY
            self._is_making = False
