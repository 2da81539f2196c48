"""The pace of requests: evenly spaced, never above the limit, giving way when others need room."""

from __future__ import annotations

import threading
import time


class Pace:
    """Grants requests one at a time, `requests_per_second` at most, to any number of threads.

    Grants are spaced for 96 % of the limit: ten of them may then lose 40 ms to jitter on the
    way before the server sees an eleventh in a rolling second. A 429 halves the pace; it recovers
    with every answer.
    """

    share = 0.96
    slowest = 0.05
    recovery = 0.01
    calm = 1.0

    def __init__(self, requests_per_second: float) -> None:
        """Start at full pace."""
        self._limit = self._rate = requests_per_second * self.share
        self._turn = threading.Lock()
        self._change = threading.Lock()
        self._next = self._resume = self._slowed = float("-inf")

    @property
    def rate(self) -> float:
        """Requests a second at present."""
        return self._rate

    def wait(self) -> None:
        """Block until the caller may send one request."""
        with self._turn:
            while (delay := max(self._next, self._resume) - time.monotonic()) > 0:
                time.sleep(delay)
            # Stamped when granted, not when planned: a late wake-up must not bunch the next ones.
            self._next = time.monotonic() + 1 / self._rate

    def give_way(self, seconds: float) -> None:
        """Send nothing for that long, then go on at half the pace (once per wave of 429s)."""
        with self._change:
            now = time.monotonic()
            self._resume = max(self._resume, now + seconds)
            if now - self._slowed > self.calm:
                self._slowed = now
                self._rate = max(self._rate / 2, self._limit * self.slowest)

    def speed_up(self) -> None:
        """Take back a little of the pace, up to the limit."""
        if self._rate < self._limit:
            with self._change:
                self._rate = min(self._limit, self._rate + self._limit * self.recovery)
