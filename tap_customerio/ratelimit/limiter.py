"""The rate limiter: evenly spaced requests below the limit, slower after 429s."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, cast

from tap_customerio.errors import TapError
from tap_customerio.ratelimit.budget import MAX_SLOTS, Budget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_customerio.ratelimit.budget import Slot


class Ticket(NamedTuple):
    """A waiting thread; `first` is set once it is first in line."""

    rank: tuple[int, ...]
    number: int
    first: threading.Condition


class RateLimiter:
    """Grants requests one at a time, at most `requests_per_second`, to any number of threads.

    Slots are spaced for 97 % of the limit, and a late request shifts the slots after it. So an
    eleventh request leaves at least 1.025 s after the first, however late threads wake up:
    requests may lose 25 ms on the network before the server sees eleven in a rolling second. A
    429 means that others share the limit: the rate falls by a quarter, returns to the rate of the
    429 within `recovery_seconds`, stays there, then rises ever faster until the next 429 (the
    cubic curve of RFC 9438). All users of a shared budget have this rate in common.
    """

    headroom = 0.97
    slowest = 0.05
    late = 0.005
    instant = 0.001
    tries = 5
    decrease = 0.25
    recovery_seconds = 10.0

    def __init__(self, requests_per_second: float, budget: Budget | None = None) -> None:
        self._limit = requests_per_second * self.headroom
        self._count = min(max(1, int(requests_per_second)), MAX_SLOTS)
        self._slack = max(self.late * self._count / self._limit, self.instant)
        self._budget = budget or Budget()
        self._lock = threading.Lock()
        self._waiting: list[Ticket] = []
        self._numbers = itertools.count()
        self._mine = threading.local()
        self._slot: Slot | None = None
        self._failure: TapError | None = None
        self.waited = 0.0
        """Total seconds of pauses after 429s of this process."""

    @property
    def rate(self) -> float:
        """Current requests per second, of all users of the budget together."""
        state = self._budget.state
        since = max(0.0, self._budget.now() - max(state.resume, state.slowed))
        recovered = min(since / self.recovery_seconds, 1e6) - 1
        return min(self._limit, state.ceiling * (1 + self.decrease * recovered**3))

    @property
    def pause(self) -> float:
        """Seconds left of the pause after a 429."""
        return max(0.0, self._budget.state.resume - self._budget.now())

    @contextmanager
    def rank(self, *rank: int) -> Iterator[None]:
        """Let this thread's requests go before those of any higher rank.

        Results are needed in order, so early results finish first and fewer wait in memory.
        """
        self._mine.rank = rank
        try:
            yield
        finally:
            self._mine.rank = ()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a slot; the caller sends one request inside the context.

        Raises:
            TapError: The shared budget cannot be reached.
        """
        slot = self.wait()
        try:
            yield
        finally:
            left = time.monotonic()
            if left > slot.due + self._slack:
                with (
                    self._lock,
                    suppress(TapError),
                    self._failing_once(),
                ):  # the next call raises it
                    self._budget.correct(slot, left - self._slack)

    def wait(self) -> Slot:
        """Block until the caller may send one request.

        Raises:
            TapError: The shared budget cannot be reached.
        """
        with self._lock:
            first = threading.Condition(self._lock)
            ticket = Ticket(getattr(self._mine, "rank", ()), next(self._numbers), first)
            heapq.heappush(self._waiting, ticket)
            try:
                while (delay := self._delay(ticket)) is None or delay > 0:
                    first.wait(delay)
                slot, self._slot = cast("Slot", self._slot), None
            finally:
                self._waiting.remove(ticket)
                heapq.heapify(self._waiting)
                if self._waiting:
                    self._waiting[0].first.notify()
        return slot

    def throttle(self, seconds: float) -> None:
        """Pause for this long, then continue more slowly (once per wave of 429s).

        Raises:
            TapError: The shared budget cannot be reached.
        """
        with self._lock:
            before = self.pause
            with self._failing_once():
                self._budget.slow(max(self.rate, self._limit * self.slowest), seconds)
            self._slot = None
            self.waited += max(0.0, seconds - before)

    def _delay(self, ticket: Ticket) -> float | None:
        """Seconds until the first waiting request's slot; replaces a missed slot.

        None if another thread is first.
        """
        if self._waiting[0] != ticket:
            return None
        if self._slot is None:
            self._slot = self._next_slot()
        # Limited attempts: an overloaded interpreter might never be in time.
        for _ in range(self.tries):
            if time.monotonic() <= self._slot.due + self._slack:
                break
            self._slot = self._next_slot(self._slot)
        return self._slot.due - time.monotonic()

    def _next_slot(self, missed: Slot | None = None) -> Slot:
        with self._failing_once():
            return self._budget.slot(1 / self.rate, self._count, missed)

    @contextmanager
    def _failing_once(self) -> Iterator[None]:
        """Raise the first error of a shared budget in all threads, without another attempt."""
        if self._failure is not None:
            raise self._failure
        try:
            yield
        except TapError as error:
            self._failure = error
            raise
