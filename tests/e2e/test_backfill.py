"""Backfills into real targets: killed at any time, restating, and with Meltano's own state."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

import psutil
import pytest
from e2e import rows, truth
from e2e.processes import (
    PATIENCE,
    environment,
    holding_back,
    installed,
    run,
    wait_until,
    write,
)
from e2e.project import settings
from e2e.warehouse import SCHEMA
from harness import few_senders, new_sandbox

from tap_customerio.backfill.job import STATE_KEY, State
from tap_customerio.windows import DAY, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from e2e.project import Project
    from e2e.warehouse import Warehouse

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.e2e

SINCE = parse("2026-01-01")
NOW = SINCE + 60 * DAY
STREAMS = ("messages", "metrics")
KILLS = 5
CALLS = 26
"""About the number of requests of a whole run."""
CODES = {"none": {0}, "tap": {-signal.SIGKILL}, "both": {-signal.SIGKILL}, "target": {0, 1}}
"""The exit code of a tap that is done before its target is killed."""
CONFIRMING = """
from target_postgres.target import TargetPostgres

class Confirming(TargetPostgres):
    def _process_state_message(self, message_dict):
        super()._process_state_message(message_dict)
        if sum(sink.current_size for sink in self._sinks_active.values()) >= 100:
            self.drain_all()

