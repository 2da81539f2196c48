"""One run of the tap: what its streams share, its start, stop and end."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import sys
from contextlib import ExitStack, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from tap_customerio import errors
from tap_customerio.api.client import Client
from tap_customerio.api.responses import pack, weight
from tap_customerio.settings import NAME, Settings
from tap_customerio.sync.engine import Engine, StreamQueue
from tap_customerio.sync.progress import Progress, RunMeter
from tap_customerio.sync.provenance import STATE_KEY, claim
from tap_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tap_customerio.sync.outcome import ReadOutcome
    from tap_customerio.sync.progress_bars import Bars

_M_MMAP_THRESHOLD = -3
_ALLOCATIONS = 20_000
"""Allocations between garbage collections; the default of 700 is less than a page of rows."""

_SWITCH_INTERVAL = 0.001
"""Seconds until the main thread, which writes records, yields to threads with requests."""

_BUFFER_BYTES = 24 << 20
"""Maximum bytes of waiting pages for the current stream, and for all others together."""

logger = logging.getLogger(NAME)

_SIGNALS: dict[int, str] = {signal.SIGINT: "Ctrl+C (SIGINT)", signal.SIGTERM: "SIGTERM"}


class RunStream(Protocol):
    """The part of a stream that a run uses."""

    name: str
    outcome: ReadOutcome

    @property
    def selected(self) -> bool:
        """Whether the catalog selects it."""

    @property
    def reads_all_people(self) -> bool:
        """Whether it reads every person that the people search returns."""

    def queue(self) -> StreamQueue[Any, Any]:
        """Its work."""


class SyncRun:
    """Settings, client, engine and progress of one run; streams receive this, not the tap."""

    def __init__(self, config: Mapping[str, Any], *, draws_progress: bool = False) -> None:
        """Store the configuration; sends no request."""
        self._config = config
        self._draws_progress = draws_progress
        self._displays = ExitStack()
        self._engine: Engine[Any, Any] | None = None
        self._queues: dict[str, StreamQueue[Any, Any]] = {}
        self._prepared: tuple[Sequence[RunStream], dict[str, Any]] | None = None
        self.progress = Progress()
        self.check_output: Callable[[], None] = lambda: None
        self.blocked: Callable[[], float] = lambda: 0.0
        self.signal: int | None = None
        """The signal that asks the run to stop."""
        self.shard_edges: frozenset[int] = frozenset()
        """Ends of the range in unix seconds; buckets do not cross them."""
        self.people_readers = 1
        """Number of streams that share the people search."""

    @cached_property
    def settings(self) -> Settings:
        """The validated settings."""
        return Settings.of(self._config)

    @cached_property
    def client(self) -> Client:
        """The App API: one rate limiter and one set of connections for all streams."""
        return Client(self.settings)

    def prepare(self, streams: Iterable[RunStream], state: dict[str, Any]) -> None:
        """Register these streams; selected ones start with the first request for work."""
        self._prepared = [stream for stream in streams if stream.selected], state

    def _begin(self, selected: Sequence[RunStream], state: dict[str, Any]) -> None:
        """Start reading all selected streams in parallel, if the state fits this workspace.

        Raises:
            TapError: The state belongs to another workspace, or the workspaces cannot be read.
        """
        _tune_memory()
        sys.setswitchinterval(_SWITCH_INTERVAL)
        if self._engine is not None:  # a second run, which must not reuse what the first has read
            vars(self).pop("client", None)
        with self.client.acting("workspaces", ()):
            state[STATE_KEY] = claim(state.get(STATE_KEY), self.client, self.settings)
        self.people_readers = sum(stream.reads_all_people for stream in selected)
        self._queues = {stream.name: stream.queue() for stream in selected}
        self._engine = self.engine_for(*self._queues.values())
        if self._draws_progress:
            self._draw_progress()

    def work(self, stream: RunStream) -> tuple[Engine[Any, Any], StreamQueue[Any, Any]]:
        """The engine, and this stream's queue in it.

        A stream that is read alone, as in a connection test, gets an engine of its own.
        """
        if self._prepared is not None:
            prepared, self._prepared = self._prepared, None
            self._begin(*prepared)
        if self._engine is not None and stream.name in self._queues:
            return self._engine, self._queues.pop(stream.name)
        queue = stream.queue()
        return self._start([queue], workers=1), queue

    def engine_for(self, *queues: StreamQueue[Any, Any]) -> Engine[Any, Any]:
        """A separate engine for these queues."""
        return self._start(queues, workers=self.settings.concurrency)

    def stop(self) -> None:
        """Send no more requests."""
        if self._engine is not None:  # None in a test of one stream, which others follow
            self._engine.stop()
            self.client.close()
            self._displays.close()

    def watch(self) -> None:
        """Exit after a signal, or when the target has gone; called between pages.

        Raises:
            SystemExit: After a signal, with code 128 + its number.
            TapError: The target no longer reads.
        """
        if self.signal is not None:
            name = _SIGNALS.get(self.signal, f"signal {self.signal}")
            logger.warning("Stopped by %s: the next run continues from the last state.", name)
            raise SystemExit(128 + self.signal)
        self.check_output()

    def conclude(self, streams: Iterable[RunStream]) -> None:
        """Log a summary of the run.

        Raises:
            TapError: A stream is incomplete, so that the run must fail.
        """
        self._displays.close()
        requests = self.client.requests
        each = ", ".join(f"{name} {number:,}" for name, number in sorted(requests.items()))
        logger.info("%s: %s", counted(requests.total(), "request"), each)
        if failed := [stream.name for stream in streams if not stream.outcome.is_complete]:
            raise errors.sync.incomplete(failed)

    def _draw_progress(self) -> None:
        if bars := terminal_bars():
            self.progress = self._displays.enter_context(bars(RunMeter(self), keep=False))

    def _start(self, queues: Iterable[StreamQueue[Any, Any]], workers: int) -> Engine[Any, Any]:
        return Engine(
            list(queues),
            workers=workers,
            buffer_bytes=_BUFFER_BYTES,
            weigh=weight,
            pack=pack,
            watch=self.watch,
        )


def terminal_bars() -> type[Bars] | None:
    """The class that draws progress bars; None if stderr is not a terminal."""
    if sys.stderr is None or not sys.stderr.isatty() or "MELTANO_PROJECT_ROOT" in os.environ:
        return None
    from tap_customerio.sync.progress_bars import Bars  # noqa: PLC0415 - slow to import

    return Bars


def _tune_memory() -> None:
    """Collect garbage rarely, and make glibc return free memory immediately."""
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)
    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 17)
