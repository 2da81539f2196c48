"""Parallel backfill jobs: together they read what one job reads, and they resume from one state."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import tempfile
from collections import Counter
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from backfill.backfilling import TARGET, Backfill, keys
from harness import SINCE, Output, config_for, select
from rich.console import Console

from tap_customerio.backfill.job import Job
from tap_customerio.backfill.shards import Shards
from tap_customerio.commands import backfill as command
from tap_customerio.sync.progress_bars import Bars
from tap_customerio.windows import Window, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_customerio.sandbox.server.middleware import Call

pytestmark = pytest.mark.slow

END = parse("2026-03-20")
RANGE = ("--from", rfc3339(SINCE), "--to", rfc3339(END))
OPTIONS = (*RANGE, "--stream", "messages", "--stream", "segments")
THREE = (*OPTIONS, "--jobs", "3")

EACH = TARGET.replace("sys.argv[1]", "f'{sys.argv[1]}.{os.getpid()}'").replace("sys", "os, sys", 1)
"""A target that writes a file per process."""

ONE_DIES = EACH.replace("for line", "alive = True\nfor line", 1).replace(
    "    if line",
    """
    if alive and '"type":"RECORD"' in line:
        try: pathlib.Path(sys.argv[1] + '.died').touch(exist_ok=False)
        except FileExistsError: alive = False
        else: sys.exit(3)
    if line""",
)
"""The first target that gets a record exits with code 3."""


ALONE = EACH.replace(
    "for line",
    "lock = pathlib.Path(sys.argv[1] + '.lock')\nlock.touch(exist_ok=False)\nfor line",
    1,
)
ALONE += "lock.unlink()\n"
"""A target that fails when another one runs."""


@pytest.fixture(autouse=True)
def no_process_remains(backfill: Backfill) -> Iterator[None]:
    """All jobs and targets end, and the sandbox stops calling the test."""
    before = {*psutil.Process().children(recursive=True)}  # servers of other tests
    yield
    backfill.box.middleware.on_response = None
    assert {*psutil.Process().children(recursive=True)} <= before


def received(backfill: Backfill) -> list[Output]:
    """What each target received, in the order in which they ended."""
    paths = backfill.folder.glob("kept.jsonl.*[0-9]")
    ended = sorted(paths, key=lambda path: path.stat().st_mtime_ns)
    return [Output.of(path.read_bytes().splitlines()) for path in ended]


def all_keys(backfill: Backfill) -> Counter[tuple[Any, ...]]:
    """Stream and key of every record that any target received."""
    return sum(map(keys, received(backfill)), Counter())


def states(backfill: Backfill) -> list[dict[str, Any] | None]:
    """The state of each share in the state file."""
    held: list[dict[str, Any] | None] = json.loads(backfill.state.read_text())["backfill"]["shares"]
    return held


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_three_jobs_read_what_one_reads_and_nothing_twice_within_one_budget(
    backfill: Backfill, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = keys(backfill.run(*OPTIONS).output)
    private = backfill.folder / "private"
    private.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    budgets: set[Path] = set()
    backfill.box.middleware.on_response = lambda _: budgets.update(
        private.glob("tap-customerio*/*")
    )
    caplog.clear()
    with caplog.at_level(logging.INFO):
        assert backfill.run(*THREE, *backfill.target(EACH)) == (0, "", None)
    assert all_keys(backfill) == whole
    first, *outputs = received(backfill)
    assert len(outputs) == 3
    assert first.types == ["SCHEMA", "SCHEMA"]  # so that two targets do not create the same table
    assert all(output.schemas.items() <= first.schemas.items() for output in outputs)
    assert all(output.records["messages"] for output in outputs)
    assert [bool(output.records["segments"]) for output in outputs].count(True) == 1
    assert len(budgets) == 1
    assert list(private.iterdir()) == []
    ends = [line for line in logged(caplog) if " finished, " in line]
    assert {line.partition(":")[0] for line in ends} == {
        *("messages 1/3", "messages 2/3", "messages 3/3", "segments 1/3")
    }
    assert sorted(map(str, states(backfill))) == sorted(str(out.states[-1]) for out in outputs)

    caplog.clear()
    backfill.box.forget()
    with caplog.at_level(logging.INFO):
        assert backfill.run(*THREE, *backfill.target(EACH)) == (0, "", None)
    assert "This backfill is already complete" in caplog.text
    assert not backfill.box.calls


def test_one_failing_pipe_fails_the_command_and_the_others_finish(
    backfill: Backfill, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = keys(backfill.run(*OPTIONS).output)
    url = f"file:{backfill.folder}/budget"
    ran = backfill.run(*THREE, *backfill.target(ONE_DIES), rate_limit_url=url)
    assert ran.code == 1
    done = ["messages" in (state or {})["backfill"]["done"] for state in states(backfill)]
    assert done.count(True) == 2
    failed = f"{done.index(False) + 1}/3"
    assert f"Not all jobs finished: {failed} (exit code 1)." in str(ran.problem)
    assert f"Job {failed} exited with code 1." in caplog.text
    assert f"{failed}: The target stopped reading" in caplog.text
    assert len(list((backfill.folder / "budget").iterdir())) == 1

    # With fewer parallel jobs, it resumes with the same number of shares.
    screen = Console(file=io.StringIO(), force_terminal=True, width=120)
    monkeypatch.setattr(command, "_display", lambda: lambda meter: Bars(meter, screen))
    before = len(received(backfill))
    assert backfill.run(*THREE, "--jobs", "2", *backfill.target(EACH)).code == 0
    assert len(received(backfill)) == before + 2
    assert all_keys(backfill).keys() == whole.keys()
    assert isinstance(screen.file, io.StringIO)
    assert f"messages {failed}" in screen.file.getvalue()


def test_a_signal_ends_all_jobs_and_the_same_command_resumes(
    backfill: Backfill, caplog: pytest.LogCaptureFixture
) -> None:
    whole = keys(backfill.run(*OPTIONS).output)
    two = (*OPTIONS, "--jobs", "2")
    windows: dict[int, set[str]] = {0: set(), 1: set()}

    def answered(call: Call) -> None:
        if call.path == "/v1/messages" and min(map(len, windows.values())) < 4:
            start = call.query["start_ts"]
            windows[half(int(start))].add(start)
            if min(map(len, windows.values())) == 4:
                os.kill(os.getpid(), signal.SIGTERM)

    backfill.box.middleware.on_response = answered
    with caplog.at_level(logging.WARNING):
        assert backfill.run(*two, *backfill.target(EACH), requests_per_second=5).code == 143
    assert "exited with" not in caplog.text
    assert all_keys(backfill).keys() < whole.keys()
    unfinished = [
        state for state in states(backfill) if state and "messages" not in state["backfill"]["done"]
    ]
    assert unfinished
    backfill.box.forget()
    assert backfill.run(*two, *backfill.target(EACH)).code == 0
    assert all_keys(backfill).keys() == whole.keys()
    marks = {parse(messages_bookmark(s)) for s in unfinished if messages_bookmark(s)}
    assert marks
    starts = {int(query["start_ts"]) for query in backfill.asked()}
    assert marks == {min(at for at in starts if half(at) == half(mark)) for mark in marks}


def half(at: int) -> int:
    """The job of two that reads this time."""
    return (at - SINCE) * 2 // (END - SINCE)


def messages_bookmark(state: dict[str, Any]) -> str:
    """The bookmark of messages; empty at the beginning."""
    bookmark = state["bookmarks"].get("messages") or {}
    return str(bookmark.get("replication_key_value", ""))


def test_an_unwritable_state_file_ends_all_jobs(backfill: Backfill) -> None:
    folder = backfill.folder / "states"
    folder.mkdir()
    backfill.state = folder / "state.json"

    def answered(_call: Call) -> None:
        if folder.exists():
            folder.rename(f"{folder}-away")

    backfill.box.middleware.on_response = answered
    ran = backfill.run(*OPTIONS, "--jobs", "2", *backfill.target(EACH))
    assert ran.code == 1
    assert str(ran.problem).startswith(f"--state is '{backfill.state}': it cannot be used")


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (None, "--target is 'no-such-target': it cannot be started"),
        ("import sys; sys.stdin.read(); sys.exit(4)", "The target exited with code 4: its log"),
    ],
)
def test_a_target_that_cannot_create_tables_fails_before_any_job_starts(
    backfill: Backfill, target: str | None, sentence: str
) -> None:
    state = ("--target", "no-such-target", "--state", str(backfill.state))
    ran = backfill.run(*THREE, *(backfill.target(target) if target else state))
    assert ran.code == 1
    assert str(ran.problem).startswith(sentence)
    assert not backfill.box.calls


def test_an_error_of_all_jobs_is_logged_once(
    backfill: Backfill, caplog: pytest.LogCaptureFixture
) -> None:
    options = (*RANGE, "--stream", "messages", "--jobs", "2", *backfill.target(EACH))
    ran = backfill.run(*options, app_api_key="wrong")
    assert "1/2 (exit code 1), 2/2 (exit code 1)" in str(ran.problem)
    assert len([line for line in logged(caplog) if "app_api_key" in line]) == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--jobs", "0", "--target", "cat"), "--jobs is '0': give a number from 1 to 32."),
        (("--jobs", "33", "--target", "cat"), "--jobs is '33': give a number from 1 to 32."),
        (("--jobs", "2"), "--jobs is '2': each job runs its own target; add"),
        (("--jobs", "2", "--target", "cat", "--shard", "2/3"), "--jobs is '2': it divides the"),
    ],
)
def test_impossible_jobs_are_rejected(
    backfill: Backfill, options: tuple[str, ...], sentence: str
) -> None:
    ran = backfill.run(*OPTIONS, *options)
    assert ran.code == 1
    assert str(ran.problem).startswith(sentence)
    assert not backfill.box.calls


def test_the_state_of_jobs_works_neither_for_a_shard_nor_without_a_target(
    backfill: Backfill,
) -> None:
    state = unread_state(backfill)
    target = ("--jobs", "3", *backfill.target(EACH))
    for other in (("--shard", "1/3"), (), ("--stream", "metrics", *target)):
        refused = backfill.run(*OPTIONS, "--state", str(backfill.state), *other)
        assert "shard all of 3" in str(refused.problem)
        assert refused.printed == ""
    assert backfill.state.read_text() == state


def unread_state(backfill: Backfill, count: int = 3) -> str:
    """Write the state of some jobs that have not read anything."""
    job = Job(config_for(backfill.box), select(), Window(SINCE, END), ["messages", "segments"])
    backfill.state.write_text(json.dumps(Shards.of(job, None, count).state))
    return backfill.state.read_text()


def test_no_more_jobs_run_at_a_time_than_requested(backfill: Backfill) -> None:
    whole = keys(backfill.run(*OPTIONS).output)
    unread_state(backfill, 2)
    assert backfill.run(*OPTIONS, "--jobs", "1", *backfill.target(ALONE)).code == 0
    assert all_keys(backfill) == whole


def test_a_single_job_resumes_what_several_began(
    backfill: Backfill, caplog: pytest.LogCaptureFixture
) -> None:
    options = (*RANGE, "--stream", "messages", *backfill.target())
    unread_state = backfill.run(*RANGE, "--stream", "messages").output.states[2]
    backfill.state.write_text(json.dumps(unread_state))
    backfill.box.forget()
    assert backfill.run(*options, "--jobs", "3").code == 0
    assert "was started with one job and continues with one" in caplog.text
    assert min(int(query["start_ts"]) for query in backfill.asked()) == parse(
        messages_bookmark(unread_state)
    )


def test_the_plan_of_several_jobs_is_one_sum(backfill: Backfill) -> None:
    options = (*OPTIONS, "--plan", "--json")
    whole = json.loads(backfill.run(*options).printed)
    alone = len(backfill.box.calls)
    backfill.box.forget()
    plan = json.loads(backfill.run(*options, "--jobs", "3").printed)
    assert len(backfill.box.calls) <= alone + 2  # to check for old deliveries, by each job
    assert plan["probes"] <= whole["probes"] + 2
    shards = [json.loads(backfill.run(*options, "--shard", f"{n}/3").printed) for n in (1, 2, 3)]
    assert plan["requests"] == sum(shard["requests"] for shard in shards)
    assert [stream["stream"] for stream in plan["streams"]] == ["messages", "segments"]
    messages = plan["streams"][0]
    rows = sum(shard["streams"][0]["rows"] for shard in shards)
    assert messages["rows"] == pytest.approx(rows, rel=0.01)  # a shard alone counts other periods
    assert (plan["from"], plan["to"]) == (rfc3339(SINCE), rfc3339(END))
