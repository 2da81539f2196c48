"""Slices in flight on worker threads, handed over in slice order through a bounded buffer."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

S = TypeVar("S")
P = TypeVar("P")


class Split(Generic[S]):
    """Yielded after a slice's last page: what is left of it, as slices that follow it."""

    def __init__(self, pieces: Sequence[S]) -> None:
        """Name the slices, in order."""
        self.pieces = pieces


class Part(Generic[S, P]):
    """One slice on its way: its pages so far, and how it ended."""

    def __init__(self, piece: S) -> None:
        """Begin without pages."""
        self.piece = piece
        self.pages: deque[P] = deque()
        self.taken = False
        self.done = False
        self.whole = True
        self.error: BaseException | None = None


class Engine(Generic[S, P]):
    """Reads slices concurrently; iterating gives `(part, its pages)` in the order of `slices`.

    `slices` is advanced on a thread of its own, just ahead of need, and so may do requests and
    may look at what finished slices have taught. `read` runs on worker threads; when it yields a
    `Split`, `part.whole` is false in the end, and the slices named there come next. `watch` is
    called on the iterating thread between pages, and while it waits, and may raise to stop all.
    Memory is bounded by `workers + 2` slices of at most `depth` waiting pages each.
    """

    poll = 0.1

    def __init__(
        self,
        slices: Iterable[S],
        read: Callable[[S], Iterable[P | Split[S]]],
        *,
        workers: int,
        watch: Callable[[], None] = lambda: None,
        depth: int = 12,
    ) -> None:
        """Prepare; threads start with the iteration."""
        self._slices = slices
        self._read = read
        self._workers = workers
        self._ahead = 1 if workers == 1 else workers + 2
        self._depth = depth
        self._watch = watch
        self._changed = threading.Condition()
        self._parts: deque[Part[S, P]] = deque()
        self._fed = False
        self._failure: BaseException | None = None
        self._stopped = False

    def __iter__(self) -> Iterator[tuple[Part[S, P], Iterator[P]]]:
        """Run; a part's pages must be used up before the next part is asked for."""
        self._start()
        try:
            while (part := self._head()) is not None:
                yield part, self._drain(part)
                with self._changing():
                    self._parts.popleft()
        finally:
            with self._changing():
                self._stopped = True

    def _start(self) -> None:
        # Daemons: a thread that waits for an answer must not keep the process alive.
        threading.Thread(target=self._feed, name="slices", daemon=True).start()
        for number in range(self._workers):
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()

    def _feed(self) -> None:
        """Turn slices into parts, as far ahead as there is room."""
        try:
            pieces = iter(self._slices)
            while self._await(lambda: len(self._parts) < self._ahead):
                part: Part[S, P] = Part(next(pieces))
                with self._changing():
                    self._parts.append(part)
        except StopIteration:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised again on the iterating thread
            self._failure = error
        with self._changing():
            self._fed = True

    def _work(self) -> None:
        while (part := self._take()) is not None:
            try:
                self._fill(part)
            except BaseException as error:  # noqa: BLE001 - it is raised again in slice order
                part.error = error
            with self._changing():
                part.done = True

    def _take(self) -> Part[S, P] | None:
        """The oldest part that no worker has, within the buffer's bound; None when all is done."""
        found: list[Part[S, P]] = []

        def look() -> bool:
            near = [self._parts[index] for index in range(min(self._ahead, len(self._parts)))]
            found[:] = [part for part in near if not part.taken]
            return bool(found) or (self._fed and all(part.done for part in self._parts))

        with self._changed:
            if not self._await(look) or not found:
                return None
            found[0].taken = True
            return found[0]

    def _fill(self, part: Part[S, P]) -> None:
        for page in self._read(part.piece):
            if isinstance(page, Split):
                self._insert(part, page)
                return
            if not self._await(lambda: len(part.pages) < self._depth):
                return
            with self._changing():
                part.pages.append(page)

    def _insert(self, part: Part[S, P], split: Split[S]) -> None:
        with self._changing():
            part.whole = False
            place = self._parts.index(part) + 1
            for piece in reversed(split.pieces):
                self._parts.insert(place, Part(piece))

    def _head(self) -> Part[S, P] | None:
        """The oldest part, once there is one; None after the last."""
        self._wait_watching(lambda: bool(self._parts) or self._fed)
        if self._parts:
            return self._parts[0]
        if self._failure is not None:
            raise self._failure
        return None

    def _drain(self, part: Part[S, P]) -> Iterator[P]:
        while True:
            self._wait_watching(lambda: bool(part.pages) or part.done)
            if not part.pages:
                break
            with self._changing():
                page = part.pages.popleft()
            yield page
        if part.error is not None:
            raise part.error

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
