"""Slices of several streams in flight on worker threads, handed over in order, bounded by size."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count, islice
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

S = TypeVar("S")
P = TypeVar("P")
Rank = tuple[int, ...]


class Split(Generic[S]):
    """Yielded after a slice's last page: what is left of it, as slices that follow it."""

    def __init__(self, pieces: Sequence[S]) -> None:
        """Name the slices, in order."""
        self.pieces = pieces


class SliceJob(Generic[S, P]):
    """One slice on its way: its pages so far, and how it ended."""

    def __init__(self, piece: S, rank: Rank) -> None:
        """Begin without pages; parts are wanted in the order of their ranks."""
        self.piece = piece
        self.rank = rank
        self.pages: deque[P] = deque()
        self.source: Iterator[P | Split[S]] | None = None
        self.busy = False
        self.done = False
        self.whole = True
        self.error: BaseException | None = None


class StreamQueue(Generic[S, P]):
    """The work of one stream: its slices, lazily, and how to read one.

    `slices` and what it gives are advanced on worker threads, one step at a time, just ahead of
    need: they may do requests, and may look at what finished slices have taught. `read` gives a
    slice's pages; when it yields a `Split`, `part.whole` is false in the end, and the slices named
    there come next. Each step runs within `around(rank)`; lower ranks matter more. A `sequential`
    lane has steps that cannot be taken side by side, and so goes before all others.
    """

    def __init__(
        self,
        slices: Callable[[], Iterable[S]],
        read: Callable[[S], Iterable[P | Split[S]]],
        *,
        sequential: bool = False,
        around: Callable[[Rank], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        """Prepare; nothing is asked for yet."""
        self.slices = slices
        self.read = read
        self.sequential = sequential
        self.around = around
        self.rank: Rank = ()
        self.parts: deque[SliceJob[S, P]] = deque()
        self.source: Iterator[S] | None = None
        self.numbers = count()
        self.held = 0
        self.feeding = False
        self.fed = False
        self.failure: BaseException | None = None


class Engine(Generic[S, P]):
    """Works on all lanes at once, and gives each lane's parts and pages in order.

    A worker takes one step at a time, always the one that is wanted first, and never waits for
    room, so that the lane being given out can always go on. What waits weighs no more than `room`
    for that lane, `room` for all others, and a page a worker; `pack` makes smaller what has to wait
    for parts before it. `watch` is called on the iterating thread between pages, and while it
    waits, and may raise to stop all.
    """

    poll = 0.1

    def __init__(  # noqa: PLR0913 - two numbers, and what to do with pages
        self,
        lanes: Sequence[StreamQueue[S, P]],
        *,
        workers: int,
        room: int,
        weigh: Callable[[P], int] = lambda _: 1,
        pack: Callable[[P], None] = lambda _: None,
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; threads start with the first lane asked for."""
        self._lanes = sorted(lanes, key=lambda lane: not lane.sequential)
        for number, lane in enumerate(self._lanes):
            lane.rank = (number,)
        self._current: StreamQueue[S, P] | None = None
        self._workers = workers
        self._ahead = 1 if workers == 1 else workers + 2
        self._room = room
        self._weigh = weigh
        self._pack = pack
        self._watch = watch
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._arrived = threading.Condition(self._lock)
        self._started = False

    def parts(
        self, lane: StreamQueue[S, P]
    ) -> Generator[tuple[SliceJob[S, P], Iterator[P]], None, None]:
        """Give one lane's parts; a part's pages must be used up before the next part."""
        with self._changing():
            self._current = lane
        self._start()
        try:
            while (part := self._head(lane)) is not None:
                yield part, self._drain(lane, part)
                with self._changing():
                    lane.parts.popleft()
        finally:
            self._close(lane)

    def stop(self) -> None:
        """Let the workers end after the step they are at."""
        for lane in list(self._lanes):
            self._close(lane)

    def _start(self) -> None:
        if not self._started:
            self._started = True
            # Daemons: a thread that waits for an answer must not keep the process alive.
            for number in range(self._workers):
                threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()

    def _close(self, lane: StreamQueue[S, P]) -> None:
        with self._changing():
            if lane in self._lanes:
                self._lanes.remove(lane)
            for part in lane.parts:
                part.done = True
            lane.parts.clear()

    # On worker threads.

    def _work(self) -> None:
        while (step := self._wait_for_step()) is not None:
            lane, part = step
            with lane.around(lane.rank if part is None else lane.rank + part.rank):
                self._feed(lane) if part is None else self._read(lane, part)

    def _wait_for_step(self) -> tuple[StreamQueue[S, P], SliceJob[S, P] | None] | None:
        """The step wanted first: a lane to feed, or its part to read; None when all is done."""
        with self._lock:
            while self._lanes:
                if (step := self._find_step()) is not None:
                    return step
                self._freed.wait()
            return None

    def _find_step(self) -> tuple[StreamQueue[S, P], SliceJob[S, P] | None] | None:
        others = sum(lane.held for lane in self._lanes if lane is not self._current)
        for lane in self._lanes:
            current = lane is self._current
            full = (lane.held if current else others) >= self._room
            ahead = self._ahead if not full else 1 if current else 0
            if not (lane.fed or lane.feeding) and len(lane.parts) < ahead:
                lane.feeding = True
                return lane, None
            for part in islice(lane.parts, ahead):
                if not (part.busy or part.done or (full and part.pages)):
                    part.busy = True
                    return lane, part
        return None

    def _feed(self, lane: StreamQueue[S, P]) -> None:
        """Turn a lane's next slice into a part."""
        piece, failure, fed = None, None, False
        try:
            if lane.source is None:
                lane.source = iter(lane.slices())
            piece = next(lane.source)
        except StopIteration:
            fed = True
        except BaseException as error:  # noqa: BLE001 - it is raised again in the lane's turn
            failure, fed = error, True
        with self._changing():
            lane.feeding, lane.fed, lane.failure = False, fed, failure
            if not fed and lane in self._lanes:
                lane.parts.append(SliceJob(piece, (next(lane.numbers),)))  # type: ignore[arg-type]

    def _read(self, lane: StreamQueue[S, P], part: SliceJob[S, P]) -> None:
        """Read a part's next page."""
        page, error, ended = None, None, False
        try:
            if part.source is None:
                part.source = iter(lane.read(part.piece))
            page = next(part.source)
            if not (isinstance(page, Split) or self._is_next(part)):
                self._pack(page)
        except StopIteration:
            ended = True
        except BaseException as fault:  # noqa: BLE001 - it is raised again in the part's turn
            error, ended = fault, True
        with self._changing():
            part.busy = False
            if part.done:  # its lane was closed meanwhile
                return
            part.error, part.done = error, ended
            if isinstance(page, Split):
                self._insert(lane, part, page)
            elif not ended:
                part.pages.append(page)  # type: ignore[arg-type]
                lane.held += self._weigh(page)  # type: ignore[arg-type]

    def _is_next(self, part: SliceJob[S, P]) -> bool:
        with self._lock:
            return self._current is not None and part in islice(self._current.parts, 1)

    def _insert(self, lane: StreamQueue[S, P], part: SliceJob[S, P], split: Split[S]) -> None:
        part.whole, part.done = False, True
        place = lane.parts.index(part) + 1
        for number, piece in enumerate(split.pieces):
            lane.parts.insert(place + number, SliceJob(piece, (*part.rank, number)))

    # On the iterating thread.

    def _head(self, lane: StreamQueue[S, P]) -> SliceJob[S, P] | None:
        """The oldest part, once there is one; None after the last."""
        self._wait_watching(lambda: bool(lane.parts) or lane.fed)
        if lane.parts:
            return lane.parts[0]
        if lane.failure is not None:
            raise lane.failure
        return None

    def _drain(self, lane: StreamQueue[S, P], part: SliceJob[S, P]) -> Iterator[P]:
        while True:
            self._wait_watching(lambda: bool(part.pages) or part.done)
            if not part.pages:
                break
            with self._changing():
                page = part.pages.popleft()
                lane.held -= self._weigh(page)
            yield page
        if part.error is not None:
            raise part.error

    def _wait_watching(self, ready: Callable[[], bool]) -> None:
        """Wait, waking up often enough to see a signal's flag."""
        self._watch()
        with self._lock:
            while not self._arrived.wait_for(ready, timeout=self.poll):
                self._watch()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock:
            yield
            self._freed.notify_all()
            self._arrived.notify_all()
