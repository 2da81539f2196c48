"""`tap | target` as two child processes that end with this process."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from tap_customerio import errors
from tap_customerio.pipeline.target import Target, exit_code, piped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Source = Literal["tap", "state", "target"]
    Event = tuple[Source | Literal["end"], str | None]
    OnLine = Callable[[Source, str], None]

_GUARD = [sys.executable, "-I", "-S", str(Path(__file__).with_name("parent_death.py"))]


class Pipe:
    """Runs `tap | target` and passes each line of output to a callback.

    If the callback raises or the caller is interrupted, the tap is terminated; the target then has
    `patience` seconds to load its input, and to confirm it.
    """

    patience = 60.0
    linger = Target.linger

    def __init__(
        self,
        tap: Sequence[str],
        target: Sequence[str],
        *,
        tap_env: Mapping[str, str],
        target_env: Mapping[str, str],
    ) -> None:
        """Start both in separate sessions, because Ctrl+C is for this process.

        Raises:
            OSError: A command cannot be started.
        """
        self._lines: queue.SimpleQueue[Event] = queue.SimpleQueue()
        # The kernel watches the starting thread, so the waiting thread must start them.
        self._tap = _start(tap, tap_env, stdin=subprocess.DEVNULL)
        with piped(self._tap.stdout) as between:
            try:
                self._target = _start(target, target_env, stdin=between)
            except OSError:
                self._tap.kill()
                self._tap.wait()
                raise
        self._listen("tap", self._tap.stderr)
        self._listen("state", self._target.stdout)
        self._listen("target", self._target.stderr)
        threading.Thread(target=self._await_target, name="target's end", daemon=True).start()

    def run(self, on_line: OnLine) -> tuple[int, int]:
        """Read until both have ended; return their exit codes, 128 + n for signal n."""
        self._open: set[Source] = {"tap", "state", "target"}
        try:
            self._drain(on_line)
        except BaseException:
            self._tap.terminate()
            with suppress(queue.Empty):
                self._drain(on_line, time.monotonic() + self.patience)
            raise
        finally:
            for process in (self._tap, self._target):
                if self._open:
                    process.kill()
                process.wait()
        return exit_code(self._tap), exit_code(self._target)

    def _drain(self, on_line: OnLine, deadline: float | None = None) -> None:
        while self._open:
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            source, line = self._lines.get(timeout=wait)
            if source == "end":
                self._leave_target(on_line)
            elif line is None:
                self._open.discard(source)
            else:
                on_line(source, line)

    def _leave_target(self, on_line: OnLine) -> None:
        """Continue without the pipes of a target that has ended but left children behind."""
        if self._open & {"state", "target"}:
            on_line("target", errors.backfill.HELD_OUTPUT)
        self._open &= {"tap"}
        if self._open:  # its input may still be open, too
            self._tap.terminate()

    def _await_target(self) -> None:
        self._target.wait()
        time.sleep(self.linger)
        self._lines.put(("end", None))

    def _listen(self, source: Source, stream: IO[bytes] | None) -> None:
        def read() -> None:
            with piped(stream) as lines:
                for line in lines:
                    self._lines.put((source, line.decode(errors="replace").rstrip()))
            self._lines.put((source, None))

        threading.Thread(target=read, name=f"{source} lines", daemon=True).start()


def _start(
    command: Sequence[str], env: Mapping[str, str], **streams: Any
) -> subprocess.Popen[bytes]:
    guard = [*_GUARD, str(os.getpid())] if sys.platform == "linux" else []
    return subprocess.Popen(  # noqa: S603 - the tap, and the user's own command
        [*guard, *command],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **streams,
    )
