"""A backfill with a target process: input, exit codes, signals, and saved states."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import stat
from typing import TYPE_CHECKING

import psutil
import pytest
from backfill.backfilling import TARGET, Backfill, keys
from e2e.processes import wait_until
from harness import SINCE

from tap_customerio.pipeline.target import Target
from tap_customerio.sandbox import Workspace
from tap_customerio.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox
    from tap_customerio.sandbox.server.middleware import Call

pytestmark = pytest.mark.slow

OPTIONS = ("--from", rfc3339(SINCE), "--to", "2026-03-20", "--stream", "messages")
CODES = "The tap exited with code {}, the target with {}."

DIES = TARGET.replace("    if line", "    if seen.tell() > 200_000: sys.exit(3)\n    if line")
FAILS_AT_THE_END = TARGET + "sys.exit(3)\n"
CONFIRMS_NOTHING = "import sys\nfor line in sys.stdin: pass\n"
STUBBORN = """
import pathlib, signal, sys, time
def note(number, frame):
    pathlib.Path(sys.argv[1]).write_text(str(number))
    sys.exit(7)
signal.signal(signal.SIGTERM, note)
pathlib.Path(sys.argv[1]).touch()
print("ready", flush=True)
for line in sys.stdin: pass
time.sleep(60)
"""


LEAVES_A_HELPER = """
import subprocess, sys
from pathlib import Path
helper = [sys.executable, "-c", "import time; time.sleep(600)"]
Path(sys.argv[1]).with_name("helper").write_text(str(subprocess.Popen(helper).pid))
"""
"""The first lines of a target that starts a helper process, which inherits its files."""


@contextlib.contextmanager
def helper_ended(folder: Path) -> Iterator[None]:
    """Kill the helper at the end."""
    try:
        yield
    finally:
        helper = psutil.Process(int((folder / "helper").read_text()))
        assert helper.is_running(), "the helper ended with its target"
        helper.kill()


@pytest.fixture(autouse=True)
def no_process_remains() -> Iterator[None]:
    """All targets have ended."""
    before = {*psutil.Process().children()}
    yield
    assert {*psutil.Process().children()} <= before


def saved_state(backfill: Backfill) -> dict[str, object]:
    state: dict[str, object] = json.loads(backfill.state.read_text())
    return state


def test_the_target_receives_everything_and_its_last_state_is_saved(
    backfill: Backfill, caplog: pytest.LogCaptureFixture
) -> None:
    whole = backfill.run(*OPTIONS).output
    with caplog.at_level(logging.INFO):
        ran = backfill.run(*OPTIONS, *backfill.target())
    assert ran == (0, "", None)
    assert keys(backfill.received()) == keys(whole)
    assert saved_state(backfill) == backfill.received().states[-1]
    assert stat.S_IMODE(backfill.state.stat().st_mode) == 0o600
    assert [path.name for path in backfill.folder.glob(".*")] == []
    assert CODES.format(0, 0) in caplog.text


def test_the_default_state_file_is_named_after_the_streams(
    backfill: Backfill, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(backfill.folder)
    command = backfill.target()[:2]
    with caplog.at_level(logging.INFO):
        assert backfill.run(*OPTIONS, *command, "--shard", "2/3").code == 0
    [path] = backfill.folder.glob("backfill_*")
    assert path.name == "backfill_2026-02-01_2026-03-20_messages_2-of-3.json"
    assert f"State file: {path.name}" in caplog.text


def test_after_a_target_dies_the_same_command_resumes(
    backfill: Backfill, caplog: pytest.LogCaptureFixture
) -> None:
    whole = keys(backfill.run(*OPTIONS).output)
    with caplog.at_level(logging.INFO):
        died = backfill.run(*OPTIONS, *backfill.target(DIES))
    assert died.code == 1
    assert "The target stopped reading" in caplog.text
    assert CODES.format(1, 3) in caplog.text
    before = backfill.received().states[-1]
    assert saved_state(backfill) == before
    assert before["bookmarks"]["messages"]
    backfill.box.forget()
    assert backfill.run(*OPTIONS, *backfill.target()).code == 0
    assert keys(backfill.received()).keys() == whole.keys()
    starts = [int(query["start_ts"]) for query in backfill.asked()]
    assert rfc3339(min(starts)) == before["bookmarks"]["messages"]["replication_key_value"]


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (FAILS_AT_THE_END, "The target exited with code 3: its log says why."),
        (CONFIRMS_NOTHING, "The target has not confirmed messages:"),
        ("", "The target has not confirmed messages:"),
    ],
    ids=["fails", "confirms nothing", "reads nothing"],
)
def test_a_target_that_reads_everything_but_fails_is_an_error(
    backfill: Backfill, script: str, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    options = (*OPTIONS, "--from", "2026-03-19T22:00:00Z")
    ran = backfill.run(*options, *backfill.target(script))
    assert ran.code == 1
    assert sentence in str(ran.problem) or "The target stopped reading" in caplog.text


def test_a_tap_that_fails_sends_the_target_no_partial_line(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = make_sandbox(workspace=Workspace(since=SINCE, per_day=2500, people=50))
    pages = []

    def answered(call: Call) -> None:
        pages.append(call.path)
        if pages.count("/v1/messages") == 2:
            box.fail(status=401, path="/v1/messages")

    box.middleware.on_response = answered
    backfill = Backfill(box, tmp_path)
    options = (*OPTIONS, "--to", rfc3339(SINCE + 2 * 86_400), *backfill.target())
    with caplog.at_level(logging.INFO):
        assert backfill.run(*options).code == 1
    assert CODES.format(1, 0) in caplog.text
    assert 0 < len(backfill.received().records["messages"]) <= 2000
    assert backfill.run(*options).code == 0
    assert len(keys(backfill.received())) > 3000


def stop_at(backfill: Backfill, calls: int) -> None:
    """Send this process a signal after a number of requests, once the target has started."""
    left = [calls]

    def answered(call: Call) -> None:  # noqa: ARG001
        left[0] -= 1
        if left[0] == 0:
            wait_until(backfill.kept.exists, "the target")
            os.kill(os.getpid(), signal.SIGTERM)

    backfill.box.middleware.on_response = answered


@contextlib.contextmanager
def stopping_again() -> Iterator[None]:
    """Send this process a second signal when the tap handles the first."""
    tap = logging.getLogger("tap-customerio")

    def look(record: logging.LogRecord) -> bool:
        if record.msg.startswith("Stopped by"):
            os.kill(os.getpid(), signal.SIGTERM)
        return True

    tap.addFilter(look)
    yield
    tap.removeFilter(look)


@pytest.fixture(autouse=True)
def reset_middleware(backfill: Backfill) -> Iterator[None]:
    """Reset the shared sandbox."""
    yield
    backfill.box.middleware.on_response = None


def test_a_signal_ends_the_tap_and_lets_the_target_finish(
    backfill: Backfill, caplog: pytest.LogCaptureFixture
) -> None:
    whole = keys(backfill.run(*OPTIONS, "--stream", "metrics").output)
    stop_at(backfill, 6)
    options = (*OPTIONS, "--stream", "metrics", *backfill.target())
    with caplog.at_level(logging.INFO):
        assert backfill.run(*options).code == 128 + signal.SIGTERM
    assert CODES.format(143, 0) in caplog.text
    assert saved_state(backfill) == backfill.received().states[-1]
    assert keys(backfill.received()).keys() < whole.keys()
    backfill.box.middleware.on_response = None
    assert backfill.run(*options).code == 0
    assert keys(backfill.received()).keys() == whole.keys()


@pytest.mark.parametrize(
    ("patience", "more"),
    [(0.2, contextlib.nullcontext), (60.0, stopping_again)],
    ids=["late", "at the second"],
)
def test_a_target_that_does_not_finish_receives_the_signal(
    backfill: Backfill,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    patience: float,
    more: Callable[[], contextlib.AbstractContextManager[None]],
) -> None:
    monkeypatch.setattr(Target, "patience", patience)
    stop_at(backfill, 6)
    with caplog.at_level(logging.INFO), more():
        assert backfill.run(*OPTIONS, *backfill.target(STUBBORN)).code == 143
    assert CODES.format(143, 7) in caplog.text
    assert backfill.kept.read_text() == str(int(signal.SIGTERM))


@pytest.mark.parametrize(
    ("script", "codes"), [(TARGET, (0, 0)), (DIES, (1, 3))], ids=["good", "dies"]
)
def test_a_process_that_the_target_leaves_running_does_not_block(
    backfill: Backfill,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    script: str,
    codes: tuple[int, int],
) -> None:
    monkeypatch.setattr(Target, "linger", 0.5)
    with helper_ended(backfill.folder), caplog.at_level(logging.INFO):
        assert backfill.run(*OPTIONS, *backfill.target(LEAVES_A_HELPER + script)).code == codes[0]
    assert CODES.format(*codes) in caplog.text
    assert "keeps its output open" in caplog.text
    assert saved_state(backfill) == backfill.received().states[-1]


def test_an_unwritable_state_file_is_an_error(backfill: Backfill) -> None:
    away = "pathlib.Path(sys.argv[2]).is_dir() and pathlib.Path(sys.argv[2]).rename(sys.argv[3])"
    script = TARGET.replace("    seen.write", f"    {away}\n    seen.write")
    folder = backfill.folder / "states"
    folder.mkdir()
    backfill.state = folder / "state.json"
    options = backfill.target(script)
    options[1] += f" {folder} {folder}-away"
    ran = backfill.run(*OPTIONS, *options)
    assert ran.code == 1
    assert str(ran.problem).startswith(f"--state is '{backfill.state}': it cannot be used")
