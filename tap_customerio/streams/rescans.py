"""Rescans of deliveries at fixed ages: pure arithmetic over one cursor per age.

A delivery has passed an age once it was read at that age or later. An age's cursor means that
every delivery created before it has passed the age. Each cursor trails the present by its age.
Besides the ages in the settings, two ages of some hours catch deliveries that the API lists late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_customerio.windows import DAY, HOUR, Window, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATIENCE = 50
"""An age waits until its range spans this share of it, which keeps frequent syncs cheap."""

MARGIN = 6 * HOUR
"""Maximum delay of a delivery or its states in the API."""


LATE = (1 / 24, 1 / 4)
"""Ages in days that are always read, because deliveries may be listed late."""

_CURSORS, _LATER_START = "rescans", "rescans_from"


class Cursors:
    """The cursors in a state.

    A run does not rescan deliveries created before its start_date. It then keeps separate cursors
    that are valid for this start_date, and does not change cursors before that date.
    """

    def __init__(self, state: Mapping[str, Any], ages: Sequence[float], start: int) -> None:
        """Choose the cursors to continue from.

        Raises:
            ValueError, AttributeError or TypeError: The state holds something else.
        """
        self._start = start
        self._state = state
        saved = _of_ages(state.get(_CURSORS), ages)
        self._waiting = {age: cursor for age, cursor in saved.items() if cursor < start}
        self.current = {age: cursor for age, cursor in saved.items() if cursor >= start}
        later = state.get(_LATER_START) or {}
        if self._waiting and parse(later.get("start_date") or "1970-01-01") == start:
            self.current |= _of_ages(later.get(_CURSORS), list(self._waiting))

    def as_state(self, cursors: Mapping[float, int]) -> dict[str, Any]:
        """What the state keeps once the reads have reached `cursors`."""
        facts: dict[str, Any] = {_CURSORS: _as_texts({**cursors, **self._waiting})}
        if self._waiting:
            own = _as_texts({age: cursors[age] for age in self._waiting})
            facts[_LATER_START] = {"start_date": rfc3339(self._start), _CURSORS: own}
        elif _LATER_START in self._state:
            facts[_LATER_START] = None
        return facts


class Rescans:
    """The parts of `[start, read)` that were read before and are due again at `present`.

    `began` is the time of the first read: deliveries older than an age then have passed that age.
    """

    def __init__(  # noqa: PLR0913 - instants, which stand for themselves
        self,
        ages: Sequence[float],
        cursors: Mapping[float, int],
        *,
        began: int,
        start: int,
        read: int,
        present: int,
    ) -> None:
        """Load the cursors of a state; ages are in days, cursors in unix seconds.

        A new age starts at the cursor of the next greater age, or at the deliveries that had not
        reached the age at the first read.
        """
        self._present = present
        self.cursors: dict[float, int] = {}
        for age in sorted({*ages, *LATE}, reverse=True):
            # States of earlier versions have no late ages: earlier deliveries are not read again.
            since = max(began, read) if age in LATE else began
            cursor = cursors.get(age, since - _seconds(age))
            self.cursors[age] = max([start, cursor, *self.cursors.values()])
        self._due = {
            age: min(present - _seconds(age), read)
            for age, cursor in self.cursors.items()
            if present - _seconds(age) - cursor >= _seconds(age) / PATIENCE
        }

    def ranges(self) -> list[Window]:
        """Windows to read, oldest first; each delivery once, even if several ages are due."""
        joined: list[Window] = []
        for age, end in sorted(self._due.items(), reverse=True):
            start = max(self.cursors[age], joined[-1].end if joined else 0)
            if start >= end:
                continue
            if joined and start == joined[-1].end:
                joined[-1] = Window(joined[-1].start, end)
            else:
                joined.append(Window(start, end))
        return joined

    def is_news(self, created: int, changed: int) -> bool:
        """Whether a delivery may have changed since it was last read."""
        passed = max((age for age, cursor in self.cursors.items() if created < cursor), default=0.0)
        # Rows that passed no age may be new, even if their states are older than themselves.
        return not passed or changed >= created + _seconds(passed) - MARGIN

    def may_withhold(self, window: Window) -> bool:
        """Whether the window may hold a delivery that has not changed."""
        passed = (age for age, cursor in self.cursors.items() if window.start < cursor)
        return any(_seconds(age) > MARGIN for age in passed)

    def reach(self, end: int) -> dict[float, int]:
        """The cursors when everything due up to `end` has been read."""
        return {
            age: max(cursor, min(end, self._due[age])) if age in self._due else cursor
            for age, cursor in self.cursors.items()
        }

    def complete(self) -> dict[float, int]:
        """The cursors when everything due, and everything up to the present, has been read."""
        return {
            age: self._present - _seconds(age) if age in self._due else cursor
            for age, cursor in self.cursors.items()
        }


def _seconds(age: float) -> int:
    return round(age * DAY)


def _of_ages(cursors: Mapping[str, str] | None, ages: Sequence[float]) -> dict[float, int]:
    """The cursors of the ages; earlier versions rounded ages to six digits."""
    found = {float(age): parse(moment) for age, moment in (cursors or {}).items()}
    spelt = {float(f"{age:g}"): float(age) for age in {*ages, *LATE}}
    rounded = {spelt[age]: moment for age, moment in found.items() if age in spelt}
    return rounded | {age: found[age] for age in found.keys() & {*ages, *LATE}}


def _as_texts(cursors: Mapping[float, int]) -> dict[str, str]:
    """Keys are the shortest text that parses to the same age."""
    spelt = {age: f"{age:g}" if float(f"{age:g}") == age else repr(age) for age in cursors}
    return {spelt[age]: rfc3339(moment) for age, moment in sorted(cursors.items())}
