"""The tap as a process: kill -9, signals, slow and dead targets, closed streams."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness import CORE, NOW, Output, Process, config_for, run_tap, select

from tap_customerio.sandbox import Workspace
from tap_customerio.sandbox.faults.injection import Faults
from tap_customerio.windows import parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_customerio.sandbox import Sandbox

LONG_AGO = parse("2024-10-01")
pytestmark = pytest.mark.e2e


def busy_sandbox(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """Responds slowly, with two dozen windows, some of several pages."""
    return make_sandbox(workspace=Workspace(since=LONG_AGO, per_day=20, people=50), latency_ms=60)


@pytest.mark.parametrize("states", [1, 3, 6])
def test_after_kill_9_the_last_state_loses_nothing_and_repeats_at_most_one_window(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path, states: int
) -> None:
    box = busy_sandbox(make_sandbox)
    config = config_for(box, start_date=rfc3339(LONG_AGO))
    tap = Process(tmp_path, config, catalog=select(["messages"]))
    lines = tap.lines_until_states(states)
    code, rest, _ = tap.end(signal.SIGKILL)
    assert code == -signal.SIGKILL
    whole = [line for line in lines + rest if line.endswith(b"\n")]
    first = Output.of(whole)
    second = run_tap(config, streams=["messages"], state=first.states[-1])

    truth = {row["id"] for row in box.workspace.deliveries(LONG_AGO, NOW, now=NOW)}
    assert set(first.ids("messages")) | set(second.ids("messages")) == truth
    mark = first.bookmark("messages")
    repeated = set(first.ids("messages")) & set(second.ids("messages"))
    assert all(
        record["created"] >= mark
        for record in first.records["messages"]
        if record["id"] in repeated
    )
    assert len(second.ids("messages")) == len(set(second.ids("messages")))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_between_pages_with_complete_lines_and_its_own_code(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path, number: signal.Signals
) -> None:
    box = busy_sandbox(make_sandbox)
    config = config_for(box, start_date=rfc3339(LONG_AGO))
    tap = Process(tmp_path, config, catalog=select(["messages"]))
    lines = tap.lines_until_states(2)
    code, rest, log = tap.end(number)
    assert code == 128 + number
    name = "Ctrl+C (SIGINT)" if number == signal.SIGINT else "SIGTERM"
    assert f"Stopped by {name}: the next run continues from the last state." in log
    assert all(line.endswith(b"\n") for line in lines + rest)
    assert "Traceback" not in log
    first = Output.of(lines + rest)
    second = run_tap(config, streams=["messages"], state=first.states[-1])
    truth = {row["id"] for row in box.workspace.deliveries(LONG_AGO, NOW, now=NOW)}
    assert set(first.ids("messages")) | set(second.ids("messages")) == truth


def test_a_target_that_exits_ends_the_run_with_a_sentence(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    box = busy_sandbox(make_sandbox)
    tap = Process(tmp_path, config_for(box), catalog=select(["messages"]))
    tap.lines_until_states(1)
    tap.stdout.close()
    assert tap.process.wait(30) == 1
    assert "The target stopped reading" in tap.log.read_text()
    assert "Traceback" not in tap.log.read_text()
    assert "Exception ignored" not in tap.log.read_text()


def check_confirmed_rows(output: Output, box: Sandbox) -> None:
    """All deliveries before the last bookmark have arrived, and something was finished."""
    mark = parse(output.bookmark("messages"))
    truth = {row["id"] for row in box.workspace.deliveries(LONG_AGO, mark, now=NOW)}
    assert truth
    assert truth <= set(output.ids("messages"))


def stop(tap: Process, *numbers: int) -> None:
    for number in numbers:
        tap.process.send_signal(number)


def test_both_signals_at_once_to_a_tap_with_a_slow_target(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    box = make_sandbox(workspace=Workspace(since=LONG_AGO, per_day=60, people=50))
    config = config_for(box, start_date=rfc3339(LONG_AGO))
    tap = Process(tmp_path, config, catalog=select(["messages"]))
    lines = tap.lines_until_states(2)
    time.sleep(0.5)  # the pipe fills
    stop(tap, signal.SIGTERM, signal.SIGINT)
    time.sleep(0.5)
    code, rest, log = tap.end()
    assert code in {128 + signal.SIGTERM, 128 + signal.SIGINT}
    assert "Traceback" not in log
    assert all(line.endswith(b"\n") for line in lines + rest)
    check_confirmed_rows(Output.of(lines + rest), box)


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGTERM]])
def test_a_blocked_target_does_not_keep_a_stopped_tap(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path, signals: list[int]
) -> None:
    box = make_sandbox(workspace=Workspace(since=LONG_AGO, per_day=60, people=50))
    config = config_for(box, start_date=rfc3339(LONG_AGO))
    tap = Process(tmp_path, config, catalog=select(["messages"]))
    lines = tap.lines_until_states(1)
    time.sleep(0.5)
    stop(tap, *signals)
    code = tap.process.wait(10)  # nothing is read meanwhile
    _, rest, log = tap.end()
    assert code in {128 + number for number in signals}
    assert "Traceback" not in log
    assert all(line.endswith(b"\n") for line in lines + rest)
    check_confirmed_rows(Output.of(lines + rest), box)


def test_a_stopped_tap_leaves_complete_lines_of_any_length_in_a_full_pipe(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    faults = Faults("longer_text", rate=1, path="/v1/messages", in_a_row=1000)
    workspace = Workspace(since=LONG_AGO, per_day=2, people=50)
    box = make_sandbox(workspace=workspace, faults=faults)
    config = config_for(box, start_date=rfc3339(LONG_AGO))
    tap = Process(tmp_path, config, catalog=select(["messages"]))
    lines = tap.lines_until_states(1)
    time.sleep(0.5)  # the pipe fills
    stop(tap, signal.SIGTERM)
    assert tap.process.wait(30) == 128 + signal.SIGTERM
    _, rest, log = tap.end()
    assert "Traceback" not in log
    assert min(len(line) for line in rest if b'"RECORD"' in line) > 8192
    assert all(line.endswith(b"\n") for line in lines + rest)
    check_confirmed_rows(Output.of(lines + rest), box)


def test_a_tap_that_waits_for_the_api_notices_that_its_target_exited(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    box = make_sandbox()
    tap = Process(tmp_path, config_for(box), catalog=select(["messages"]))
    tap.lines_until_states(1)
    box.middleware.latency_ms = 600_000
    tap.stdout.close()
    assert tap.process.wait(20) == 1
    assert "The target stopped reading" in tap.log.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_an_error(make_sandbox: Callable[..., Sandbox], tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        tap = Process(tmp_path, config_for(make_sandbox()), stdout=full, catalog=select(CORE))
    assert tap.process.wait(30) == 1
    log = tap.log.read_text()
    assert "Cannot write to stdout: No space left on device" in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("closed", "code", "said"),
    [
        ("<&-", 0, "requests: "),
        (">&-", 1, "Cannot write to stdout: it is closed"),
        ("<&- >&-", 1, "Cannot write to stdout: it is closed"),
        ("2>&-", 0, ""),
        ("<&- 2>&-", 0, ""),
    ],
)
def test_closed_standard_streams(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path, closed: str, code: int, said: str
) -> None:
    box = make_sandbox()
    tap = Process(tmp_path, config_for(box), shell=closed, catalog=select(["segments"]))
    ended, lines, log = tap.end()
    assert ended == code
    assert said in log
    assert "Traceback" not in log
    assert len(Output.of(lines).records["segments"]) == (0 if code else 10)
