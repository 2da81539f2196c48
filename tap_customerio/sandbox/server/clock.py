"""The sandbox's time: the real clock, or a fixed time."""

from __future__ import annotations

import time
from email.utils import formatdate


class Clock:
    """The sandbox's present."""

    def __init__(self, now: float | None = None) -> None:
        """Follow the real clock, or stand still at the unix second `now`."""
        self._stands_at = now
        self._ahead = 0.0

    @property
    def runs(self) -> bool:
        """Whether time passes by itself."""
        return self._stands_at is None

    def now(self) -> float:
        """Unix time."""
        base = time.time() if self._stands_at is None else self._stands_at
        return base + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the present forward; a running clock continues from there."""
        self._ahead += seconds

    def http_date(self) -> str:
        """The present as a `Date` header."""
        return formatdate(int(self.now()), usegmt=True)
