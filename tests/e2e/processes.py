"""Runs programs as a shell does: alone, or a tap piped into a target."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sysconfig
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs

from harness import select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from starlette.types import ASGIApp, Receive, Scope, Send
    from typing_extensions import Self

    from tap_customerio.sandbox import Sandbox

State = dict[str, Any]

ROOT = Path(__file__).parents[2]
"""The repository."""

PATIENCE = 300.0
"""Seconds after which a program counts as stuck; many more than a busy machine needs."""


def installed(program: str) -> str:
    """The path of a program installed beside this Python."""
    return str(Path(sysconfig.get_path("scripts")) / program)


def environment(**variables: str) -> dict[str, str]:
    """This environment without settings of other taps, targets and Meltano projects."""
    foreign = ("MELTANO_", "TAP_", "TARGET_")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return own | variables


class ProgramOutput(NamedTuple):
    """The output of a program."""

    printed: str
    log: str


def run(
    command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str]
) -> ProgramOutput:
    """Run a program; it must succeed."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    with process:
        try:
            said = ProgramOutput(*process.communicate(timeout=PATIENCE))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{_shown(command)} still ran after {PATIENCE} s") from None
        finally:
            end(process)
    code_and_output = (
        f"{_shown(command)} ended with {process.returncode}:\n{_tail(said.log + said.printed)}"
    )
    assert process.returncode == 0, code_and_output
    return said


def end(process: subprocess.Popen[Any]) -> None:
    """Kill a process that leads its own session, and its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until(ready: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline, f"after {PATIENCE} s, still waiting for: {what}"
        time.sleep(0.01)


def tap_command(
    sandbox: Sandbox,
    folder: Path,
    *,
    streams: Iterable[str] | None = None,
    state: State | None = None,
    **settings: Any,
) -> list[str]:
    """The tap's command for these streams of this sandbox, or for the default streams."""
    config = {"app_api_key": sandbox.app_api_key, "api_url": sandbox.url, **settings}
    command = [installed("tap-customerio"), "--config", write(folder / "tap.json", config)]
    if streams is not None:
        command += ["--catalog", write(folder / "catalog.json", select(streams))]
    if state is not None:
        command += ["--state", write(folder / "state.json", state)]
    return command


def write(path: Path, value: object) -> str:
    """Write a value as JSON; returns the path."""
    path.write_text(json.dumps(value))
    return str(path)


class Pipe:
    """`tap | target` as two processes; both end with the context."""

    def __init__(self, tap: Sequence[str], target: Sequence[str], folder: Path) -> None:
        """Prepare; output and logs go into the folder."""
        self._commands = tap, target
        self._printed = folder / "target.out"
        self._logs = [folder / "tap.log", folder / "target.log"]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start both."""
        with ExitStack() as starting:
            tap_log, target_log = (starting.enter_context(log.open("wb")) for log in self._logs)
            printed = starting.enter_context(self._printed.open("wb"))
            tap, target = self._commands
            self.tap = self._start(tap, stdout=subprocess.PIPE, stderr=tap_log)
            self.target = self._start(
                target, stdin=self.tap.stdout, stdout=printed, stderr=target_log
            )
        assert self.tap.stdout is not None
        self.tap.stdout.close()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill processes that still run."""
        self._stack.close()

    def _start(self, command: Sequence[str], **streams: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, env=environment(), start_new_session=True, **streams)
        self._stack.callback(end, process)
        return process

    def wait(self) -> tuple[int, int]:
        """The exit codes of tap and target after both have ended."""
        try:
            return self.tap.wait(PATIENCE), self.target.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {PATIENCE} s:\n{self.log()}") from None

    def states(self) -> list[State]:
        """The states that the target has printed so far."""
        whole_lines = self._printed.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole_lines.splitlines()]

    def tap_log(self) -> str:
        """The whole log of the tap."""
        return self._logs[0].read_text()

    def log(self) -> str:
        """The end of both logs."""
        return "\n".join(_tail(log.read_text()) for log in self._logs)


def sync(tap: Sequence[str], target: Sequence[str], folder: Path) -> list[State]:
    """Run `tap | target`, which must succeed; returns the target's states."""
    with Pipe(tap, target, folder) as pipe:
        codes = pipe.wait()
    assert codes == (0, 0), f"tap and target ended with {codes}:\n{pipe.log()}"
    return pipe.states()


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-40:])


def _shown(command: Sequence[str]) -> str:
    return " ".join([Path(command[0]).name, *command[1:]])


def holding_back(answering: ASGIApp, after: int) -> ASGIApp:
    """Delay responses about deliveries after a time, so that messages cannot end in a test."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        query = parse_qs(scope["query_string"].decode())
        if int(query.get("end_ts", ["0"])[0]) >= after:
            await asyncio.sleep(PATIENCE)
        await answering(scope, receive, send)

    return answer
