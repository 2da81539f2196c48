"""A fake clock for tests, in place of `time`."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class FakeClock:
    """A clock set by a test; wake-ups of threads can be late."""

    def __init__(self) -> None:
        self.now = 1024.0
        self.late: Iterator[float] = cycle([0.0])

    def monotonic(self) -> float:
        """The current time."""
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        """Replaces a condition's `wait`."""
        self.now += (timeout or 0.0) + next(self.late, 0.0)
        return True
