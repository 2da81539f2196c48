"""Reading deliveries again at fixed ages: pure arithmetic over one cursor per age.

A delivery has passed an age once it has been read at that age or later. The cursor of an age says
that every delivery created before it has. Each cursor trails the present by its age.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.windows import DAY, HOUR, Window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATIENCE = 50
"""An age waits until its range spans this part of it: frequent syncs then stay cheap."""

MARGIN = 6 * HOUR
"""How late the API may list a delivery or what became of it."""


class Rescans:
    """What of `[start, read)`, all of which has been read once, is to be read again at `present`.

    `began` is when reading first began: what was older than an age then has passed that age.
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
        """Take over the cursors of a state; ages in days, cursors in unix seconds.

        An age that has no cursor yet begins where a greater age has come to, or with what had not
        come to it when reading began.
        """
        self._present = present
        self.cursors: dict[float, int] = {}
        for age in sorted(ages, reverse=True):
            cursor = cursors.get(age, began - _seconds(age))
            self.cursors[age] = max([start, cursor, *self.cursors.values()])
        self._due = {
            age: min(present - _seconds(age), read)
            for age, cursor in self.cursors.items()
            if present - _seconds(age) - cursor >= _seconds(age) / PATIENCE
        }

    def ranges(self) -> list[Window]:
        """What to read, oldest first: each delivery once, however many ages it has come to."""
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
        return not passed or changed >= created + _seconds(passed) - MARGIN

    def reach(self, end: int) -> dict[float, int]:
        """The cursors once everything due has been read up to `end`."""
        return {
            age: max(cursor, min(end, self._due[age])) if age in self._due else cursor
            for age, cursor in self.cursors.items()
        }

    def complete(self) -> dict[float, int]:
        """The cursors once everything due, and everything up to the present, has been read."""
        return {
            age: self._present - _seconds(age) if age in self._due else cursor
            for age, cursor in self.cursors.items()
        }


def _seconds(age: float) -> int:
    return int(age * DAY)
