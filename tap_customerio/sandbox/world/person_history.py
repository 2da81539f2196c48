"""What happened to people since the workspace began."""

from __future__ import annotations

from bisect import insort
from operator import attrgetter, itemgetter
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple

from tap_customerio.sandbox.world.rng import DAY, lateness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Change = tuple[str | None, str | None]
"""What an attribute was, and what it became; None is nothing."""

EVER = float("inf")
_at = attrgetter("at")
_first = itemgetter(0)


class Event(NamedTuple):
    """What happened to a person: a type of the log, and the attributes that changed."""

    at: int
    number: int
    type: str
    changes: Mapping[str, Change] = {}


class PersonHistory:
    """Happenings by person, and by the day the log has them; the others are as they were made."""

    def __init__(self, first_day: int, log_lag: int) -> None:
        """Nothing has happened; of what does, some is in the log only `log_lag` seconds later."""
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
        """What happened to a person by `now`, oldest first."""
        self._make_until(now)
        known = self._of.get(number)
        return [it for it in known if it.at <= now] if known else []

    def on(self, day: int) -> list[tuple[int, Event]]:
        """What arrived in the log on a day, and when, oldest first."""
        self._make_until(day * DAY)
        return self._on.get(day, [])

    def is_over(self, number: int, now: float) -> bool:
        """Whether the person was deleted, or merged into another, by `now`."""
        self._make_until(now)
        return self._ends.get(number, EVER) <= now

    def over(self, now: float) -> int:
        """How many people are gone."""
        self._make_until(now)
        return sum(at <= now for at in self._ends.values())

    def note(self, event: Event) -> None:
        """Let something happen."""
        arrived = self._arrived(event)
        insort(self._of.setdefault(event.number, []), event, key=_at)
        insort(self._on.setdefault(arrived // DAY, []), (arrived, event), key=_first)

    def end(self, number: int, at: int) -> None:
        """Let a person be gone from `at` on; what would have happened to them later does not."""
        self._ends[number] = min(at, self._ends.get(number, at))
        for event in [it for it in self._of.get(number, ()) if it.at > at]:
            arrived = self._arrived(event)
            self._of[number].remove(event)
            self._on[arrived // DAY].remove((arrived, event))

    def forget(self, number: int, at: int) -> None:
        """Let nothing name a person any more from `at` on."""
        self._forgotten[number] = at

    def is_forgotten(self, number: int, now: float) -> bool:
        """Whether nothing names the person any more."""
        return self._forgotten.get(number, EVER) <= now

    def _arrived(self, event: Event) -> int:
        return event.at + lateness(event.at ^ event.number, self._log_lag)

    def _make_until(self, now: float) -> None:
        """Let happen what happens by itself up to the end of the day of `now`."""
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
