"""Database work on a separate thread."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Loading:
    """Runs jobs in order on one thread; after a failure, no later job runs.

    A process that exits early still finishes started jobs: pool threads are joined at exit.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="loading")
        self._last: Future[None] = Future()
        self._last.set_result(None)

    @property
    def is_idle(self) -> bool:
        """Whether all jobs are done."""
        return self._last.done()

    def start(self, work: Callable[[], None]) -> None:
        """Queue a job."""
        before = self._last

        def run() -> None:
            before.result()
            work()

        self._last = self._pool.submit(run)

    def wait(self) -> None:
        """Wait until all jobs are done; raises the error of a failed one."""
        self._last.result()

    def close(self) -> None:
        """Wait until all jobs are done, without raising."""
        self._pool.shutdown()
