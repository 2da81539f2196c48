"""The engine: order, limits, errors and stopping, with any timing of threads."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_customerio.sync.engine import Engine, Split, StreamQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_customerio.sync.engine import SliceJob


def _run(
    slices: Iterable[Any],
    read: Callable[[Any], Iterable[Any]],
    *,
    workers: int,
    buffer_bytes: int = 12,
    watch: Callable[[], None] = lambda: None,
) -> Iterator[tuple[SliceJob[Any, Any], Iterator[Any]]]:
    """Run one queue by itself."""
    queue: StreamQueue[Any, Any] = StreamQueue(lambda: slices, read)
    return Engine([queue], workers=workers, buffer_bytes=buffer_bytes, watch=watch).jobs(queue)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=30), st.integers(1, 8), st.integers(1, 4))
def test_pages_come_in_slice_order(sizes: list[int], workers: int, buffer_bytes: int) -> None:
    def read(slice_: tuple[int, int]) -> Iterator[tuple[int, int]]:
        number, size = slice_
        for page in range(size):
            yield number, page

    jobs = _run(enumerate(sizes), read, workers=workers, buffer_bytes=buffer_bytes)
    got = [(job.slice_, list(pages)) for job, pages in jobs]
    assert got == [((n, s), [(n, p) for p in range(s)]) for n, s in enumerate(sizes)]


def test_slices_are_read_in_parallel() -> None:
    together = threading.Barrier(4, timeout=5)
    jobs = _run(range(4), lambda _: [together.wait()], workers=4)
    assert sorted(page for _, pages in jobs for page in pages) == [0, 1, 2, 3]


def test_no_more_is_read_ahead_than_the_buffer_allows() -> None:
    read: list[tuple[int, int]] = []

    def pages(slice_: int) -> Iterator[int]:
        for page in range(100):
            read.append((slice_, page))
            yield page

    slices = _run(range(1000), pages, workers=2, buffer_bytes=3)
    _, first = next(slices)
    next(first)
    time.sleep(0.2)
    assert len(read) <= 1 + 3 + 2  # taken, waiting, and one for each worker
    slices.close()  # type: ignore[attr-defined]


def test_only_pages_that_wait_for_a_response_are_packed() -> None:
    packed: list[int] = []
    begun, answered, written = threading.Event(), threading.Event(), threading.Event()

    def pages(slice_: int) -> Iterator[int]:
        {0: answered, 1: begun, 2: written}[slice_].wait(5)
        while slice_ == 1 and not engine._is_starved:  # noqa: SLF001
            time.sleep(0.001)
        yield slice_
        if slice_ == 1:
            answered.set()

    queue = StreamQueue(lambda: range(3), pages)
    engine = Engine([queue], workers=2, buffer_bytes=100, pack=packed.append)
    for job, found in engine.jobs(queue):
        begun.set()
        list(found)
        written.set()
        while job.slice_ == 0 and not (len(queue.jobs) == 3 and queue.jobs[-1].done):
            time.sleep(0.001)
    assert packed == [1]


def test_a_failing_slice_fails_in_order() -> None:
    def pages(slice_: int) -> Iterator[int]:
        yield slice_
        if slice_ == 3:
            raise ValueError(slice_)

    done = []
    with pytest.raises(ValueError, match="3"):
        for job, rows in _run(range(10), pages, workers=4):
            list(rows)
            done.append(job.slice_)
    assert done == [0, 1, 2]


def test_a_failing_list_of_slices_fails_after_its_earlier_slices() -> None:
    def slices() -> Iterator[int]:
        yield 0
        yield 1
        raise LookupError

    done = []
    with pytest.raises(LookupError):
        for job, rows in _run(slices(), lambda slice_: [slice_], workers=4):
            done.append((job.slice_, list(rows)))
    assert done == [(0, [0]), (1, [1])]


def test_watch_is_called_while_waiting_for_a_slow_response() -> None:
    released = threading.Event()

    def watch() -> None:
        if time.monotonic() > started + 0.3:
            raise SystemExit(143)

    started = time.monotonic()
    with pytest.raises(SystemExit):
        for _, rows in _run([0], lambda _: [released.wait(5)], workers=1, watch=watch):
            list(rows)
    assert time.monotonic() - started < 3
    released.set()


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(st.integers(0, 20), st.integers(1, 4))
def test_leaving_early_never_hangs_and_ends_the_threads(after: int, workers: int) -> None:
    before = threading.active_count()
    taken = 0
    with pytest.raises(RuntimeError):
        for _, pages in _run(range(50), lambda _: range(20), workers=workers, buffer_bytes=1):
            for _page in pages:
                taken += 1
                if taken > after:
                    raise RuntimeError
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_later_slices_use_the_results_of_finished_ones() -> None:
    width = [1]

    def slices() -> Iterator[int]:
        while len(seen) < 20:
            yield width[0]

    def read(slice_: int) -> list[int]:
        width[0] = slice_ + 1
        return [slice_]

    seen: list[int] = []
    for job, pages in _run(slices(), read, workers=1):
        seen.append(job.slice_)
        list(pages)
    assert seen[-1] > 10


@given(st.integers(1, 8), st.integers(1, 6), st.integers(1, 100), st.integers(0, 3))
def test_the_rest_of_a_split_slice_follows_in_place_and_the_slice_never_finishes(
    workers: int, most: int, size: int, late: int
) -> None:
    def read(slice_: range) -> Iterator[list[int] | Split[range]]:
        for page in range(late):
            yield [slice_[page % len(slice_)]]
        if len(slice_) > most:
            middle = len(slice_) // 2
            yield Split([slice_[:middle], slice_[middle:]])
        else:
            yield list(slice_)

    finished: list[int] = []
    for job, pages in _run(
        [range(size), range(size, 2 * size)], read, workers=workers, buffer_bytes=2
    ):
        rows = [row for page in pages for row in page]
        if job.not_split:
            assert rows[-len(job.slice_) :] == list(job.slice_)
            finished += job.slice_
    assert finished == list(range(2 * size))


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.lists(st.integers(0, 30), max_size=6), st.booleans()), max_size=5),
    st.integers(1, 6),
    st.integers(1, 6),
)
def test_many_queues_are_complete_and_in_order_in_a_small_buffer(
    sizes: list[tuple[list[int], bool]], workers: int, buffer_bytes: int
) -> None:
    queues: list[StreamQueue[Any, Any]] = [
        StreamQueue(
            partial(enumerate, slices), lambda slice_: range(slice_[1]), sequential=sequential
        )
        for slices, sequential in sizes
    ]
    engine = Engine(queues, workers=workers, buffer_bytes=buffer_bytes)
    for queue, (slices, _) in zip(queues, sizes, strict=True):
        got = [list(pages) for _, pages in engine.jobs(queue)]
        assert got == [list(range(size)) for size in slices]


def _lane(
    name: str, size: int, log: list[str], *, sequential: bool = False
) -> StreamQueue[int, int]:
    def read(slice_: int) -> Iterator[int]:
        log.append(f"{name}{slice_}")
        yield slice_

    return StreamQueue(lambda: range(size), read, sequential=sequential)


def test_later_queues_use_idle_workers_within_the_buffer() -> None:
    released = threading.Event()
    log: list[str] = []
    slow: StreamQueue[int, Any] = StreamQueue(lambda: [0], lambda _: [released.wait(5)])
    queues = [slow, _lane("b", 3, log), _lane("c", 30, log)]
    engine = Engine(queues, workers=2, buffer_bytes=10)
    jobs = engine.jobs(queues[0])
    _, pages = next(jobs)
    until = time.monotonic() + 5
    while len(log) < 7 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.1)
    assert log == ["b0", "b1", "b2", "c0", "c1", "c2", "c3"]  # at most workers + 2 a queue
    released.set()
    assert list(pages) == [True]
    assert [job.slice_ for queue in queues[1:] for job, _ in engine.jobs(queue)] == [
        *range(3),
        *range(30),
    ]


def test_sequential_queues_go_first_but_never_block_the_others() -> None:
    log: list[str] = []
    chain: StreamQueue[int, int] = StreamQueue(
        lambda: [0], lambda _: iter(range(1000)), sequential=True
    )
    queues = [_lane("a", 5, log), chain]
    engine = Engine(queues, workers=1, buffer_bytes=3)
    assert [job.slice_ for job, _ in engine.jobs(queues[0])] == list(range(5))
    assert chain.buffered_bytes == 3
    assert sum(len(list(pages)) for _, pages in engine.jobs(chain)) == 1000


def test_steps_run_within_their_rank_which_follows_the_requested_order() -> None:
    ranks = []

    @contextmanager
    def around(rank: tuple[int, ...]) -> Iterator[None]:
        ranks.append(rank)
        yield

    def read(slice_: int) -> Iterator[Any]:
        yield Split([10, 11]) if slice_ == 1 else slice_

    queue: StreamQueue[int, Any] = StreamQueue(lambda: range(2), read, around=around)
    for _, pages in Engine([queue], workers=1, buffer_bytes=9).jobs(queue):
        list(pages)
    assert sorted(set(ranks)) == [(0,), (0, 0), (0, 1), (0, 1, 0), (0, 1, 1)]


def test_stopping_ends_the_threads_of_all_queues() -> None:
    before = threading.active_count()
    queues = [_lane(name, 100, []) for name in "abc"]
    engine = Engine(queues, workers=4, buffer_bytes=2)
    next(engine.jobs(queues[0]))
    engine.stop()
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before
