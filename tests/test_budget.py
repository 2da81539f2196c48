"""Budgets: requests at an interval for all clients that share one, with any storage."""

from __future__ import annotations

import hashlib
import heapq
import subprocess
import sys
import threading
import time
import uuid
from functools import partial
from itertools import count, pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from clocks import FakeClock
from harness import config_for, run_tap
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tap_customerio import errors
from tap_customerio.ratelimit import budget, sharing
from tap_customerio.ratelimit.budget import MAX_SLOTS, Budget, FileBudget, LimiterState, Slot
from tap_customerio.ratelimit.limiter import RateLimiter
from tap_customerio.ratelimit.redis_budget import RedisBudget
from tap_customerio.ratelimit.sharing import budget_of
from tap_customerio.settings import Settings
from tap_customerio.tap import TapCustomerio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox


KEY = "secret-canary-key"
Make = "Callable[[], Budget]"


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    watch = FakeClock()
    monkeypatch.setattr(budget, "time", watch)
    return watch


@pytest.fixture(params=["file", "redis"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Budget]:
    """Creates budgets that share one storage."""
    if request.param == "file":
        return lambda: FileBudget(tmp_path / "folder" / "name")
    url, name = request.getfixturevalue("redis_url"), uuid.uuid4().hex
    return lambda: RedisBudget(url, name, 5)


@given(
    st.lists(st.tuples(st.floats(-20, 20), st.booleans()), max_size=80),
    st.sampled_from([0.01, 0.1, 2.0]),
    st.integers(1, MAX_SLOTS),
)
def test_requests_keep_their_interval_whatever_the_clock_does(
    steps: list[tuple[float, bool]], interval: float, count: int
) -> None:
    state, slot, now = LimiterState(), 0.0, 1000.0
    for passed, missed in steps:
        now += passed
        slot -= max(0.0, state.seen - now)
        state = state.at(now)
        missing = missed and bool(state.slots)
        state, slot = (
            state.miss(slot, interval, count) if missing else state.reserve(interval, count)
        )
        assert slot >= now
        assert _are_apart(state.slots, interval, count)


def _are_apart(slots: Sequence[float], interval: float, count: int) -> bool:
    """Whether no more than `count` requests are in as many intervals."""
    pairs = zip(slots, slots[count:], strict=False)
    return all(later - earlier >= count * interval - 1e-9 for earlier, later in pairs)


class Senders:
    """Processes with several threads that share a budget on one fake clock.

    A thread wakes up late for its request, and writes it late again.
    """

    interval, count, slack = 1 / 9.7, 10, 0.005

    def __init__(
        self, budget: Budget, watch: FakeClock, late: Iterator[float], *, busy: bool
    ) -> None:
        """Create threads; `busy` ones are also late between their reservation and the socket."""
        self.budget, self.watch, self.late, self.busy = budget, watch, late, busy
        self.left: list[float] = []
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.numbers = count()

    def run(self, processes: int, requests: int) -> list[float]:
        """Send a number of requests; returns their times."""
        for _ in range(processes):
            self._reserve(requests // processes)
        while self.events:
            at, _, happen = heapq.heappop(self.events)
            self.watch.now = max(self.watch.now, at)
            happen()
        return sorted(self.left)

    def _later(self, at: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self.events, (at, next(self.numbers), happen))

    def _reserve(self, requests: int, missed: Slot | None = None) -> None:
        if requests:
            slot = self.budget.slot(self.interval, self.count, missed)
            wakes = slot.due + next(self.late, 0.0)
            self._later(wakes, partial(self._wake, slot, requests))

    def _wake(self, slot: Slot, requests: int) -> None:
        if self.watch.now > slot.due + self.slack:
            self._reserve(requests, slot)
            return
        writes = min(next(self.late, 0.0), 0.3) if self.busy else 0.0
        self._later(self.watch.now + writes, partial(self._write, slot))
        self._reserve(requests - 1)

    def _write(self, slot: Slot) -> None:
        self.left.append(self.watch.now)
        if self.watch.now > slot.due + self.slack:
            self.budget.correct(slot, self.watch.now - self.slack)


late = st.lists(st.one_of(st.just(0.0), st.floats(0, 0.1), st.floats(0, 3)), max_size=80)


@pytest.mark.slow
@settings(max_examples=50)
@given(delays=late, busy=st.booleans(), processes=st.sampled_from([1, 3]))
def test_no_second_has_an_eleventh_request_with_late_threads(
    *, delays: list[float], busy: bool, processes: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        watch = FakeClock()
        patch.setattr(budget, "time", watch)
        senders = Senders(Budget(), watch, iter(delays), busy=busy)
        left = senders.run(processes, 240)
    gaps = [later - earlier for earlier, later in zip(left, left[10:], strict=False)]
    assert min(gaps) >= 10 / 9.7 - senders.slack - 1e-9
    # Without late threads, the rate is the same again.
    assert left[-1] - left[-51] < 50 / 9.5


@given(st.floats(0, 50), st.floats(0, 50), st.floats(0, 50))
def test_no_request_starts_in_a_pause_and_a_shorter_pause_does_not_end_it(
    first: float, second: float, passed: float
) -> None:
    state = LimiterState().at(1000).slow(5, first).at(1000 + passed).slow(5, second)
    _, slot = state.reserve(0.1, 10)
    assert slot >= max(1000 + first, 1000 + passed + second)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("turn"), st.floats(0.01, 2), st.integers(1, MAX_SLOTS)),
            st.tuples(st.just("miss"), st.floats(0.01, 2), st.integers(1, 3)),
            st.tuples(st.just("correct"), st.just(0.0), st.floats(0, 3)),
            st.tuples(st.just("slow"), st.floats(0.5, 10), st.floats(0, 3)),
        ),
        max_size=20,
    )
)
def test_redis_does_the_same_as_python(redis_url: str, steps: list[tuple[str, ...]]) -> None:
    shared = RedisBudget(redis_url, uuid.uuid4().hex, 5)
    state, slot = LimiterState(), Slot(0.0, 0.0)
    for kind, number, more in steps:
        shared.lead = 0.0  # so that a request may start at once
        if kind == "slow":
            shared.slow(float(number), float(more))
            state = state.at(shared.state.seen).slow(float(number), float(more))
        elif kind == "correct":
            shared.correct(slot, slot.due + float(more))
            state = state.at(shared.state.seen).correct(slot.key, slot.key + float(more))
        else:
            missed = slot if kind == "miss" else None
            slot = shared.slot(float(number), int(more), missed)
            state = state.at(shared.state.seen)
            if missed:
                state, key = state.miss(missed.key, float(number), int(more))
            else:
                state, key = state.reserve(float(number), int(more))
            assert slot.key == pytest.approx(key, abs=1e-5)
        assert shared.state[:-1] == state[:-1]
        assert shared.state.slots == pytest.approx(state.slots, abs=1e-5)
        state = shared.state


