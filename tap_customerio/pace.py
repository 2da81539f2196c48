"""The pace of requests: evenly spaced, never above the limit, giving way when others need room."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pace:
    """Grants requests one at a time, `requests_per_second` at most, to any number of threads.

    Grants are spaced for 96 % of the limit: ten of them may then lose 40 ms to jitter on the
    way before the server sees an eleventh in a rolling second. A 429 means that others share the
    limit: the pace falls by a quarter, comes back to where that happened within `regain` seconds,
    dwells there, and goes on ever faster as long as nobody minds (the cubic curve of RFC 9438).
    """

    share = 0.96
    slowest = 0.05
    catching_up = 0.04
    fall = 0.25
    regain = 10.0
    calm = 1.0

    def __init__(self, requests_per_second: float) -> None:
        """Start at full pace."""
        self._limit = self._ceiling = requests_per_second * self.share
        self._changed = threading.Condition()
        self._waiting: list[tuple[tuple[int, ...], int]] = []
        self._numbers = itertools.count()
        self._mine = threading.local()
        self._next = self._resume = self._slowed = float("-inf")

    @property
    def rate(self) -> float:
        """Requests a second at present."""
        since = max(0.0, time.monotonic() - max(self._resume, self._slowed))
        regained = min(since / self.regain, 1e6) - 1
        return min(self._limit, self._ceiling * (1 + self.fall * regained**3))

    @property
    def pause(self) -> float:
        """Seconds for which nothing is sent, since a 429 said so."""
        return max(0.0, self._resume - time.monotonic())

    @contextmanager
    def rank(self, *rank: int) -> Iterator[None]:
        """Let this thread's requests go before those of any higher rank.

        Where results are wanted in order, the first are so finished first, and fewer wait.
        """
        self._mine.rank = rank
        try:
            yield
        finally:
            self._mine.rank = ()

    def wait(self) -> None:
        """Block until the caller may send one request."""
        ticket = (getattr(self._mine, "rank", ()), next(self._numbers))
        with self._changed:
            heapq.heappush(self._waiting, ticket)
            while self._waiting[0] != ticket or self._delay() > 0:
                self._changed.wait(self._delay() if self._waiting[0] == ticket else None)
            heapq.heappop(self._waiting)
            # From when it was granted, not planned: a late wake-up must not bunch the next ones.
            now, space = time.monotonic(), 1 / self.rate
            self._next = now + space - min(now - self._next, space * self.catching_up)
            self._changed.notify_all()

    def give_way(self, seconds: float) -> None:
        """Send nothing for that long, then go on more slowly (once per wave of 429s)."""
        with self._changed:
            now = time.monotonic()
            if now > self._resume and now - self._slowed > self.calm:
                self._ceiling = max(self.rate, self._limit * self.slowest)
                self._slowed = now
            self._resume = max(self._resume, now + seconds)

    def _delay(self) -> float:
        return max(self._next, self._resume) - time.monotonic()
