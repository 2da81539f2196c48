"""Reads slices of several streams on worker threads; ordered output, bounded memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sized
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count, islice
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

S = TypeVar("S")
P = TypeVar("P")
Rank = tuple[int, ...]


class Split(Generic[S]):
    """Yielded after a slice's last page: the rest of the slice, as slices that follow it."""

    def __init__(self, slices: Sequence[S]) -> None:
        """Name the slices, in order."""
        self.slices = slices


class SliceJob(Generic[S, P]):
    """One slice: its pages so far, and how it ended."""

    def __init__(self, slice_: S, rank: Rank) -> None:
        """Start without pages; jobs with lower ranks come first."""
        self.slice_ = slice_
        self.rank = rank
        self.pages: deque[P] = deque()
        self.source: Iterator[P | Split[S]] | None = None
        self.busy = False
        self.done = False
        self.not_split = True
        self.error: BaseException | None = None


class StreamQueue(Generic[S, P]):
    """The work of one stream: its slices, read lazily, and a function that reads one.

    Worker threads advance `slices` and its iterator one step at a time, just ahead of need: it may
    send requests and use results of finished slices. `read` yields the pages of a slice. After a
    `Split`, its slices come next, and `job.not_split` is false. Each step runs within
    `around(rank)`; lower ranks are more urgent. The steps of a `sequential` queue cannot run in
    parallel, so that queue goes first.
    """

    def __init__(
        self,
        slices: Callable[[], Iterable[S]],
        read: Callable[[S], Iterable[P | Split[S]]],
        *,
        sequential: bool = False,
        around: Callable[[Rank], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        """Prepare; sends no request."""
        self.slices = slices
        self.read = read
        self.sequential = sequential
        self.around = around
        self.rank: Rank = ()
        self.jobs: deque[SliceJob[S, P]] = deque()
        self.source: Iterator[S] | None = None
        self.total: int | None = None
        """Number of slices, if known before they are read."""
        self.numbers = count()
        self.buffered_bytes = 0
        self.enqueuing = False
        self.exhausted = False
        self.failure: BaseException | None = None


class Engine(Generic[S, P]):
    """Reads all queues in parallel, and yields each queue's jobs and pages in order.

    A worker takes one step at a time, always the most urgent one, and never waits for buffer space,
    so that the current queue never stalls. Waiting pages take at most `buffer_bytes` for that
    queue, the same for all others together, and one page per worker. `pack` compresses pages that
    wait for the responses to earlier jobs. The iterating thread calls `watch` between pages and
    while it waits; `watch` may raise to stop the run.
    """

    poll = 0.1

    def __init__(  # noqa: PLR0913 - two numbers, and what to do with pages
        self,
        queues: Sequence[StreamQueue[S, P]],
        *,
        workers: int,
        buffer_bytes: int,
        weigh: Callable[[P], int] = lambda _: 1,
        pack: Callable[[P], None] = lambda _: None,
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; threads start with the first queue that is read."""
        self._queues = sorted(queues, key=lambda queue: not queue.sequential)
        for number, queue in enumerate(self._queues):
            queue.rank = (number,)
        self._current: StreamQueue[S, P] | None = None
        self._workers = workers
        self._ahead = 1 if workers == 1 else workers + 2
        self._buffer_bytes = buffer_bytes
        self._weigh = weigh
        self._pack = pack
        self._watch = watch
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._arrived = threading.Condition(self._lock)
        self._is_starved = False
        """Whether the iterating thread waits for a response."""
        self._started = False

    def jobs(
        self, queue: StreamQueue[S, P]
    ) -> Generator[tuple[SliceJob[S, P], Iterator[P]], None, None]:
        """Yield one queue's jobs; consume each job's pages before the next job."""
        with self._changing():
            self._current = queue
        self._start()
        try:
            while (job := self._head(queue)) is not None:
                yield job, self._drain(queue, job)
                with self._changing():
                    queue.jobs.popleft()
        finally:
            self._close(queue)

    def stop(self) -> None:
        """Let the workers end after their current step."""
        for queue in list(self._queues):
            self._close(queue)

    def _start(self) -> None:
        if not self._started:
            self._started = True
            # Daemon threads: a thread that waits for a response must not keep the process alive.
            for number in range(self._workers):
                threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()

    def _close(self, queue: StreamQueue[S, P]) -> None:
        with self._changing():
            if queue in self._queues:
                self._queues.remove(queue)
            for job in queue.jobs:
                job.done = True
            queue.jobs.clear()

    # On worker threads.

    def _work(self) -> None:
        while (step := self._wait_for_step()) is not None:
            queue, job = step
            with queue.around(queue.rank if job is None else queue.rank + job.rank):
                self._enqueue(queue) if job is None else self._read(queue, job)

    def _wait_for_step(self) -> tuple[StreamQueue[S, P], SliceJob[S, P] | None] | None:
        """The most urgent step: a queue to fill or a job to read; None once all is done."""
        with self._lock:
            while self._queues:
                if (step := self._find_step()) is not None:
                    self._freed.notify()  # there may be another step
                    return step
                self._freed.wait()
            self._freed.notify()
            return None

    def _find_step(self) -> tuple[StreamQueue[S, P], SliceJob[S, P] | None] | None:
        others = sum(queue.buffered_bytes for queue in self._queues if queue is not self._current)
        for queue in self._queues:
            current = queue is self._current
            full = (queue.buffered_bytes if current else others) >= self._buffer_bytes
            ahead = self._ahead if not full else 1 if current else 0
            if not (queue.exhausted or queue.enqueuing) and len(queue.jobs) < ahead:
                queue.enqueuing = True
                return queue, None
            for job in islice(queue.jobs, ahead):
                if not (job.busy or job.done or (full and job.pages)):
                    job.busy = True
                    return queue, job
        return None

    def _enqueue(self, queue: StreamQueue[S, P]) -> None:
        """Turn a queue's next slice into a job."""
        slice_, failure, exhausted = None, None, False
        try:
            if queue.source is None:
                slices = queue.slices()
                queue.total = len(slices) if isinstance(slices, Sized) else None
                queue.source = iter(slices)
            slice_ = next(queue.source)
        except StopIteration:
            exhausted = True
        except BaseException as error:  # noqa: BLE001 - raised again on the iterating thread
            failure, exhausted = error, True
        with self._changing():
            queue.enqueuing, queue.exhausted, queue.failure = False, exhausted, failure
            if not exhausted and queue in self._queues:
                queue.jobs.append(SliceJob(slice_, (next(queue.numbers),)))  # type: ignore[arg-type]

    def _read(self, queue: StreamQueue[S, P], job: SliceJob[S, P]) -> None:
        """Read a job's next page."""
        page, error, ended = None, None, False
        try:
            if job.source is None:
                job.source = iter(queue.read(job.slice_))
            page = next(job.source)
            if not isinstance(page, Split) and self._waits_long(queue, job):
                self._pack(page)
        except StopIteration:
            ended = True
        except BaseException as fault:  # noqa: BLE001 - raised again on the iterating thread
            error, ended = fault, True
        with self._changing():
            job.busy = False
            if job.done:  # its queue was closed during the step
                return
            job.error, job.done = error, ended
            if isinstance(page, Split):
                self._insert(queue, job, page)
            elif not ended:
                job.pages.append(page)  # type: ignore[arg-type]
                queue.buffered_bytes += self._weigh(page)  # type: ignore[arg-type]

    def _waits_long(self, queue: StreamQueue[S, P], job: SliceJob[S, P]) -> bool:
        """Whether a page waits for responses or other streams too, not only for the writer."""
        with self._lock:
            is_next = job in islice(queue.jobs, 1)
            return queue is not self._current or (self._is_starved and not is_next)

    def _insert(self, queue: StreamQueue[S, P], job: SliceJob[S, P], split: Split[S]) -> None:
        job.not_split, job.done = False, True
        place = queue.jobs.index(job) + 1
        for number, slice_ in enumerate(split.slices):
            queue.jobs.insert(place + number, SliceJob(slice_, (*job.rank, number)))

    # On the iterating thread.

    def _head(self, queue: StreamQueue[S, P]) -> SliceJob[S, P] | None:
        """The oldest job, waiting for it if needed; None after the last."""
        self._wait_watching(lambda: bool(queue.jobs) or queue.exhausted)
        if queue.jobs:
            return queue.jobs[0]
        if queue.failure is not None:
            raise queue.failure
        return None

    def _drain(self, queue: StreamQueue[S, P], job: SliceJob[S, P]) -> Iterator[P]:
        while True:
            self._wait_watching(lambda: bool(job.pages) or job.done)
            if not job.pages:
                break
            with self._changing():
                page = job.pages.popleft()
                queue.buffered_bytes -= self._weigh(page)
            yield page
        if job.error is not None:
            raise job.error

    def _wait_watching(self, ready: Callable[[], bool]) -> None:
        """Wait, but wake up often enough to notice a signal."""
        self._watch()
        with self._lock:
            self._is_starved = True
            while not self._arrived.wait_for(ready, timeout=self.poll):
                self._watch()
            self._is_starved = False

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock:
            yield
            self._freed.notify()
            self._arrived.notify_all()
