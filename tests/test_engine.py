"""The engine: order, bounds, errors and stopping, whatever the threads do."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_customerio.engine import Engine, Split

if TYPE_CHECKING:
    from collections.abc import Iterator


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=30), st.integers(1, 8), st.integers(1, 4))
def test_pages_come_in_slice_order(sizes: list[int], workers: int, depth: int) -> None:
    def read(piece: tuple[int, int]) -> Iterator[tuple[int, int]]:
        number, size = piece
        for page in range(size):
            yield number, page

    engine = Engine(enumerate(sizes), read, workers=workers, depth=depth)
    got = [(part.piece, list(pages)) for part, pages in engine]
    assert got == [((n, s), [(n, p) for p in range(s)]) for n, s in enumerate(sizes)]


def test_slices_are_read_side_by_side() -> None:
    together = threading.Barrier(4, timeout=5)
    engine = Engine(range(4), lambda _: [together.wait()], workers=4)
    assert sorted(page for _, pages in engine for page in pages) == [0, 1, 2, 3]


def test_no_more_is_read_ahead_than_the_buffer_holds() -> None:
    read: list[tuple[int, int]] = []

    def pages(piece: int) -> Iterator[int]:
        for page in range(100):
            read.append((piece, page))
            yield page

    slices = iter(Engine(range(1000), pages, workers=2, depth=3))
    _, first = next(slices)
    next(first)
    time.sleep(0.2)
    assert len(read) <= 2 * (3 + 2)
    slices.close()  # type: ignore[attr-defined]


def test_a_failing_slice_fails_in_its_turn() -> None:
    def pages(piece: int) -> Iterator[int]:
        yield piece
        if piece == 3:
            raise ValueError(piece)

    done = []
    with pytest.raises(ValueError, match="3"):
        for part, rows in Engine(range(10), pages, workers=4):
            list(rows)
            done.append(part.piece)
    assert done == [0, 1, 2]


def test_a_failing_list_of_slices_fails_after_the_slices_it_gave() -> None:
    def slices() -> Iterator[int]:
        yield 0
        yield 1
        raise LookupError

    done = []
    with pytest.raises(LookupError):
        for part, rows in Engine(slices(), lambda piece: [piece], workers=4):
            done.append((part.piece, list(rows)))
    assert done == [(0, [0]), (1, [1])]


def test_watching_goes_on_while_waiting_for_a_slow_answer() -> None:
    released = threading.Event()

    def watch() -> None:
        if time.monotonic() > started + 0.3:
            raise SystemExit(143)

    started = time.monotonic()
    with pytest.raises(SystemExit):
        for _, rows in Engine([0], lambda _: [released.wait(5)], workers=1, watch=watch):
            list(rows)
    assert time.monotonic() - started < 3
    released.set()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 20), st.integers(1, 4))
def test_leaving_early_never_hangs_and_ends_the_threads(after: int, workers: int) -> None:
    before = threading.active_count()
    engine = Engine(range(50), lambda _: range(20), workers=workers, depth=1)
    taken = 0
    with pytest.raises(RuntimeError):
        for _, pages in engine:
            for _page in pages:
                taken += 1
                if taken > after:
                    raise RuntimeError
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_what_finished_slices_teach_reaches_later_ones() -> None:
    width = [1]

    def slices() -> Iterator[int]:
        while len(seen) < 20:
            yield width[0]

    def read(piece: int) -> list[int]:
        width[0] = piece + 1
        return [piece]

    seen: list[int] = []
    for part, pages in Engine(slices(), read, workers=1):
        seen.append(part.piece)
        list(pages)
    assert seen[-1] > 10


@given(st.integers(1, 8), st.integers(1, 6), st.integers(1, 300), st.integers(0, 3))
def test_what_a_split_leaves_follows_in_place_and_a_split_slice_is_never_finished(
    workers: int, most: int, size: int, late: int
) -> None:
    def read(piece: range) -> Iterator[list[int] | Split[range]]:
        for page in range(late):
            yield [piece[page % len(piece)]]
        if len(piece) > most:
            middle = len(piece) // 2
            yield Split([piece[:middle], piece[middle:]])
        else:
            yield list(piece)

    finished: list[int] = []
    engine: Engine[range, list[int]] = Engine(
        [range(size), range(size, 2 * size)], read, workers=workers, depth=2
    )
    for part, pages in engine:
        rows = [row for page in pages for row in page]
        if part.whole:
            assert rows[-len(part.piece) :] == list(part.piece)
            finished += part.piece
    assert finished == list(range(2 * size))
