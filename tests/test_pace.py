"""The pace: spaced grants, giving way on 429, recovering."""

from __future__ import annotations

import threading
import time

import pytest

from tap_customerio.ratelimit.limiter import RateLimiter


def _grants(pace: RateLimiter, count: int, threads: int = 8) -> list[float]:
    granted: list[float] = []

    def take() -> None:
        for _ in range(count // threads):
            pace.wait()
            granted.append(time.monotonic())

    workers = [threading.Thread(target=take) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sorted(granted)


def test_grants_are_spaced_for_any_number_of_threads() -> None:
    granted = _grants(RateLimiter(100), 80)
    gaps = [later - earlier for earlier, later in zip(granted, granted[10:], strict=False)]
    assert min(gaps) > 10 * 0.0100  # ten grants never take less than ten spaces
    assert granted[-1] - granted[0] >= 79 * 0.0104 * 0.99


def test_waiting_for_others_does_not_bunch_what_comes_after() -> None:
    pace = RateLimiter(50)
    pace.wait()
    time.sleep(0.2)
    granted = []
    for _ in range(3):
        pace.wait()
        granted.append(time.monotonic())
    assert granted[1] - granted[0] >= 0.017  # a turn may be used a little late
    assert granted[2] - granted[1] >= 0.017


class Watch:
    """A clock that a test sets."""

    now = 1024.0

    def monotonic(self) -> float:
        """What it shows."""
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr("tap_customerio.ratelimit.limiter.time", watch)
    monkeypatch.setattr("tap_customerio.ratelimit.budget.time", watch)
    return watch


def test_the_pace_is_96_per_cent_of_the_limit(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(_: threading.Condition, timeout: float | None = None) -> bool:
        watch.now += timeout or 0.0
        return True

    monkeypatch.setattr(threading.Condition, "wait", wait)
    pace = RateLimiter(10)
    pace.wait()
    began = watch.now
    for _ in range(96):
        pace.wait()
    assert watch.now - began == pytest.approx(10)


def test_giving_way_holds_everyone_back() -> None:
    pace = RateLimiter(100)
    before = time.monotonic()
    pace.give_way(0.3)
    pace.give_way(0.1)
    pace.wait()
    assert time.monotonic() - before >= 0.3


def test_a_wave_of_429s_slows_down_once_and_the_next_one_again(watch: Watch) -> None:
    pace = RateLimiter(10)
    full = pace.rate
    for _ in range(5):
        pace.give_way(1)
        watch.now += 0.1
    assert pace.rate == pytest.approx(full * 0.75)
    watch.now += 1.5
    slower = pace.rate
    pace.give_way(1)
    assert pace.rate == pytest.approx(slower * 0.75)


def test_the_pace_comes_back_to_where_it_was_refused_dwells_and_then_goes_on(watch: Watch) -> None:
    pace = RateLimiter(10)
    full = pace.rate
    for _ in range(3):
        pace.give_way(0)
        watch.now += 1.5
    refused = pace.rate
    pace.give_way(0)
    rates = []
    for _ in range(40):
        watch.now += 1
        rates.append(pace.rate)
    assert rates == sorted(rates)
    assert rates[4] > 0.95 * refused  # seconds after it began again
    assert rates[9] == pytest.approx(refused)
    assert rates[14] < 1.05 * refused
    assert rates[-1] == full


def test_many_waves_never_stop_the_pace_altogether(watch: Watch) -> None:
    pace = RateLimiter(10)
    for _ in range(100):
        pace.give_way(0)
        watch.now += 1.1
    assert pace.rate > 0.3


def test_an_interpreter_that_is_always_late_gets_its_turn_all_the_same(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def monotonic(self: Watch) -> float:
        self.now += 1.0
        return self.now

    monkeypatch.setattr(Watch, "monotonic", monotonic)
    assert watch.monotonic() < watch.monotonic()
    RateLimiter(1000).wait()


def test_waiting_requests_of_lower_rank_go_first() -> None:
    pace = RateLimiter(20)
    pace.give_way(0.2)
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
