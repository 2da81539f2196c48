"""Progress bars on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from rich import progress
from rich.console import Console, RenderableType
from rich.table import Column
from rich.text import Text

from tap_customerio.sync.progress import Progress, Speed, Tally
from tap_customerio.wording import counted

if TYPE_CHECKING:
    from typing_extensions import Self

    from tap_customerio.sync.progress import Meter


class Bars(Progress):
    """One bar per stream: progress, rows, speed and, if the end is known, time left."""

    draws = True

    def __init__(self, meter: Meter, console: Console | None = None, *, keep: bool = True) -> None:
        """Draw on stderr; `keep` decides whether finished streams stay visible."""
        super().__init__()
        self._meter = meter
        self._keep = keep
        self._tallies: dict[str, Tally] = {}
        self._tasks: dict[str, progress.TaskID] = {}
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=20),
            progress.TextColumn("{task.fields[parts]}", justify="right"),
            progress.TextColumn("{task.fields[rows]}", justify="right"),
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
        """Start drawing; warnings appear above the bars, other log lines are hidden."""
        self._bars.start()
        for handler in self._handlers:
            handler.setStream(sys.stderr)  # now rich's, which draws above the bars
            handler.addFilter(_warnings)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing; the bars stay on the screen."""
        self._bars.stop()
        for handler in self._handlers:
            handler.setStream(sys.stderr)
            handler.removeFilter(_warnings)

    def __rich__(self) -> RenderableType:
        """The current bars."""
        return self._bars.get_renderable()

    def begin(self, stream: str) -> None:
        """Add a bar; it pulses until the total is known."""
        self._tallies[stream] = Tally()
        self._tasks[stream] = self._bars.add_task(stream, total=None, parts="", rows="")

    def page(self, stream: str, rows: int) -> None:
        """Count the rows of a page."""
        tally = self._tallies[stream]
        tally.rows += rows
        self._bars.update(self._tasks[stream], rows=counted(tally.rows, "row"))

    def slice(self, stream: str, slice_: Any, total: int | None) -> None:
        """Count, and advance by date or by part."""
        tally, task = self._tallies[stream], self._tasks[stream]
        tally.slice(slice_, total)
        self._bars.update(task, parts=tally.parts, rows=counted(tally.rows, "row"))
        if tally.walked is not None:
            whole = self._meter.end(stream) - tally.walked.start
            self._bars.update(task, total=whole, completed=tally.walked.width)
        elif tally.total is not None:
            self._bars.update(task, total=tally.total, completed=tally.slices)

    def end(self, stream: str, *, done: bool = True) -> None:
        """Fill the bar."""
        super().end(stream, done=done)
        self._bars.update(self._tasks[stream], total=1, completed=1, visible=self._keep)


def _warnings(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


class _Speed(progress.ProgressColumn):
    """The speed, or what slows it down."""

    def __init__(self, meter: Meter, column: Column) -> None:
        super().__init__(column)
        self._speed = Speed(meter)

    def render(self, task: progress.Task) -> Text:
        if task.finished:
            return Text("done")
        speed, delay = self._speed.measure()
        return Text(delay, style="yellow") if delay else Text(speed)