def test_requests_start_in_the_order_of_reservation(
    make: Callable[[], Budget],
) -> None:
    near, far, third = make(), make(), make()
    slots = [each.slot(60, 10).due for each in (near, far, third, near)]
    assert all(59 < later - earlier < 61 for earlier, later in pairwise(slots))


def test_a_missed_reservation_is_given_again_unless_too_many_follow(
    make: Callable[[], Budget],
) -> None:
    mine, other = make(), make()
    slot = mine.slot(50, 1)
    slot = mine.slot(50, 1, slot)
    assert slot.due - time.monotonic() < 1
    other.slot(50, 1)
    assert mine.slot(50, 1, slot).due - time.monotonic() > 60


def test_a_late_request_counts_from_its_start(make: Callable[[], Budget]) -> None:
    mine, other = make(), make()
    slot = mine.slot(50, 1)
    mine.correct(slot, slot.due + 40)
    assert 89 < other.slot(50, 1).due - slot.due < 91


def test_one_429_slows_all(make: Callable[[], Budget]) -> None:
    mine, other = RateLimiter(10, make()), RateLimiter(10, make())
    full = other.rate
    mine.throttle(0.2)
    assert 0.74 * full < mine.rate < 0.95 * full  # it recovers while a busy machine waits
    before = time.monotonic()
    other.wait()
    assert time.monotonic() - before > 0.15
    assert 0.74 * full < other.rate < 0.95 * full
    assert (mine.waited, other.waited) == (0.2, 0.0)


