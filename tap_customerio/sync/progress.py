"""How far a run has come, for whoever watches it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Protocol

from tap_customerio.windows import Window, rfc3339

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

    def slice(self, stream: str, slice_: Any) -> None:
        """All records of a slice have been written."""

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

    def end(self, stream: str) -> int:  # noqa: ARG002 - the same for all
        """The end of the range, or the present if that comes first."""
        present = self._run.client.present
        return min(self._run.settings.end or present, present)


class Tally:
    """What has been done of one stream; of one that is read by windows, from when until when."""

    def __init__(self) -> None:
        self.slices = 0
        self.rows = 0
        self.walked: Window | None = None

    def slice(self, slice_: Any) -> None:
        """Count a slice."""
        self.slices += 1
        if isinstance(slice_, Window):
            self.walked = Window(self.walked.start if self.walked else slice_.start, slice_.end)

    def __str__(self) -> str:
        """In words."""
        until = "" if self.walked is None else f", until {rfc3339(self.walked.end)}"
        return f"{self.slices:,} slices and {self.rows:,} rows done{until}"


class LogProgress(Progress):
    """A line now and then for the streams that have come further, and one at the end of each."""

    every = 10.0

    def __init__(self, meter: Meter) -> None:
        """Speak of the pace, too."""
        super().__init__()
        self._meter = meter
        self._tallies: dict[str, Tally] = {}
        self._moved: set[str] = set()
        self._said = self._measured = time.monotonic()
        self._requests = 0

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

    def slice(self, stream: str, slice_: Any) -> None:
        """Count, and speak if it is time."""
        self._tallies[stream].slice(slice_)
        self.page(stream, 0)

    def end(self, stream: str, *, done: bool = True) -> None:
        """Log it."""
        super().end(stream, done=done)
        finished = "finished" if done else "not finished"
        self._say(f"{stream}: {finished}, {self._tallies[stream]}")
        self._moved.discard(stream)

    def _say(self, what: str) -> None:
        now, requests = time.monotonic(), self._meter.requests
        speed = (requests - self._requests) / max(now - self._measured, 1e-9)
        rate = self._meter.rate
        logger.info("%s; %.1f requests/s of %.1f, %d in all", what, speed, rate, requests)
        self._said, self._measured, self._requests = now, now, requests
