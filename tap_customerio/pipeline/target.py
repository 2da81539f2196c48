"""A target as a child process that reads the tap's output and confirms states."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import shlex
import signal
import subprocess
import sys
import threading
import time
from typing import IO, TYPE_CHECKING, Any

from tap_customerio import errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

    from typing_extensions import Self

    from tap_customerio.backfill.job import State
    from tap_customerio.tap import TapCustomerio

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

logger = logging.getLogger("tap-customerio.target")


def exit_code(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end; returns 128 + n for signal n, like a shell."""
    code = process.wait()
    return 128 - code if code < 0 else code


class Target:
    """Runs `tap | target`, with the tap in this process.

    A signal ends the tap after its slice, and with it the target's input, so that the target can
    confirm its data. After `patience` seconds, or at a second signal, the signal is passed on to
    the target.
    """

    patience = 10.0
    linger = 5.0
    """Seconds to wait for child processes that an ended target has left behind."""

    def __init__(self, command: str, save: Callable[[State], None], *, relay: bool = False) -> None:
        """Prepare; `save` receives each state, `relay` copies the target's log to our stderr."""
        self._command = command
        self._save = save
        self._relay = relay
        self._failure: Exception | None = None
        self.signal: int | None = None

    def __enter__(self) -> Self:
        """Start the target in its own session: Ctrl+C goes to the tap, which forwards it.

        Raises:
            TapError: It cannot be started.
        """
        try:
            self.process = subprocess.Popen(  # noqa: S603 - the user's own command
                shlex.split(self._command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if self._relay else None,
                start_new_session=True,
            )
        except (OSError, ValueError, IndexError):
            wanted = "it cannot be started; install it, or give its path"
            raise errors.commands.bad_option("--target", self._command, wanted) from None
        readers = ((self.process.stdout, self._confirm), (self.process.stderr, copy_log))
        self._threads = [
            threading.Thread(target=read, args=[stream], daemon=True)
            for stream, read in readers
            if stream is not None
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the target's input and wait for the target."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        self.process.wait()
        deadline = time.monotonic() + self.linger
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            logger.warning("%s", errors.backfill.HELD_OUTPUT)
        if self._failure is not None:
            raise self._failure

    @property
    def code(self) -> int:
        """The exit code; waits for the end."""
        return exit_code(self.process)

    def feed(self, tap: TapCustomerio, write: Callable[[], None]) -> None:
        """Write the tap's output to the target.

        Raises:
            TapError: The target reads no more, or a stream failed.
            SystemExit: A signal stopped the tap.
        """
        if self.process.stdin is None:
            return
        self._pass_signals()

        def watch() -> None:
            tap.sync_run.watch()
            if self.process.poll() is not None:  # a child of it may hold its input open
                raise errors.sync.target_gone()

        tap.message_writer.watch = watch
        with io.TextIOWrapper(self.process.stdin) as inlet, contextlib.redirect_stdout(inlet):
            write()

    def _pass_signals(self) -> None:
        taps = {number: signal.getsignal(number) for number in _SIGNALS}

        def handle(number: int, frame: FrameType | None) -> None:
            if callable(before := taps[signal.Signals(number)]):
                before(number, frame)
            wait = self.patience if self.signal is None else 0.0
            self.signal = number
            timer = threading.Timer(wait, self.process.send_signal, [number])
            timer.daemon = True
            timer.start()

        for number in _SIGNALS:
            signal.signal(number, handle)

    def _confirm(self, printed: IO[bytes]) -> None:
        """Store states; read on after an error, so that the target does not block."""
        with printed:
            for line in printed:
                state = parse_state(line)
                if state is not None and self._failure is None:
                    try:
                        self._save(state)
                    except Exception as error:  # noqa: BLE001 - raised again on the main thread
                        self._failure = error


def parse_state(line: str | bytes) -> State | None:
    """A state that a target printed; None if the line is anything else."""
    with contextlib.suppress(ValueError):
        value: Any = json.loads(line)
        if isinstance(value, dict) and "bookmarks" in value:
            return value
    return None


def piped(stream: IO[bytes] | None) -> IO[bytes]:
    """One end of a pipe to a child process."""
    if stream is None:
        raise ValueError("no pipe")
    return stream


def copy_log(log: IO[bytes]) -> None:
    """Copy a process's stderr to ours, above any progress bars."""
    with log:
        for line in log:
            sys.stderr.write(line.decode(errors="replace"))