@pytest.mark.slow
def test_threads_and_processes_share_one_rate(make: Callable[[], Budget]) -> None:
    paces = [RateLimiter(20, make()) for _ in range(3)]
    dues: list[float] = []

    def take(pace: RateLimiter) -> None:
        dues.extend(pace.wait().due for _ in range(8))

    threads = [threading.Thread(target=take, args=[pace]) for pace in paces for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    dues.sort()
    gaps = [later - earlier for earlier, later in zip(dues, dues[20:], strict=False)]
    assert min(gaps) > 0.99  # the clocks of processes and Redis differ by milliseconds


def test_a_restarted_machine_does_not_wait_for_the_old_clock(
    tmp_path: Path, watch: FakeClock
) -> None:
    FileBudget(tmp_path / "name").slot(0.1, 10)
    watch.now = 3.0
    slots = [FileBudget(tmp_path / "name").slot(0.1, 10).due for _ in range(2)]
    assert slots == pytest.approx([3.1, 3.2])


@pytest.mark.slow
def test_a_killed_process_does_not_lock_the_budget(tmp_path: Path) -> None:
    script = (
        "import os, sys, pathlib\n"
        "from tap_customerio.ratelimit.budget import FileBudget\n"
        "budget = FileBudget(pathlib.Path(sys.argv[1]))\n"
        "with budget._locked():\n"
        "    print(flush=True)\n"
        "    sys.stdin.read()\n"
    )
    path = tmp_path / "name"
    words = [sys.executable, "-c", script, str(path)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    threading.Timer(0.2, process.kill).start()
    before = time.monotonic()
    FileBudget(path).slot(0.1, 10)
    assert time.monotonic() - before > 0.15  # it was locked until then
    process.communicate()


def test_a_file_that_a_power_cut_has_zeroed_is_a_new_budget(tmp_path: Path) -> None:
    path = tmp_path / "budget"
    path.write_bytes(bytes(448))
    for _ in range(2):
        limiter = RateLimiter(10, FileBudget(path))
        limiter.wait()
        assert limiter.rate == RateLimiter(10).rate


def test_a_file_that_is_no_budget_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    config = config_for(sandbox, rate_limit_url=f"file:{tmp_path}")
    name = hashlib.blake2b(sandbox.app_api_key.encode(), digest_size=16).hexdigest()
    (tmp_path / name).write_bytes(b"hello")
    problem = run_tap(config, streams=["segments"], fails=True).problem
    assert str(tmp_path / name) in problem
    assert "rate_limit_url" in problem
    assert not sandbox.calls


def test_a_folder_that_cannot_be_created_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = config_for(sandbox, rate_limit_url=f"file://localhost{tmp_path}/file/folder")
    problem = run_tap(config, streams=["segments"], fails=True).problem
    assert f"{tmp_path}/file/folder" in problem
    assert "choose a folder" in problem


def test_windows_supports_no_budget_in_a_folder(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sharing, "os", SimpleNamespace(name="nt"))
    with pytest.raises(errors.TapError, match="not on Windows"):
        run_tap(config_for(sandbox, rate_limit_url=f"file:{tmp_path}"), streams=["segments"])


def test_each_key_has_its_own_budget(tmp_path: Path) -> None:
    for key in ("one", "two"):
        config = TapCustomerio(config={"app_api_key": key}).config
        settings = Settings.of({**config, "rate_limit_url": f"file:{tmp_path}"})
        budget_of(settings, 1).slot(100, 10)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_track_api_does_not_use_the_budget(tmp_path: Path, sandbox: Sandbox) -> None:
    from tap_customerio.api.track import Track  # noqa: PLC0415

    places = {"rate_limit_url": f"file:{tmp_path}", "track_api_url": sandbox.track_url}
    config = TapCustomerio(config=config_for(sandbox, **places)).config
    Track(Settings.of(config), "us").limiter.wait()
    assert not list(tmp_path.iterdir())
