"""The rate limiter: intervals between requests, throttling on 429, recovery."""

from __future__ import annotations

import threading
import time
from itertools import cycle, pairwise
from typing import TYPE_CHECKING

import pytest
from clocks import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_customerio.ratelimit.limiter import RateLimiter
from tap_customerio.sandbox.server.middleware import RateLimit

if TYPE_CHECKING:
    from collections.abc import Iterable

SECOND = 1.025
"""The shortest time between the first and last of ten requests at 10 a second."""

delays = st.lists(st.one_of(st.just(0.0), st.floats(0, 0.1), st.floats(0, 3)), max_size=60)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    watch = FakeClock()
    monkeypatch.setattr("tap_customerio.ratelimit.limiter.time", watch)
    monkeypatch.setattr("tap_customerio.ratelimit.budget.time", watch)
    return watch


@pytest.fixture
def asleep(watch: FakeClock, monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The same; threads also wait on it."""
    monkeypatch.setattr(threading.Condition, "wait", watch.wait)
    return watch


def _send(pace: RateLimiter, watch: FakeClock, writing: Iterable[float]) -> list[float]:
    """The times of requests that take this long from their reservation to the socket."""
    left = []
    for delay in writing:
        with pace.slot():
            watch.now += delay
            left.append(watch.now)
    return left


def _dues(pace: RateLimiter, count: int, threads: int = 8) -> list[float]:
    dues: list[float] = []

    def take() -> None:
        dues.extend(pace.wait().due for _ in range(count // threads))

    workers = [threading.Thread(target=take) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sorted(dues)


@pytest.mark.slow
def test_any_number_of_threads_reserve_at_an_interval() -> None:
    dues = _dues(RateLimiter(100), 160)
    assert len(set(dues)) == 160
    gaps = [later - earlier for earlier, later in zip(dues, dues[50:], strict=False)]
    assert min(gaps) >= 0.499  # fifty take at least half a second, even with late threads


@settings(max_examples=50)
@given(wakes=delays, writes=delays)
def test_no_second_has_an_eleventh_request_however_late_threads_are(
    wakes: list[float], writes: list[float]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        watch = FakeClock()
        watch.late = iter(wakes)
        patch.setattr("tap_customerio.ratelimit.limiter.time", watch)
        patch.setattr("tap_customerio.ratelimit.budget.time", watch)
        patch.setattr(threading.Condition, "wait", watch.wait)
        left = _send(RateLimiter(10), watch, [*writes, *[0.0] * 120])
    gaps = [later - earlier for earlier, later in zip(left, left[10:], strict=False)]
    assert min(gaps) >= SECOND
    # Without late threads, the rate is the same again.
    assert left[-1] - left[-51] < 50 / 9.5


def test_requests_that_leave_late_do_not_delay_those_after_them(asleep: FakeClock) -> None:
    asleep.late = cycle([0.0, 0.0, 0.045])
    left = _send(RateLimiter(10), asleep, [0.0] * 400)
    assert 399 / (left[-1] - left[0]) > 9.5


def test_waiting_for_others_does_not_bunch_later_requests(asleep: FakeClock) -> None:
    pace = RateLimiter(50)
    pace.wait()
    asleep.now += 0.2
    dues = [pace.wait().due for _ in range(3)]
    gaps = [later - earlier for earlier, later in pairwise(dues)]
    assert gaps == pytest.approx([1 / pace.rate] * 2)


def test_the_rate_is_97_per_cent_of_the_limit(asleep: FakeClock) -> None:
    pace = RateLimiter(10)
    pace.wait()
    began = asleep.now
    for _ in range(97):
        pace.wait()
    assert asleep.now - began == pytest.approx(10)


def test_throttling_pauses_all_requests() -> None:
    pace = RateLimiter(100)
    before = time.monotonic()
    pace.throttle(0.3)
    pace.throttle(0.1)
    pace.wait()
    assert time.monotonic() - before >= 0.3


def test_several_429s_at_once_slow_down_once_and_the_next_one_again(watch: FakeClock) -> None:
    pace = RateLimiter(10)
    full = pace.rate
    for _ in range(5):
        pace.throttle(1)
        watch.now += 0.1
    assert pace.rate == pytest.approx(full * 0.75)
    watch.now += 1.5
    slower = pace.rate
    pace.throttle(1)
    assert pace.rate == pytest.approx(slower * 0.75)


def test_the_rate_recovers_to_the_rejected_one_waits_and_then_continues(
    watch: FakeClock,
) -> None:
    pace = RateLimiter(10)
    full = pace.rate
    for _ in range(3):
        pace.throttle(0)
        watch.now += 1.5
    refused = pace.rate
    pace.throttle(0)
    rates = []
    for _ in range(40):
        watch.now += 1
        rates.append(pace.rate)
    assert rates == sorted(rates)
    assert rates[4] > 0.95 * refused  # seconds after it restarted
    assert rates[9] == pytest.approx(refused)
    assert rates[14] < 1.05 * refused
    assert rates[-1] == full


def test_it_settles_near_the_half_that_another_client_leaves(asleep: FakeClock) -> None:
    pace, limit, theirs = RateLimiter(10), RateLimit(10), asleep.now
    began = asleep.now
    answers: list[tuple[bool, bool]] = []
    while asleep.now < began + 300:
        with pace.slot():
            now = asleep.now
        while theirs <= now:  # five a second, evenly
            answers.append((False, limit.admits(theirs)))
            theirs += 0.2
        answers.append((True, limit.admits(now)))
        if not answers[-1][1]:
            pace.throttle(1.0)
    ours = [admitted for mine, admitted in answers if mine]
    others = [admitted for mine, admitted in answers if not mine]
    assert not all(ours)  # it was tested
    assert sum(others) > 0.9 * len(others)
    assert sum(ours) > 0.7 * 300 * 5


def test_many_429s_never_stop_all_requests(watch: FakeClock) -> None:
    pace = RateLimiter(10)
    for _ in range(100):
        pace.throttle(0)
        watch.now += 1.1
    assert pace.rate > 0.3


def test_a_thread_that_is_always_late_still_sends(
    watch: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def monotonic(self: FakeClock) -> float:
        self.now += 1.0
        return self.now

    monkeypatch.setattr(FakeClock, "monotonic", monotonic)
    assert watch.monotonic() < watch.monotonic()
    RateLimiter(1000).wait()


@pytest.mark.slow
def test_waiting_requests_of_lower_rank_go_first() -> None:
    pace = RateLimiter(20)
    pace.throttle(0.2)
    granted: list[int] = []

    def take(rank: int) -> None:
        with pace.rank(rank):
            pace.wait()
            granted.append(rank)

    workers = [threading.Thread(target=take, args=[rank]) for rank in (5, 3, 9, 1, 7)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert granted == [1, 3, 5, 7, 9]
