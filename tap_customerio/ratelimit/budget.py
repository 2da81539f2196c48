"""Evenly spaced slots for requests, for this process or shared by all that use the key."""

from __future__ import annotations

import os
import struct
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tap_customerio import errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


BURST_WINDOW = 1.0
"""A 429 within this many seconds of the last wave of 429s belongs to that wave."""

MAX_SLOTS = 50
"""Maximum number of stored slots."""


class Slot(NamedTuple):
    """A slot for one request: `due` is by `time.monotonic`, `key` by the budget's clock."""

    due: float
    key: float


class LimiterState(NamedTuple):
    """The state shared by all users of a budget; `redis_budget.py` repeats its steps in Lua.

    All times are in seconds of one clock; `seen` is that clock at the last change. Slots are an
    interval apart; the last one is at `last`, and there is none before `resume`. The last wave of
    429s came at `slowed`, at a rate of `ceiling` requests a second. `slots` holds the times of the
    latest requests, in order.
    """

    seen: float = 0.0
    last: float = float("-inf")
    resume: float = float("-inf")
    slowed: float = float("-inf")
    ceiling: float = float("inf")
    slots: tuple[float, ...] = ()

    @classmethod
    def unpack(cls, packed: bytes) -> LimiterState:
        """The inverse of `pack`; the initial state for empty input, or zeros after a power cut."""
        if not packed.strip(b"\0"):
            return cls()
        slots = tuple(slot for (slot,) in SLOT.iter_unpack(packed[HEADER.size :]))
        return cls(*HEADER.unpack(packed[: HEADER.size]))._replace(slots=slots)

    def pack(self) -> bytes:
        """The state as bytes."""
        return HEADER.pack(*self[:-1]) + b"".join(map(SLOT.pack, self.slots))

    def at(self, now: float) -> LimiterState:
        """The state at time `now`; if the clock went back, all times are moved back."""
        back = max(0.0, self.seen - now)
        slots = tuple(slot - back for slot in self.slots)
        return LimiterState(
            now, self.last - back, self.resume - back, self.slowed - back, self.ceiling, slots
        )

    def reserve(self, interval: float, count: int) -> tuple[LimiterState, float]:
        """Take the next slot: an interval after the last, `count` of them after `count` slots.

        After a late request, the next slots keep their schedule, at least half an interval apart.
        """
        last = max(self.seen, self.last + interval, self.resume)
        slot = last
        if self.slots:
            slot = max(slot, self.slots[-1] + interval / 2)
        if len(self.slots) >= count:
            slot = max(slot, self.slots[-count] + count * interval)
        return self._replace(last=last).book(slot), slot

    def miss(self, slot: float, interval: float, count: int) -> tuple[LimiterState, float]:
        """Replace a slot that passed unused: with one now, unless `count` others follow it."""
        rest = tuple(other for other in self.slots if other != slot)
        following = sum(other > slot for other in rest)
        state = self._replace(slots=rest)
        if slot in self.slots and following < count and self.seen >= self.resume:
            now = max(self.seen, slot)
            return state.book(now), now
        return state.reserve(interval, count)

    def correct(self, slot: float, left: float) -> LimiterState:
        """Record that the request of a slot left at another time."""
        rest = tuple(other for other in self.slots if other != slot)
        return self._replace(slots=rest).book(left)

    def book(self, slot: float) -> LimiterState:
        """Add a slot to the latest ones."""
        return self._replace(slots=tuple(sorted((*self.slots, slot)))[-MAX_SLOTS:])

    def slow(self, rate: float, seconds: float) -> LimiterState:
        """Pause for this long; `rate` is the rate at the first 429 of a wave."""
        first = self.seen > self.resume and self.seen - self.slowed > BURST_WINDOW
        state = self._replace(slowed=self.seen, ceiling=rate) if first else self
        return state._replace(resume=max(self.resume, self.seen + seconds))


HEADER = struct.Struct("<5d")
SLOT = struct.Struct("<d")
"""Format of a stored state: its numbers, then its slots."""


class Budget:
    """The budget of one process. Not thread-safe; the rate limiter locks it."""

    def __init__(self) -> None:
        self.state = LimiterState()

    def now(self) -> float:
        """The time by the clock of `state`."""
        return time.monotonic()

    def slot(self, interval: float, count: int, missed: Slot | None = None) -> Slot:
        """The next slot, or a replacement for a missed one; `count` slots take `count` intervals.

        Raises:
            TapError: The shared budget cannot be reached.
        """
        with self._locked():
            state = self.state.at(self.now())
            if missed is None:
                self.state, slot = state.reserve(interval, count)
            else:
                self.state, slot = state.miss(missed.key, interval, count)
        return Slot(slot, slot)

    def correct(self, slot: Slot, left: float) -> None:
        """Record that the request of a slot left late, at `left` by `time.monotonic`.

        Raises:
            TapError: The shared budget cannot be reached.
        """
        with self._locked():
            self.state = self.state.at(self.now()).correct(slot.key, left)

    def slow(self, rate: float, seconds: float) -> None:
        """Pause for this long, and then continue below `rate` requests a second.

        Raises:
            TapError: The shared budget cannot be reached.
        """
        with self._locked():
            self.state = self.state.at(self.now()).slow(rate, seconds)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the state against other users."""
        yield


class FileBudget(Budget):
    """Shared by the processes of one host through a locked file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    @contextmanager
    def _locked(self) -> Iterator[None]:
        import fcntl  # noqa: PLC0415 - missing on Windows

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                self.state = LimiterState.unpack(
                    os.pread(file, HEADER.size + MAX_SLOTS * SLOT.size, 0)
                )
                yield
                os.pwrite(file, self.state.pack(), 0)
            finally:
                os.close(file)
        except (OSError, struct.error) as error:
            reason = getattr(error, "strerror", None) or "it is something else"
            raise errors.ratelimit.no_file_budget(str(self._path), reason) from None
