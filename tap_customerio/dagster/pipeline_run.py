"""One run of `tap | target`, with its output in Dagster's log, and its results."""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import shutil
import socket
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from tap_customerio import errors
from tap_customerio.pipeline.processes import Pipe
from tap_customerio.pipeline.target import parse_state
from tap_customerio.settings import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_customerio.dagster.state_store import StateStore
    from tap_customerio.dagster.workspace import Workspace
    from tap_customerio.pipeline.processes import Source

_LOG_CONFIG = str(Path(__file__).with_name("log.json"))
_LEVEL = re.compile(r"\b(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")
_PLAIN_ERROR = "Error: "


class PipelineRun:
    """Runs `tap | target` once, and stores each state that the target confirms.

    Attributes:
        rows: Records sent per stream.
        requests: Requests per stream; those of the whole run under "".
        waited: Seconds of waiting after 429s; None until the tap reports it.
        errors: The tap's error messages.
        codes: Exit codes of tap and target.
    """

    def __init__(
        self, context: dg.OpExecutionContext, workspace: Workspace, store: StateStore
    ) -> None:
        self._context = context
        self._workspace = workspace
        self._store = store
        self._failed: set[str] = set()
        self._read: set[str] = set()
        self.rows: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.waited: float | None = None
        self.errors: list[str] = []
        self.codes = (0, 0)
        self.seconds = 0.0

    @property
    def complete(self) -> set[str]:
        """Streams that were read to their end."""
        return self._read - self._failed

    def run(self, *arguments: str, **files: Mapping[str, Any]) -> None:
        """Run to the end; `files` become options, such as --state.

        Raises:
            Failure: The key or the target is missing on this machine, or the run was terminated.
        """
        target = shlex.split(self._workspace.target)
        try:
            tap_env = self._workspace.environment()
            if shutil.which(target[0]) is None:
                raise errors.dagster.no_workspace_target(self._workspace.name, target[0])
        except errors.TapError as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        self._context.log.info(self._shown(*arguments, *_options(files, Path())))
        begun = time.monotonic()
        try:
            with tempfile.TemporaryDirectory(prefix=NAME) as folder:
                command = [*arguments, *_options(files, Path(folder), write=True)]
                pipe = Pipe(
                    [sys.executable, "-m", "tap_customerio", *command],
                    target,
                    tap_env={**tap_env, "SINGER_SDK_LOG_CONFIG": _LOG_CONFIG},
                    target_env=os.environ,
                )
                self.codes = pipe.run(self._on_line)
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            # Otherwise Dagster would retry a run that a user has terminated.
            raise dg.Failure(errors.dagster.TERMINATED, allow_retries=False) from None
        finally:
            self.seconds = time.monotonic() - begun
            for stream, rows in self.rows.items():
                self._store.rows[stream] = self._store.rows.get(stream, 0) + rows
            self._store.save()

    def metadata(self, stream: str | None = None) -> dict[str, Any]:
        """Metadata for Dagster, of the run or one stream; requests only once they are reported."""
        tap, target = self.codes
        found: dict[str, Any] = {
            "seconds": round(self.seconds, 1),
            "attempt": self._context.retry_number + 1,
            "worker": socket.gethostname(),
            "tap_exit_code": tap,
            "target_exit_code": target,
        }
        if stream is not None:
            found["rows"] = found["dagster/row_count"] = self._store.rows.get(stream, 0)
        if self.waited is not None:
            found["rate_limit_seconds"] = round(self.waited, 1)
            found["run_requests"] = self.requests.total()
            if stream is not None:
                found["requests"] = self.requests[stream]
        return found

    def check(self, unconfirmed: Sequence[str] = ()) -> None:
        """Fail the run if tap or target failed.

        Raises:
            Failure: With the tap's error messages, or another reason.
        """
        tap, target = self.codes
        wrong = [*self.errors] if tap else []
        if tap and not wrong:
            wrong.append(f"The tap exited with code {tap}.")
        if target:
            wrong.append(str(errors.backfill.target_failed(target)))
        if not wrong and unconfirmed:
            wrong.append(str(errors.backfill.unconfirmed(unconfirmed)))
        if wrong:
            raise dg.Failure(" ".join(wrong), metadata=self.metadata())

    def _shown(self, *arguments: str) -> str:
        tap = shlex.join([NAME, *arguments])
        return " ".join([*self._workspace.shown(), tap, "|", self._workspace.target])

    def _on_line(self, source: Source, line: str) -> None:
        if source == "tap":
            self._on_tap_line(line)
        elif source == "target":
            level = _LEVEL.search(line)
            self._context.log.log(logging.getLevelName(level[1]) if level else logging.INFO, line)
        elif (state := parse_state(line)) is not None:
            self._store.state = state
            self._store.save()

    def _on_tap_line(self, line: str) -> None:
        try:
            said = json.loads(line)
            level, text, logger = said["level"], said["message"], said["logger_name"]
        except (ValueError, LookupError, TypeError):
            self._on_plain_line(line)
            return
        if "metric_info" in said:
            self._measure(**said["metric_info"])
            return
        self._context.log.log(logging.getLevelName(level.upper()), text)
        if level in {"error", "critical"}:
            self.errors.append(text)
            self._failed.add(logger.removeprefix(f"{NAME}."))

    def _on_plain_line(self, line: str) -> None:
        if line.startswith(_PLAIN_ERROR):
            self.errors.append(line.removeprefix(_PLAIN_ERROR))
            self._context.log.error(line)
        elif line:
            self._context.log.info(line)

    def _measure(self, metric: str, value: float, tags: dict[str, Any], **_: Any) -> None:
        stream = tags.get("stream", "")
        if metric == "record_count":
            self.rows[stream] += int(value)
        elif metric == "http_request_count":
            self.requests[stream] += int(value)
        elif metric == "rate_limit_wait":
            self.waited = value
        elif metric == "sync_duration" and tags.get("status") == "succeeded":
            self._read.add(stream)


def _options(
    files: Mapping[str, Mapping[str, Any]], folder: Path, *, write: bool = False
) -> list[str]:
    options = []
    for name, content in files.items():
        path = folder / f"{name}.json"
        if write:
            path.write_text(json.dumps(content), encoding="utf-8")
        options += [f"--{name}", str(path)]
    return options
