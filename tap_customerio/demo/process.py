"""Processes that end with the demo."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING, Any

from tap_customerio import errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@contextlib.contextmanager
def started(command: Sequence[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process, which is killed if it has not ended when the context does."""
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stderr=errors, **options) as process,  # noqa: S603
    ):
        try:
            yield process
        finally:
            process.kill()


def check(name: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Make sure that a process has done its work.

    Raises:
        TapError: When it failed; tells the last line of its log.
    """
    if process.wait():
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        last = next((line.strip() for line in reversed(lines) if line.strip()), "no reason given")
        raise errors.commands.demo_failed(name, process.returncode, last)
