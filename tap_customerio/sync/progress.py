"""How far a run has come, for whoever watches it."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from tap_customerio.windows import Window, rfc3339
from tap_customerio.wording import counted, duration

if TYPE_CHECKING:
    from typing_extensions import Self

    from tap_customerio.api.client import Client
    from tap_customerio.settings import Settings

logger = logging.getLogger("tap-customerio.progress")


class Progress:
    """Follow a run, at most once a page; show nothing."""

    draws = False

    def __init__(self) -> None:
        self.done: list[str] = []

    def __enter__(self) -> Self:
        """The run begins."""
        return self

    def __exit__(self, *_: object) -> None:
        """The run has ended."""

    def begin(self, stream: str) -> None:
        """A stream begins."""

    def page(self, stream: str, rows: int) -> None:
        """So many records of a page have been written."""

    def slice(self, stream: str, slice_: Any, total: int | None) -> None:
        """All records of a slice have been written, of so many if that is known."""

    def end(self, stream: str, *, done: bool = True) -> None:
        """A stream ends before its last state; `done` if its whole range has been written."""
        if done:
            self.done.append(stream)


class Meter(Protocol):
    """The figures that a display shows beside the streams."""

    @property
    def requests(self) -> int:
        """Requests made so far."""

    @property
    def rate(self) -> float:
        """Requests a second that are allowed at present."""

    @property
    def pause(self) -> float:
        """Seconds for which the API wants no request."""

    @property
    def blocked(self) -> float:
        """Seconds spent so far in waiting for the target to read."""

    def end(self, stream: str) -> int:
        """The end of the range that is read of a stream, in unix seconds."""


class Run(Protocol):
    """Where a run's figures come from."""

    @property
    def client(self) -> Client:
        """The App API."""

    @property
    def settings(self) -> Settings:
        """The checked settings."""

    def blocked(self) -> float:
        """Seconds spent so far in waiting for the target to read."""


class RunMeter:
    """Those of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def requests(self) -> int:
        """Requests made so far."""
        return self._run.client.requests.total()

    @property
    def rate(self) -> float:
        """Requests a second that are allowed at present."""
        return self._run.client.limiter.rate

    @property
    def pause(self) -> float:
        """Seconds for which the API wants no request."""
        return self._run.client.limiter.pause

    @property
    def blocked(self) -> float:
        """Seconds spent so far in waiting for the target to read."""
        return self._run.blocked()

    def end(self, stream: str) -> int:  # noqa: ARG002 - the same for all
        """The end of the range, or the present if that comes first."""
        present = self._run.client.present
        return min(self._run.settings.end or present, present)


class Tally:
    """What has been done of one stream; of one that is read by windows, from when until when."""

    def __init__(self) -> None:
        self.slices = 0
        self.total: int | None = None
        self.rows = 0
        self.walked: Window | None = None

    def slice(self, slice_: Any, total: int | None) -> None:
        """Count a slice; one that was split adds to the total."""
        self.slices += 1
        self.total = None if total is None else max(total, self.slices)
        if isinstance(slice_, Window):
            self.walked = Window(self.walked.start if self.walked else slice_.start, slice_.end)

    @property
    def parts(self) -> str:
        """How far it has come: until when, or how many parts; empty for what comes at once."""
        if self.walked is not None:
            return f"until {rfc3339(self.walked.end)}"
        if self.total is None:
            return counted(self.slices, "part")
        return "" if self.total == 1 else f"{self.slices:,} of {counted(self.total, 'part')}"

    def __str__(self) -> str:
        """In words."""
        return ", ".join(filter(None, (counted(self.rows, "row"), self.parts)))


class Speed:
    """Requests a second of late, beside what the pace allows, and what holds them up."""

    span = 10.0

    def __init__(self, meter: Meter) -> None:
        """Begin to measure."""
        self._meter = meter
        self._marks = deque([(time.monotonic(), meter.requests, meter.blocked)])

    def measure(self) -> tuple[str, str]:
        """The speed, and what holds it up, if anything does."""
        meter, now = self._meter, time.monotonic()
        self._marks.append((now, meter.requests, meter.blocked))
        while len(self._marks) > 2 and now - self._marks[1][0] > self.span:  # noqa: PLR2004
            self._marks.popleft()
        (since, before, waited), (_, requests, blocked) = self._marks[0], self._marks[-1]
        passed = max(now - since, 1.0)
        # Requests leave evenly, but a short span may begin just before one and end just after.
        speed = min((requests - before) / passed, meter.rate)
        delay = ""
        if meter.pause > 0:
            delay = f"the API asks to wait {duration(meter.pause)}"
        elif blocked - waited > passed / 2:
            delay = "the target is busy"
        return f"{speed:.1f} of {meter.rate:.1f} requests/s", delay


class LogProgress(Progress):
    """A line now and then for the streams that have come further, and one at the end of each."""

    every = 10.0

    def __init__(self, meter: Meter) -> None:
        """Speak of the pace, too."""
        super().__init__()
        self._meter = meter
        self._tallies: dict[str, Tally] = {}
        self._moved: set[str] = set()
        self._speed = Speed(meter)
        self._said = time.monotonic()

    def begin(self, stream: str) -> None:
        """Count again."""
        self._tallies[stream] = Tally()

    def page(self, stream: str, rows: int) -> None:
        """Count, and speak if it is time."""
        self._tallies[stream].rows += rows
        self._moved.add(stream)
        if time.monotonic() - self._said >= self.every:
            self._say("; ".join(f"{name}: {self._tallies[name]}" for name in sorted(self._moved)))
            self._moved.clear()

    def slice(self, stream: str, slice_: Any, total: int | None) -> None:
        """Count, and speak if it is time."""
        self._tallies[stream].slice(slice_, total)
        self.page(stream, 0)

    def end(self, stream: str, *, done: bool = True) -> None:
        """Log it."""
        super().end(stream, done=done)
        finished = "finished" if done else "not finished"
        self._say(f"{stream}: {finished}, {self._tallies[stream]}")
        self._moved.discard(stream)

    def _say(self, what: str) -> None:
        speed, delay = self._speed.measure()
        requests = counted(self._meter.requests, "request")
        logger.info("%s", "; ".join(filter(None, (what, f"{speed}, {requests}", delay))))
        self._said = time.monotonic()
