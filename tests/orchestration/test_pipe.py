"""Two programs in a pipe; the second leaves a process running."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tap_customerio.pipeline.processes import Pipe

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
