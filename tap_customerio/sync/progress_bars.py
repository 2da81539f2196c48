"""Progress on a terminal."""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from rich import progress
from rich.console import Console, RenderableType
from rich.table import Column
from rich.text import Text

from tap_customerio.sync.progress import Progress, Tally

if TYPE_CHECKING:
    from typing_extensions import Self

    from tap_customerio.sync.progress import Meter


class Bars(Progress):
    """A bar for each stream: slices, rows, speed and, where a range is walked, time left."""

    draws = True

    def __init__(self, meter: Meter, console: Console | None = None, *, keep: bool = True) -> None:
        """Draw on stderr; streams that have ended stay in sight, or not."""
        super().__init__()
        self._meter = meter
        self._keep = keep
        self._tallies: dict[str, Tally] = {}
        self._tasks: dict[str, progress.TaskID] = {}
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=20),
            progress.TextColumn("{task.fields[slices]:,} slices", justify="right"),
            progress.TextColumn("{task.fields[rows]:,} rows", justify="right"),
            progress.TimeRemainingColumn(compact=True),
            _Speed(meter, Column(no_wrap=True)),
            console=console or Console(stderr=True),
        )
        self._handlers = [
            handler
            for handler in logging.getLogger().handlers
            if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr
        ]

    def __enter__(self) -> Self:
        """Draw; warnings go above the bars, the rest of the log is left out."""
        self._bars.start()
        for handler in self._handlers:
            handler.setStream(sys.stderr)  # now the one that knows of the bars
            handler.addFilter(_warnings)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bars as they are."""
        self._bars.stop()
        for handler in self._handlers:
            handler.setStream(sys.stderr)
            handler.removeFilter(_warnings)

    def __rich__(self) -> RenderableType:
        """The bars as they are now."""
        return self._bars.get_renderable()

    def begin(self, stream: str) -> None:
        """Add a bar; it only moves as long as nothing tells how far it is to go."""
        self._tallies[stream] = Tally()
        self._tasks[stream] = self._bars.add_task(stream, total=None, slices=0, rows=0)

    def page(self, stream: str, rows: int) -> None:
        """Count."""
        tally = self._tallies[stream]
        tally.rows += rows
        self._bars.update(self._tasks[stream], slices=tally.slices, rows=tally.rows)

    def slice(self, stream: str, slice_: Any) -> None:
        """Count, and move on along the range."""
        tally, task = self._tallies[stream], self._tasks[stream]
        tally.slice(slice_)
        self._bars.update(task, slices=tally.slices)
        if tally.walked is not None:
            total = self._meter.end(stream) - tally.walked.start
            self._bars.update(task, total=total, completed=tally.walked.width)

    def end(self, stream: str, *, done: bool = True) -> None:
        """Fill the bar."""
        super().end(stream, done=done)
        self._bars.update(self._tasks[stream], total=1, completed=1, visible=self._keep)


def _warnings(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


class _Speed(progress.ProgressColumn):
    """Requests a second over the last seconds, beside what the pace allows; waits after a 429."""

    span = 5.0

    def __init__(self, meter: Meter, column: Column) -> None:
        super().__init__(column)
        self._meter = meter
        self._marks: deque[tuple[float, int]] = deque()

    def render(self, task: progress.Task) -> Text:
        if task.finished:
            return Text("done")
        if (pause := self._meter.pause) > 0:
            return Text(f"the API asks to wait {pause:.0f} s", style="yellow")
        now = time.monotonic()
        self._marks.append((now, self._meter.requests))
        while now - self._marks[0][0] > self.span:
            self._marks.popleft()
        (since, before), (_, requests) = self._marks[0], self._marks[-1]
        speed = (requests - before) / max(now - since, 1.0)
        return Text(f"{speed:.1f} of {self._meter.rate:.1f} requests/s")
