"""Work on the database beside the thread that reads."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Loading:
    """Works in order on one thread; once a piece of work has failed, no later one runs.

    A process that ends early still ends what was started: threads of a pool are joined at exit.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="loading")
        self._last: Future[None] = Future()
        self._last.set_result(None)

    @property
    def is_idle(self) -> bool:
        """Whether all work is done."""
        return self._last.done()

    def start(self, work: Callable[[], None]) -> None:
        """Work once all that was started before has been done."""
        before = self._last

        def run() -> None:
            before.result()
            work()

        self._last = self._pool.submit(run)

    def wait(self) -> None:
        """Wait until all is done; raises what any of it has raised."""
        self._last.result()

    def close(self) -> None:
        """Wait until all is done, whether or not it failed."""
        self._pool.shutdown()
