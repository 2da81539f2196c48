"""Killed processes: the next run completes the tables, without duplicates."""

from __future__ import annotations

import signal
import time
from random import Random
from typing import TYPE_CHECKING

import pytest
from e2e import truth
from e2e.processes import Pipe, State, holding_back, sync, tap_command, wait_until
from harness import CORE, few_senders

from tap_customerio.windows import DAY, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from e2e.warehouse import Warehouse

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.e2e

SINCE = parse("2025-04-01")
NOW = SINCE + 365 * DAY
BATCH = 100
VICTIMS = [("tap", "target"), ("tap",), ("tap", "target")]
"""Killed in each round."""
MOST_IN_A_ROUND = 100 * DAY


def test_after_kill_9_a_run_with_the_last_state_makes_everything_complete(
    make_sandbox: Callable[..., Sandbox],
    make_warehouse: Callable[..., Warehouse],
    target_command: Callable[..., list[str]],
    tmp_path: Path,
) -> None:
    workspace = few_senders(since=SINCE, per_day=40, people=300)
    box = make_sandbox(now=NOW, workspace=workspace)
    answering = box.middleware.app
    warehouse = make_warehouse("duckdb", tmp_path)
    target = target_command(warehouse, tmp_path, batch_size_rows=BATCH)
    settings = {"start_date": rfc3339(SINCE), "rescan_ages": [], "requests_per_second": 1000}
    moments = Random(7)
    state: State = {}
    resumed = [SINCE]

    for victims in VICTIMS:
        box.middleware.app = holding_back(answering, after=resumed[-1] + MOST_IN_A_ROUND)
        tap = tap_command(box, tmp_path, streams=CORE, state=state, **settings)
        with Pipe(tap, target, tmp_path) as pipe:
            kill_in_the_middle_of_messages(pipe, victims, after=moments.random() / 5)
            state = [state, *pipe.states()][-1]
        resumed.append(bookmark(state))
    assert resumed == sorted(resumed)
    assert SINCE < resumed[-1] < NOW

    box.middleware.app = answering
    box.forget()
    tap = tap_command(box, tmp_path, streams=CORE, state=state, **settings)
    sync(tap, target, tmp_path)
    starts = [int(call.query["start_ts"]) for call in box.calls if call.path == "/v1/messages"]
    assert min(starts) == resumed[-1]
    assert warehouse.keys(CORE) == truth.keys(box, CORE)


def kill_in_the_middle_of_messages(pipe: Pipe, victims: tuple[str, ...], after: float) -> None:
    """Kill some seconds after the target has loaded the first batch of messages."""

    def is_loaded() -> bool:
        assert pipe.target.poll() is None, f"the target ended too early:\n{pipe.log()}"
        return any("messages" in state["bookmarks"] for state in pipe.states())

    wait_until(is_loaded, "a batch of messages loaded")
    time.sleep(after)
    for victim in victims:
        getattr(pipe, victim).kill()
    tap_code, target_code = pipe.wait()
    assert tap_code == -signal.SIGKILL
    assert target_code == -signal.SIGKILL or "target" not in victims


def bookmark(state: State) -> int:
    """The bookmark of messages, or the start date before there is one."""
    found = state["bookmarks"]["messages"]
    return parse(found["replication_key_value"]) if found else SINCE
