"""One job of `backfill --jobs`: a shard in a separate process, started by `jobs.py`.

It reads an order, one line of JSON, from stdin, and writes states, log records and progress to
stdout as lines. It ends when stdin closes, at the latest when its parent process dies.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.backfill.job import Job
from tap_customerio.backfill.pipe import run_pipe
from tap_customerio.settings import NAME
from tap_customerio.sync.progress import Progress, RunMeter
from tap_customerio.windows import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_customerio.sync.run import SyncRun


class Reports:
    """Writes reports from any thread; drops them once the parent no longer reads."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, **report: Any) -> None:
        """Write one line."""
        line = json.dumps(report).encode() + b"\n"
        with self._lock, suppress(OSError):
            self._stream.write(line)
            self._stream.flush()


class LogReports(logging.Handler):
    """Sends log records to the parent, which writes them."""

    def __init__(self, reports: Reports) -> None:
        super().__init__()
        self._reports = reports

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record, except the SDK's messages about deselected streams."""
        if not str(record.msg).startswith("Skipping "):
            self._reports.send(log=[record.name, record.levelno, self.format(record)])


class ReportedProgress(Progress):
    """Sends each progress event, with the figures for the display."""

    def __init__(self, run: SyncRun, reports: Reports) -> None:
        super().__init__()
        self._meter = RunMeter(run)
        self._reports = reports

    def begin(self, stream: str) -> None:
        """Report the start of a stream."""
        self._send("begin", stream)

    def page(self, stream: str, rows: int) -> None:
        """Report the written records of a page."""
        self._send("page", stream, rows)

    def slice(self, stream: str, slice_: Any, total: int | None) -> None:
        """Report a written slice."""
        self._send("slice", stream, [slice_ if isinstance(slice_, Window) else None, total])

    def end(self, stream: str, *, done: bool = True) -> None:
        """Report the end of a stream."""
        super().end(stream, done=done)
        self._send("end", stream, done)

    def _send(self, event: str, stream: str, value: Any = None) -> None:
        meter = self._meter
        figures = [meter.requests, meter.rate, meter.pause, meter.blocked]
        self._reports.send(event=[event, stream, value], meter=figures)


def main() -> None:
    """Run the job; exit with the code of the pipe."""
    line = sys.stdin.buffer.readline()
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    order = json.loads(line or b"null")
    reports = Reports(sys.stdout.buffer)
    root = logging.getLogger()
    root.addHandler(LogReports(reports))
    root.setLevel(order["level"])
    try:
        code = _run(order, reports)
    except Exception as error:
        debug = bool(os.environ.get("TAP_CUSTOMERIO_DEBUG"))
        sentence = errors.format_error(error)
        logging.getLogger(NAME).error("%s", sentence, exc_info=debug)  # noqa: TRY400
        code = 1
    sys.exit(code)


def _run(order: Mapping[str, Any], reports: Reports) -> int:
    job = Job(**{**order["job"], "range": Window(*order["job"]["range"])})
    tap = job.tap(order["state"], lambda run: ReportedProgress(run, reports))
    left = [name for name in job.streams if name not in tap.sync_run.progress.done]
    return run_pipe(order["target"], tap, left, lambda state: reports.send(state=state))


def _end_with_stdin() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
