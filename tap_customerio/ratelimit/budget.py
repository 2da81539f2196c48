"""Turns to send a request, a space apart: of this process, or shared by all that use the key."""

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
"""Seconds after a slowing down in which another 429 belongs to the same wave."""

KEPT = 50
"""Turns that are remembered at most."""


class Turn(NamedTuple):
    """Leave to send a request: from `due` on, by `time.monotonic`; the budget's clock has `key`."""

    due: float
    key: float


class LimiterState(NamedTuple):
    """What all who share a budget go by, in seconds of one clock.

    The clock showed `seen` when this was last changed. Turns are due an interval apart, the last
    one at `last`, and there is none before `resume`. The last wave of 429s came at `slowed`, at
    `ceiling` requests a second. The latest requests left at `turns`, in that order, or will leave.
    """

    seen: float = 0.0
    last: float = float("-inf")
    resume: float = float("-inf")
    slowed: float = float("-inf")
    ceiling: float = float("inf")
    turns: tuple[float, ...] = ()

    @classmethod
    def unpack(cls, kept: bytes) -> LimiterState:
        """What `pack` made of it; of nothing, what it is at first."""
        if not kept:
            return cls()
        turns = tuple(turn for (turn,) in TURN.iter_unpack(kept[FORM.size :]))
        return cls(*FORM.unpack(kept[: FORM.size]))._replace(turns=turns)

    def pack(self) -> bytes:
        """As it is kept."""
        return FORM.pack(*self[:-1]) + b"".join(map(TURN.pack, self.turns))

    def at(self, now: float) -> LimiterState:
        """The same by a clock that shows `now`: if that went back, all of it went back."""
        back = max(0.0, self.seen - now)
        turns = tuple(turn - back for turn in self.turns)
        return LimiterState(
            now, self.last - back, self.resume - back, self.slowed - back, self.ceiling, turns
        )

    def reserve(self, interval: float, count: int) -> tuple[LimiterState, float]:
        """Give the next turn: an interval after the last, and `count` of them after `count` turns.

        After a late request the next ones come as they were due, half an interval apart at least.
        """
        last = max(self.seen, self.last + interval, self.resume)
        turn = last
        if self.turns:
            turn = max(turn, self.turns[-1] + interval / 2)
        if len(self.turns) >= count:
            turn = max(turn, self.turns[-count] + count * interval)
        return self._replace(last=last).book(turn), turn

    def miss(self, turn: float, interval: float, count: int) -> tuple[LimiterState, float]:
        """Give another turn for one that passed unused: now, unless `count` others follow it."""
        rest = tuple(other for other in self.turns if other != turn)
        following = sum(other > turn for other in rest)
        course = self._replace(turns=rest)
        if turn in self.turns and following < count and self.seen >= self.resume:
            now = max(self.seen, turn)
            return course.book(now), now
        return course.reserve(interval, count)

    def correct(self, turn: float, left: float) -> LimiterState:
        """Note that the request of a turn left at another time."""
        rest = tuple(other for other in self.turns if other != turn)
        return self._replace(turns=rest).book(left)

    def book(self, turn: float) -> LimiterState:
        """Add a turn to the latest ones."""
        return self._replace(turns=tuple(sorted((*self.turns, turn)))[-KEPT:])

    def slow(self, rate: float, seconds: float) -> LimiterState:
        """Give no turn for that long; the first 429 of a wave came at `rate`."""
        first = self.seen > self.resume and self.seen - self.slowed > BURST_WINDOW
        course = self._replace(slowed=self.seen, ceiling=rate) if first else self
        return course._replace(resume=max(self.resume, self.seen + seconds))


FORM = struct.Struct("<5d")
TURN = struct.Struct("<d")
"""How a course is kept: its numbers, then its turns."""


class Budget:
    """The budget of one process. Not safe for threads: its pace sees to that."""

    def __init__(self) -> None:
        self.course = LimiterState()

    def now(self) -> float:
        """The time by the clock of `course`."""
        return time.monotonic()

    def turn(self, interval: float, count: int, missed: Turn | None = None) -> Turn:
        """The next turn, or another for one that was missed; `count` take `count` intervals.

        Raises:
            TapError: When those who share the budget cannot be asked.
        """
        with self._held():
            course = self.course.at(self.now())
            if missed is None:
                self.course, turn = course.reserve(interval, count)
            else:
                self.course, turn = course.miss(missed.key, interval, count)
        return Turn(turn, turn)

    def correct(self, turn: Turn, left: float) -> None:
        """Note that the request of a turn left late: at `left`, by `time.monotonic`.

        Raises:
            TapError: When the shared budget cannot be reached.
        """
        with self._held():
            self.course = self.course.at(self.now()).correct(turn.key, left)

    def slow(self, rate: float, seconds: float) -> None:
        """Send nothing for that long, and then less than `rate` requests a second.

        Raises:
            TapError: When the shared budget cannot be reached.
        """
        with self._held():
            self.course = self.course.at(self.now()).slow(rate, seconds)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Keep others from changing the course meanwhile."""
        yield


class FileBudget(Budget):
    """Shared by the processes of one host, by way of a file that one of them locks at a time."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    @contextmanager
    def _held(self) -> Iterator[None]:
        import fcntl  # noqa: PLC0415 - there is none on Windows

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                self.course = LimiterState.unpack(os.pread(file, FORM.size + KEPT * TURN.size, 0))
                yield
                os.pwrite(file, self.course.pack(), 0)
            finally:
                os.close(file)
        except (OSError, struct.error) as error:
            reason = getattr(error, "strerror", None) or "it is something else"
            raise errors.ratelimit.no_file_budget(str(self._path), reason) from None
