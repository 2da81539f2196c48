"""Slices in flight on worker threads, handed over in slice order through a bounded buffer."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

S = TypeVar("S")
P = TypeVar("P")


class _Slot(Generic[S, P]):
    """One slice on its way: its pages so far, and how it ended."""

    def __init__(self, piece: S) -> None:
        self.piece = piece
        self.pages: deque[P] = deque()
        self.done = False
        self.error: BaseException | None = None


class Engine(Generic[S, P]):
    """Reads slices concurrently; iterating gives `(slice, its pages)` in the order of `slices`.

    `slices` is advanced on a thread of its own, one ahead of the room there is, and so may do
    requests and may look at what finished slices have taught. `read` runs on worker threads.
    Memory is bounded by `ahead` slices of at most `depth` waiting pages each. `watch` is called
    on the iterating thread between pages, and while it waits, and may raise to stop everything.
    """

    poll = 0.1

    def __init__(
        self,
        slices: Iterable[S],
        read: Callable[[S], Iterable[P]],
        *,
        workers: int,
        watch: Callable[[], None] = lambda: None,
        depth: int = 4,
    ) -> None:
        """Prepare; threads start with the iteration."""
        self._slices = slices
        self._read = read
        self._workers = workers
        self._ahead = 1 if workers == 1 else workers + 2
        self._depth = depth
        self._watch = watch
        self._changed = threading.Condition()
        self._slots: deque[_Slot[S, P]] = deque()
        self._todo: deque[_Slot[S, P]] = deque()
        self._fed = False
        self._failure: BaseException | None = None
        self._stopped = False

    def __iter__(self) -> Iterator[tuple[S, Iterator[P]]]:
        """Run; a slice's pages must be used up before the next slice is asked for."""
        self._start()
        try:
            while (slot := self._head()) is not None:
                yield slot.piece, self._drain(slot)
                with self._changing():
                    self._slots.popleft()
        finally:
            self._stop()

    def _start(self) -> None:
        # Daemons: a thread that waits for an answer must not keep the process alive.
        threading.Thread(target=self._feed, name="slices", daemon=True).start()
        for number in range(self._workers):
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()

    def _stop(self) -> None:
        with self._changing():
            self._stopped = True

    def _feed(self) -> None:
        """Turn slices into slots, as far ahead as there is room."""
        try:
            pieces = iter(self._slices)
            while self._await(lambda: len(self._slots) < self._ahead):
                slot: _Slot[S, P] = _Slot(next(pieces))
                with self._changing():
                    self._slots.append(slot)
                    self._todo.append(slot)
        except StopIteration:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised again on the iterating thread
            self._failure = error
        with self._changing():
            self._fed = True

    def _work(self) -> None:
        while self._await(lambda: bool(self._todo) or self._fed):
            with self._changed:
                if not self._todo:
                    return
                slot = self._todo.popleft()
            try:
                self._fill(slot)
            except BaseException as error:  # noqa: BLE001 - it is raised again in slice order
                slot.error = error
            with self._changing():
                slot.done = True

    def _fill(self, slot: _Slot[S, P]) -> None:
        for page in self._read(slot.piece):
            if not self._await(lambda: len(slot.pages) < self._depth):
                return
            with self._changing():
                slot.pages.append(page)

    def _head(self) -> _Slot[S, P] | None:
        """The oldest slice, once there is one; None after the last."""
        self._wait_watching(lambda: bool(self._slots) or self._fed)
        if self._slots:
            return self._slots[0]
        if self._failure is not None:
            raise self._failure
        return None

    def _drain(self, slot: _Slot[S, P]) -> Iterator[P]:
        while True:
            self._wait_watching(lambda: bool(slot.pages) or slot.done)
            if not slot.pages:
                break
            with self._changing():
                page = slot.pages.popleft()
            yield page
        if slot.error is not None:
            raise slot.error

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._changed:
            yield
            self._changed.notify_all()

    def _await(self, ready: Callable[[], bool]) -> bool:
        """Wait on a background thread; false when everything is to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or ready())
            return not self._stopped

    def _wait_watching(self, ready: Callable[[], bool]) -> None:
        """Wait on the iterating thread, waking up often enough to see a signal's flag."""
        self._watch()
        with self._changed:
            while not self._changed.wait_for(ready, timeout=self.poll):
                self._watch()