Confirming.cli()
"""
"""target-postgres that confirms every 100 rows, not only at the end or after five minutes."""


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    workspace = few_senders(since=SINCE, per_day=60, people=100)
    with new_sandbox(now=NOW, workspace=workspace) as box:
        yield box


@pytest.fixture(scope="module")
def one_job(
    box: Sandbox,
    make_warehouse: Callable[..., Warehouse],
    target_command: Callable[..., list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Warehouse:
    """The tables after an undisturbed backfill."""
    folder = tmp_path_factory.mktemp("one")
    warehouse = make_warehouse("duckdb", folder)
    run(command(box, folder, target_command(warehouse, folder), STREAMS), env=environment())
    assert warehouse.keys(STREAMS) == truth.keys(box, STREAMS)
    return warehouse


def command(box: Sandbox, folder: Path, target: Sequence[str], streams: Sequence[str]) -> list[str]:
    """A full backfill of these streams."""
    config = {"app_api_key": box.app_api_key, "api_url": box.url, "requests_per_second": 100}
    # exec: the target has the process id in the file.
    watched = f"echo $$ > {folder / 'pid'}; exec {shlex.join(target)}"
    return [
        *(installed("tap-customerio"), "backfill", "--config", write(folder / "tap.json", config)),
        *("--from", rfc3339(SINCE), "--to", rfc3339(NOW)),
        *(word for stream in streams for word in ("--stream", stream)),
        *("--target", shlex.join(["sh", "-c", watched]), "--state", str(folder / "state.json")),
    ]


def test_a_backfill_killed_at_any_moment_continues_and_misses_nothing(
    box: Sandbox,
    one_job: Warehouse,
    make_warehouse: Callable[..., Warehouse],
    target_command: Callable[..., list[str]],
    tmp_path: Path,
) -> None:
    moments, kills = Random(6), 0
    for number in range(KILLS):
        folder = tmp_path / str(number)
        folder.mkdir()
        warehouse = make_warehouse("duckdb", folder)
        target = target_command(warehouse, folder, batch_size_rows=200)
        backfill = command(box, folder, target, STREAMS)
        mark = SINCE
        if not kills:
            kill_held_back(box, backfill, folder)
            kills += 1
            mark = confirmed(box, warehouse, saved(folder))
        while kills < KILLS and killed(box, backfill, folder, moments):
            kills += 1
            before, mark = mark, confirmed(box, warehouse, saved(folder))
            assert mark >= before
        box.forget()
        done = "messages" in saved(folder)[STATE_KEY]["done"]
        run(backfill, env=environment())
        assert min(starts(box), default=NOW) == (NOW if done else mark)
        assert warehouse.keys(STREAMS) == truth.keys(box, STREAMS)
        check_tables(warehouse, one_job)
        if kills == KILLS:
            return


def killed(box: Sandbox, backfill: Sequence[str], folder: Path, moments: Random) -> bool:
    """Kill tap, target or both at some time; false if they had already ended."""
    box.forget()
    (folder / "pid").unlink(missing_ok=True)
    calls, victims = moments.randint(1, CALLS), moments.choice(["tap", "target", "both"])
    pipe = subprocess.PIPE
    with subprocess.Popen(backfill, stderr=pipe, env=environment()) as process:
        try:
            wait_until(lambda: process.poll() is not None or len(box.calls) >= calls, "calls")
            time.sleep(moments.random() / 10)
            if ended := process.poll() is not None:
                victims = "none"
            if victims in {"tap", "both"}:
                process.kill()
            if victims in {"target", "both"}:
                end_at_once(folder / "pid")
            # Until the target closes the log, too: it may outlive its tap, to load the rest.
            _, log = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode in CODES[victims], log.decode()
    return not ended


def end_at_once(pid: Path) -> None:
    """Kill the process whose id is in this file, if the file exists."""
    with suppress(FileNotFoundError, ValueError, ProcessLookupError):
        os.kill(int(pid.read_text()), signal.SIGKILL)


def saved(folder: Path) -> State:
    """The state of the backfill; an empty one before it begins."""
    with suppress(FileNotFoundError):
        state: State = json.loads((folder / "state.json").read_text())
        return state
    return {STATE_KEY: {"done": []}}


def bookmark(state: State | None, default: int = SINCE) -> int:
    """The end of the messages that the target has confirmed."""
    mark = ((state or {}).get("bookmarks") or {}).get("messages", {}).get("replication_key_value")
    return parse(mark) if mark else default


def shards(state: State) -> list[State | None]:
    """The states of the shards of a backfill with several jobs; else its only state."""
    return state[STATE_KEY].get("shares") or [state]


def starts(box: Sandbox) -> list[int]:
    """The starts of the requested windows of messages."""
    return [int(call.query["start_ts"]) for call in box.calls if call.path == "/v1/messages"]


def confirmed(box: Sandbox, warehouse: Warehouse, state: State | None, start: int = SINCE) -> int:
    """The bookmark; no delivery before it is missing."""
    mark = bookmark(state, start)
    if mark > start:
        query = (
            f"select count(*) from {SCHEMA}.messages where created >= '{rfc3339(start)[:-1]}' "
            f"and created < '{rfc3339(mark)[:-1]}'"
        )
        assert warehouse.ask(query) == [(box.workspace.count_deliveries(start, mark, now=NOW),)]
    return mark


def test_two_jobs_killed_and_run_again_load_what_one_job_loads(
    box: Sandbox,
    one_job: Warehouse,
    make_warehouse: Callable[..., Warehouse],
    target_command: Callable[..., list[str]],
    tmp_path: Path,
) -> None:
    warehouse = make_warehouse("postgres", tmp_path)
    (tmp_path / "target.py").write_text(CONFIRMING)
    _, *options = target_command(warehouse, tmp_path)
    target = [sys.executable, str(tmp_path / "target.py"), *options]
    backfill = [*command(box, tmp_path, target, STREAMS), "--jobs", "2"]
    edges = [SINCE + number * (NOW - SINCE) // 2 for number in range(3)]

    kill_held_back(box, backfill, tmp_path)
    marks = [
        confirmed(box, warehouse, state, start)
        for state, start in zip(shards(saved(tmp_path)), edges, strict=False)
    ]
    box.forget()
    run(backfill, env=environment())
    for start, mark, end in zip(edges, marks, edges[1:], strict=False):
        assert min((at for at in starts(box) if start <= at < end), default=end) == mark
    assert warehouse.keys(STREAMS) == truth.keys(box, STREAMS)
    check_tables(warehouse, one_job)


def check_tables(found: Warehouse, expected: Warehouse) -> None:
    """The rows of both are the same."""
    for stream in STREAMS:
        assert counted(found.table(stream)) == counted(expected.table(stream))


def counted(table: dict[truth.Key, rows.Row]) -> dict[truth.Key, rows.Row]:
    """Without zeros: the API omits a count that is zero in a whole range."""
    return {
        key: {name: value for name, value in row.items() if value} for key, row in table.items()
    }


def kill_held_back(box: Sandbox, backfill: Sequence[str], folder: Path) -> None:
    """Kill the command after the first bookmark of the last shard; its children must end.

    The sandbox does not respond about the last days, so that messages cannot end before.
    """
    box.forget()
    answering, box.middleware.app = (
        box.middleware.app,
        holding_back(box.middleware.app, NOW - 5 * DAY),
    )

    def begun() -> bool:
        return bookmark(shards(saved(folder))[-1]) > SINCE

    with subprocess.Popen(backfill, env=environment()) as process:
        try:
            wait_until(lambda: process.poll() is not None or begun(), "a bookmark")
            descendants = psutil.Process(process.pid).children(recursive=True)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGKILL
    assert descendants
    wait_until(lambda: not any(child.is_running() for child in descendants), "the end of all")
    box.middleware.app = answering
    asked = [tuple(call.query.items()) for call in box.calls if call.path == "/v1/messages"]
    assert len({*asked}) == len(asked)  # they did not wait for the timeout of a request


def test_restating_replaces_rows_and_brings_late_opens(
    box: Sandbox,
    one_job: Warehouse,
    make_warehouse: Callable[..., Warehouse],
    target_command: Callable[..., list[str]],
    tmp_path: Path,
) -> None:
    warehouse = make_warehouse("duckdb", tmp_path)
    shutil.copy(one_job.place["path"], warehouse.place["path"])
    target = target_command(warehouse, tmp_path)
    before = warehouse.table("messages")
    box.clock.advance(20 * DAY)
    try:
        run(command(box, tmp_path, target, ["messages"]), env=environment())
        expected = {
            key: row
            for key, row in truth.table(box, "messages").items()
            if row["created"] < rows.instant(NOW)
        }
    finally:
        box.clock.advance(-20 * DAY)
    after = warehouse.table("messages")
    assert after == expected
    assert sum(warehouse.keys(["messages"])["messages"].values()) == len(expected)
    opened = [key for key, row in before.items() if "opened" not in row["metrics"]]
    assert any("opened" in after[key]["metrics"] for key in opened)


def test_a_backfill_does_not_use_meltanos_hourly_state(
    project: Project,
    box: Sandbox,
    make_warehouse: Callable[..., Warehouse],
    tmp_path: Path,
) -> None:
    warehouse = make_warehouse("duckdb", tmp_path)
    variables = settings(box, ["messages"]) | {"TARGET_DUCKDB_PATH": warehouse.place["path"]}
    pipeline = ["run", "tap-customerio", "target-duckdb"]
    hourly = "dev:tap-customerio-to-target-duckdb"
    middle = SINCE + 20 * DAY
    project.meltano(
        *pipeline, "--full-refresh", **variables, TAP_CUSTOMERIO_START_DATE=rfc3339(NOW - DAY)
    )
    state = project.state(hourly)

    edges = {
        "TAP_CUSTOMERIO_START_DATE": rfc3339(SINCE),
        "TAP_CUSTOMERIO_END_DATE": rfc3339(middle),
    }
    project.meltano(*pipeline, "--state-id-suffix", "january", **variables | edges)
    assert project.bookmark(f"{hourly}:january") == rfc3339(middle)

    invoke = [
        "invoke",
        "tap-customerio:backfill",
        "--from",
        rfc3339(middle),
        "--to",
        rfc3339(NOW - DAY),
    ]
    invoke += ["--target", f"{project.program} invoke target-duckdb"]
    project.meltano(
        *invoke, "--state", str(tmp_path / "state.json"), "--stream", "messages", **variables
    )
    assert project.state(hourly) == state
    assert saved(tmp_path)[STATE_KEY]["done"] == ["messages"]
    assert warehouse.keys(["messages"]) == truth.keys(box, ["messages"])
