"""Runs the backfill command in this process."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from harness import Output, config_for

from tap_customerio.commands.backfill import backfill
from tap_customerio.errors import TapError

if TYPE_CHECKING:
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox

TARGET = """
import pathlib, sys
seen = pathlib.Path(sys.argv[1]).open("a")
for line in sys.stdin:
    seen.write(line)
    if line.startswith('{"type":"STATE"'):
        seen.flush()
        print(line.removeprefix('{"type":"STATE","value":').rstrip()[:-1], flush=True)
"""
"""A target that writes its input to a file and confirms each state."""


class BackfillResult(NamedTuple):
    """The exit code of a run, its output, and its error."""

    code: int
    printed: str
    problem: str | None = None

    @property
    def output(self) -> Output:
        """The output as Singer messages."""
        return Output.of(self.printed.encode().splitlines())


class Backfill:
    """Runs backfills of one sandbox in one folder."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self.box = box
        self.folder = folder
        self.state = folder / "state.json"
        self.kept = folder / "kept.jsonl"

    def run(self, *options: str, **settings: Any) -> BackfillResult:
        """Run the command."""
        config = self.folder / "config.json"
        config.write_text(json.dumps(config_for(self.box, **settings)))
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        stdout = io.TextIOWrapper(io.BytesIO(), write_through=True)
        code, problem = 0, None
        try:
            with contextlib.redirect_stdout(stdout):
                backfill.main(["--config", str(config), *options], standalone_mode=False)
        except SystemExit as stop:
            code = int(stop.code or 0)
        except TapError as error:
            code, problem = 1, str(error)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        stdout.seek(0)
        return BackfillResult(code, stdout.read(), problem)

    def target(self, script: str = TARGET) -> list[str]:
        """Options that run a fake target and save its states."""
        return ["--target", fake_target(self.folder, script), "--state", str(self.state)]

    def received(self) -> Output:
        """Everything that the target received in all runs."""
        return Output.of(self.kept.read_bytes().splitlines())

    def asked(self, path: str = "/v1/messages") -> list[dict[str, str]]:
        """The queries of all requests to a path."""
        return [call.query for call in self.box.calls if call.path == path]


def fake_target(folder: Path, script: str = TARGET) -> str:
    """The command of a target that writes to kept.jsonl; without site-packages it starts faster."""
    path = folder / "target.py"
    path.write_text(script)
    return shlex.join([sys.executable, "-S", "-E", str(path), str(folder / "kept.jsonl")])


def keys(output: Output) -> Counter[tuple[Any, ...]]:
    """Stream and key of every record, with the number of times it occurs."""
    return Counter(
        (stream, *(row[name] for name in output.keys[stream]))
        for stream, rows in output.records.items()
        for row in rows
    )
