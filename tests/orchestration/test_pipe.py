"""Two programs in a pipe, which end with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tap_customerio.pipeline.processes import _GUARD, Pipe

if TYPE_CHECKING:
    from pathlib import Path

TAP = """
import sys
for _ in range({lines}):
    print("x" * 99)
"""
TARGET = """
import subprocess, sys
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(str(helper.pid))
{reads}
print("confirmed")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "reads", "codes"),
    [
        (10, "sys.stdin.read()", (0, 0)),
        (10_000, "sys.stdin.readline()", (128 + signal.SIGTERM, 0)),
    ],
    ids=["whole", "dies"],
)
def test_a_process_that_the_target_leaves_running_does_not_block(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lines: int,
    reads: str,
    codes: tuple[int, int],
) -> None:
    monkeypatch.setattr(Pipe, "linger", 0.5)
    helper = tmp_path / "helper"
    heard: list[tuple[str, str]] = []
    pipe = Pipe(
        [sys.executable, "-c", TAP.format(lines=lines)],
        [sys.executable, "-c", TARGET.format(reads=reads), str(helper)],
        tap_env=os.environ,
        target_env=os.environ,
    )
    try:
        assert pipe.run(lambda source, line: heard.append((source, line))) == codes
    finally:
        os.kill(int(helper.read_text()), signal.SIGKILL)  # it was still running
    assert ("state", "confirmed") in heard
    assert any("keeps its output open" in line for _, line in heard)


UNTIL_TERMINATED = """
import os, sys, time
print("row")
sys.stdout.flush()
print(os.getsid(0), file=sys.stderr, flush=True)
time.sleep(600)
"""
READS_ALL = """
import os, sys, time
print(os.getsid(0), file=sys.stderr, flush=True)
print(sys.stdin.read(), flush=True)
time.sleep({then})
open(sys.argv[1], "w").close()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("patience", "then"), [(60.0, 0), (0.2, 20)], ids=["ends", "hangs"])
def test_after_an_interruption_the_target_has_time_for_its_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: float, then: int
) -> None:
    monkeypatch.setattr(Pipe, "patience", patience)
    ended, heard = tmp_path / "ended", list[tuple[str, str]]()
    pipe = Pipe(
        [sys.executable, "-c", UNTIL_TERMINATED],
        [sys.executable, "-c", READS_ALL.format(then=then), str(ended)],
        tap_env=os.environ,
        target_env=os.environ,
    )

    def interrupt(source: str, line: str) -> None:
        heard.append((source, line))
        if {name for name, _ in heard} == {"tap", "target"}:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipe.run(interrupt)
    if then:
        assert not ended.exists(), "it was not killed"
    else:
        assert ended.exists()
        assert ("state", "row") in heard
    sessions = {int(line) for source, line in heard if source != "state" and line}
    assert len(sessions - {os.getsid(0)}) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends what a dead process started")
def test_a_program_whose_parent_has_died_does_not_start() -> None:
    ran = subprocess.run([*_GUARD, "0", "echo", "started"], capture_output=True, check=False)
    assert (ran.returncode, ran.stdout) == (128 + signal.SIGTERM, b"")
