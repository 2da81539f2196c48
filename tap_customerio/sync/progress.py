"""Progress of a run, for a terminal or the log."""

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
    """Receives the events of a run, at most one per page; this base class shows nothing."""

    draws = False

    def __init__(self) -> None:
        self.done: list[str] = []

    def __enter__(self) -> Self:
        """Start the run."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the run."""

    def begin(self, stream: str) -> None:
        """Start a stream."""

    def page(self, stream: str, rows: int) -> None:
        """Count the records of a page that were written."""

    def slice(self, stream: str, slice_: Any, total: int | None) -> None:
        """Count a slice that was written, out of a total if it is known."""

    def end(self, stream: str, *, done: bool = True) -> None:
        """End a stream before its last state; `done` if its whole range was written."""
        if done:
            self.done.append(stream)


class Meter(Protocol):
    """The figures that a display shows next to the streams."""

    @property
    def requests(self) -> int:
        """Number of requests so far."""

    @property
    def rate(self) -> float:
        """Currently allowed requests per second."""

    @property
    def pause(self) -> float:
        """Seconds until the API accepts requests again."""

    @property
    def blocked(self) -> float:
        """Seconds spent waiting for the target so far."""

    def end(self, stream: str) -> int:
        """The end of the range of a stream, in unix seconds."""


class Run(Protocol):
    """The source of a run's figures."""

    @property
    def client(self) -> Client:
        """The App API."""

    @property
    def settings(self) -> Settings:
        """The validated settings."""

    def blocked(self) -> float:
        """Seconds spent waiting for the target so far."""


class RunMeter:
    """The figures of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def requests(self) -> int:
        """Number of requests so far."""
        return self._run.client.requests.total()

    @property
    def rate(self) -> float:
        """Currently allowed requests per second."""
        return self._run.client.limiter.rate

    @property
    def pause(self) -> float:
        """Seconds until the API accepts requests again."""
        return self._run.client.limiter.pause

    @property
    def blocked(self) -> float:
        """Seconds spent waiting for the target so far."""
        return self._run.blocked()

    def end(self, stream: str) -> int:  # noqa: ARG002 - the same for all
        """The end of the range, or the present if that is earlier."""
        present = self._run.client.present
        return min(self._run.settings.end or present, present)


class Tally:
    """Rows and slices of one stream; for windows, also the covered range."""

    def __init__(self) -> None:
        self.slices = 0
        self.total: int | None = None
        self.rows = 0
        self.walked: Window | None = None

    def slice(self, slice_: Any, total: int | None) -> None:
        """Count a slice; the parts of a split slice add to the total."""
        self.slices += 1
        self.total = None if total is None else max(total, self.slices)
        if isinstance(slice_, Window):
            self.walked = Window(self.walked.start if self.walked else slice_.start, slice_.end)

    @property
    def parts(self) -> str:
        """Progress as a date or a number of parts; empty for streams of one slice."""
        if self.walked is not None:
            return f"until {rfc3339(self.walked.end)}"
        if self.total is None:
            return counted(self.slices, "part")
        return "" if self.total == 1 else f"{self.slices:,} of {counted(self.total, 'part')}"

    def __str__(self) -> str:
        """Progress as text."""
        return ", ".join(filter(None, (counted(self.rows, "row"), self.parts)))


class Speed:
    """Recent requests per second, the allowed rate, and what slows them down."""

    span = 10.0

    def __init__(self, meter: Meter) -> None:
        """Start to measure."""
        self._meter = meter
        self._marks = deque([(time.monotonic(), meter.requests, meter.blocked)])

    def measure(self) -> tuple[str, str]:
        """The speed, and what slows it down, if anything."""
        meter, now = self._meter, time.monotonic()
        self._marks.append((now, meter.requests, meter.blocked))
        while len(self._marks) > 2 and now - self._marks[1][0] > self.span:  # noqa: PLR2004
            self._marks.popleft()
        (since, before, waited), (_, requests, blocked) = self._marks[0], self._marks[-1]
        passed = max(now - since, 1.0)
        # Requests leave evenly, but a short span may begin just before one and end just after one.
        speed = min((requests - before) / passed, meter.rate)
        delay = ""
        if meter.pause > 0:
            delay = f"the API asks to wait {duration(meter.pause)}"
        elif blocked - waited > passed / 2:
            delay = "the target is busy"
        return f"{speed:.1f} of {meter.rate:.1f} requests/s", delay


class LogProgress(Progress):
    """Regularly logs the streams that have progressed, and each stream that ends."""

    every = 10.0

    def __init__(self, meter: Meter) -> None:
        """Log the request rate, too."""
        super().__init__()
        self._meter = meter
        self._tallies: dict[str, Tally] = {}
        self._moved: set[str] = set()
        self._speed = Speed(meter)
        self._said = time.monotonic()

    def begin(self, stream: str) -> None:
        """Reset the counts of the stream."""
        self._tallies[stream] = Tally()

    def page(self, stream: str, rows: int) -> None:
        """Count, and log if it is time."""
        self._tallies[stream].rows += rows
        self._moved.add(stream)
        if time.monotonic() - self._said >= self.every:
            self._say("; ".join(f"{name}: {self._tallies[name]}" for name in sorted(self._moved)))
            self._moved.clear()

    def slice(self, stream: str, slice_: Any, total: int | None) -> None:
        """Count, and log if it is time."""
        self._tallies[stream].slice(slice_, total)
        self.page(stream, 0)

    def end(self, stream: str, *, done: bool = True) -> None:
        """Log the end of the stream."""
        super().end(stream, done=done)
        finished = "finished" if done else "not finished"
        self._say(f"{stream}: {finished}, {self._tallies[stream]}")
        self._moved.discard(stream)

    def _say(self, what: str) -> None:
        speed, delay = self._speed.measure()
        requests = counted(self._meter.requests, "request")
        logger.info("%s", "; ".join(filter(None, (what, f"{speed}, {requests}", delay))))
        self._said = time.monotonic()
