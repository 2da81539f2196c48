"""Killed and terminated runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from backfill.backfilling import TARGET, fake_target, keys
from e2e.processes import PATIENCE, end, wait_until
from harness import Output, config_for, few_senders, new_sandbox, run_tap
from orchestration import deployed
from orchestration.dagster_harness import KEY, QUIET

from tap_customerio.windows import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.slow

KEPT = "tap-customerio/history/2026-03-01|acme"
NOW = parse("2026-04-01")
UNHEARD = f"import contextlib\n{TARGET}".replace(
    "        print", "        with contextlib.suppress(BrokenPipeError): print"
)
"""A target that ignores a closed standard output."""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Responds so slowly that there is time to end the run."""
    with new_sandbox(now=NOW, workspace=few_senders(), latency_ms=200) as box:
        yield box


@pytest.fixture
def instance(
    box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """An instance in a folder, shared by processes; its runs load a file."""
    target = fake_target(tmp_path, UNHEARD)
    variables = {"DAGSTER_HOME": str(tmp_path), "ACME_URL": box.url, "ACME_TARGET": target}
    for name, value in {**variables, KEY: box.app_api_key}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "dagster.yaml").write_text(json.dumps(QUIET))
    with dg.DagsterInstance.get() as instance:
        yield instance


@contextmanager
def running(instance: dg.DagsterInstance, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run in a separate process, after the target has confirmed a state."""
    tests = str(Path(__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, *sys.path])}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, deployed.__file__],
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    storage = instance.daemon_cursor_storage

    def has_state() -> bool:
        time.sleep(0.1)  # a query takes long
        held = storage.get_cursor_values({KEPT}).get(KEPT, "")
        return '"replication_key_value"' in held or process.poll() is not None

    try:
        wait_until(has_state, "a state")
        assert process.poll() is None, (folder / "log").read_text()
        yield process
    finally:
        end(process)


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """The tap and the target among the child processes of a run."""
    pids = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids.split()}
    ours = b"\0tap_customerio\0", b"target.py"
    return [pid for pid, command in commands.items() if any(word in command for word in ours)]


def alive(pid: int) -> bool:
    """Whether a process still runs, without zombies."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends what a dead process started")
def test_after_kill_9_tap_and_target_end_and_a_re_execution_resumes(
    box: Sandbox, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    with running(instance, tmp_path) as process:
        pids = children(process)
        assert len(pids) == 2
        process.kill()
        process.wait()
        wait_until(lambda: not any(map(alive, pids)), "the end of tap and target")
    received = keys(Output.of(whole_lines(tmp_path / "kept.jsonl")))
    [run] = instance.get_runs()
    assert run.status == dg.DagsterRunStatus.STARTED

    box.middleware.latency_ms = 0
    march = config_for(box, start_date="2026-03-01", end_date="2026-04-01")
    expected = keys(run_tap(march, streams=["messages", "metrics"]))
    assert received.keys() < expected.keys()
    starts = re_execute(box, instance, run)
    assert parse("2026-03-01") not in starts
    received = keys(Output.of(whole_lines(tmp_path / "kept.jsonl")))
    assert received.keys() == expected.keys()
    assert parse("2026-03-01") in re_execute(box, instance, run), "it was complete"


def re_execute(box: Sandbox, instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[int]:
    """Execute the run again; returns the starts of the ranges of deliveries it requests."""
    box.forget()
    again = dg.execute_job(
        dg.build_reconstructable_job("orchestration.deployed", "history"),
        instance,
        tags=deployed.MARCH,
        reexecution_options=dg.ReexecutionOptions(run.run_id),
    )
    assert again.success
    return [int(call.query["start_ts"]) for call in box.calls if call.path == "/v1/messages"]


def whole_lines(path: Path) -> Iterator[bytes]:
    """The lines that are complete."""
    return (line for line in path.read_bytes().splitlines() if line.endswith(b"}"))


def test_a_terminated_run_ends_the_tap_keeps_the_confirmed_state_and_is_not_retried(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    with running(instance, tmp_path) as process:
        pids = children(process)
        assert len(pids) == 2
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
        assert not any(map(alive, pids))
    [run] = instance.get_runs()
    assert run.status == dg.DagsterRunStatus.FAILURE
    events = [entry.dagster_event for entry in instance.all_logs(run.run_id)]
    [failed] = [event for event in events if event is not None and event.is_step_failure]
    why: Any = failed.step_failure_data.user_failure_data
    assert why.description.startswith(
        "Terminated: the last state that the target confirmed is kept"
    )
    assert "STEP_UP_FOR_RETRY" not in {event.event_type_value for event in events if event}
    states = Output.of(whole_lines(tmp_path / "kept.jsonl")).states
    held = instance.daemon_cursor_storage.get_cursor_values({KEPT})[KEPT]
    assert str(states[-1]["bookmarks"]["messages"]["replication_key_value"]) in held
