"""Shards of a backfill in parallel, each as `tap | target` in a separate process."""

from __future__ import annotations

import json
import logging
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tap_customerio import errors
from tap_customerio.pipeline.target import Target, copy_log, exit_code, piped
from tap_customerio.settings import NAME
from tap_customerio.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from tap_customerio.backfill.job import Job, State
    from tap_customerio.backfill.shards import Shards
    from tap_customerio.sync.progress import Meter, Progress

_WORKER = [sys.executable, "-c", "from tap_customerio import start; start.backfill_job()"]

logger = logging.getLogger("tap-customerio.backfill")


@contextmanager
def one_budget(job: Job) -> Iterator[str]:
    """The `rate_limit_url` of all jobs: the user's, or a temporary file."""
    if url := job.config.get("rate_limit_url"):
        yield str(url)
        return
    with tempfile.TemporaryDirectory(prefix=NAME) as folder:
        yield f"file:{quote(folder)}"


class JobsMeter:
    """The latest figures of all jobs."""

    def __init__(self) -> None:
        self._requests: dict[int, int] = {}
        self._blocked: dict[int, float] = {}
        self._resume = 0.0
        self.ends: dict[str, int] = {}
        self.rate = 0.0

    def update(self, place: int, requests: int, rate: float, pause: float, blocked: float) -> None:
        """Store the figures of a job's report."""
        self._requests[place] = requests
        self._blocked[place] = blocked
        self.rate = rate
        self._resume = max(self._resume, time.monotonic() + pause)

    @property
    def requests(self) -> int:
        """Number of requests so far."""
        return sum(self._requests.values())

    @property
    def pause(self) -> float:
        """Seconds until the API accepts requests again."""
        return max(0.0, self._resume - time.monotonic())

    @property
    def blocked(self) -> float:
        """Seconds spent waiting for targets so far, averaged over the jobs."""
        return sum(self._blocked.values()) / max(len(self._blocked), 1)

    def end(self, stream: str) -> int:
        """The end of the range of a stream, in unix seconds."""
        return self.ends[stream]


class Jobs:
    """Runs the unfinished shards, at most `most` at a time.

    A signal goes to all jobs, which handle it like a single pipe. A job ends when its parent
    process ends for any reason, because its stdin closes.
    """

    def __init__(
        self, shards: Shards, target: str, save: Callable[[State], None], most: int, budget: str
    ) -> None:
        """Prepare; `save` receives the state of all jobs after every change."""
        self._shards = shards
        self._target = target
        self._save = save
        self._most = most
        self._budget = budget
        self._meter = JobsMeter()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._failed: dict[int, int] = {}
        self._threads: list[threading.Thread] = []
        self._said: set[str] = set()
        self._signal: int | None = None
        self._lines: queue.SimpleQueue[tuple[int, bytes | None]] = queue.SimpleQueue()

    def run(self, display: Callable[[Meter], Progress]) -> int:
        """Run to the end; return the exit code.

        Raises:
            TapError: A job failed; raised once all have ended.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._pass_signal)
        with display(self._meter) as progress:
            try:
                self._save(self._shards.state)
                self._run_all(progress)
            finally:
                self._end_all()
        if self._signal is not None:
            return 128 + self._signal
        if self._failed:
            raise errors.backfill.jobs_failed(
                {self._label(place): code for place, code in sorted(self._failed.items())}
            )
        return 0

    def _run_all(self, progress: Progress) -> None:
        waiting = deque(self._shards.left)
        while self._running or (waiting and self._signal is None):
            if waiting and len(self._running) < self._most and self._signal is None:
                self._start(waiting.popleft(), draws=progress.draws)
                continue
            place, line = self._lines.get()
            if line is None:
                self._conclude(place)
            else:
                with suppress(ValueError):  # the last line of a killed job may be incomplete
                    self._handle(place, json.loads(line), progress)

    def _start(self, place: int, *, draws: bool) -> None:
        process = subprocess.Popen(  # noqa: S603 - our own command
            _WORKER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if draws else None,
            start_new_session=True,  # Ctrl+C goes to this process, which forwards it
        )
        self._running[place] = process
        if self._signal is not None:  # a signal came during the start
            process.terminate()
        self._listen(self._converse, place, process)
        if process.stderr is not None:
            self._listen(copy_log, process.stderr)

    def _listen(self, listen: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=listen, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _converse(self, place: int, process: subprocess.Popen[bytes]) -> None:
        """Send the job's order, and queue its reports; queue None at the end."""
        job = self._shards.jobs[place]
        order = {
            "job": {**asdict(job), "config": {**job.config, "rate_limit_url": self._budget}},
            "state": self._shards.states[place],
            "target": self._target,
            "level": logging.getLogger(NAME).getEffectiveLevel(),
        }
        with piped(process.stdout) as lines:
            with suppress(OSError):  # it has ended already
                inlet = piped(process.stdin)
                inlet.write(json.dumps(order).encode() + b"\n")
                inlet.flush()
            for line in lines:
                self._lines.put((place, line))
        self._lines.put((place, None))

    def _handle(self, place: int, report: dict[str, Any], progress: Progress) -> None:
        if "state" in report:
            self._shards.states[place] = report["state"]
            self._save(self._shards.state)
        elif "log" in report:
            self._log(place, *report["log"])
        elif "event" in report:
            self._meter.update(place, *report["meter"])
            self._show(progress, place, *report["event"])

    def _log(self, place: int, name: str, level: int, text: str) -> None:
        """Log a record under the job's name; repeat no warning that another job has logged."""
        if level < logging.WARNING or text not in self._said:
            logging.getLogger(name).log(level, "%s: %s", self._label(place), text)
        self._said.add(text)

    def _show(self, progress: Progress, place: int, event: str, stream: str, value: Any) -> None:
        name = f"{stream} {self._label(place)}"
        if event == "begin":
            self._meter.ends[name] = self._shards.jobs[place].shard_range.end
            progress.begin(name)
        elif event == "page":
            progress.page(name, value)
        elif event == "slice":
            window, total = value
            progress.slice(name, window and Window(*window), total)
        else:
            progress.end(name, done=value)

    def _label(self, place: int) -> str:
        return f"{place + 1}/{self._shards.count}"

    def _conclude(self, place: int) -> None:
        code = exit_code(self._running[place])
        self._close(self._running.pop(place))
        if code and self._signal is None:
            self._failed[place] = code
            logger.error("%s", errors.backfill.job_failed(self._label(place), code))

    def _end_all(self) -> None:
        for process in self._running.values():
            self._close(process)
        for process in self._running.values():
            process.wait()
        deadline = time.monotonic() + Target.linger
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _close(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(OSError):
            piped(process.stdin).close()

    def _pass_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signal = number
        for process in list(self._running.values()):
            process.terminate()
