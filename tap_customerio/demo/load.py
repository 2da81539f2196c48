"""`tap | target` on the sandbox, as a user would run it."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.pipeline.processes import Pipe
from tap_customerio.sandbox import Sandbox, Workspace
from tap_customerio.windows import DAY, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHEMA = "customerio"
REQUESTS_PER_SECOND = 10
"""Requests per second, the limit of the live API."""

REQUESTS = 285
"""Approximate number of requests for the workspace."""

_DAYS = 180


def new_sandbox() -> Sandbox:
    """A workspace with all kinds of data, which takes half a minute's requests."""
    today = int(time.time()) // DAY * DAY
    workspace = Workspace(
        since=today - _DAYS * DAY,
        per_day=120,
        people=800,
        campaigns=6,
        newsletters=1,  # and one a week
        broadcasts=2,
        transactional=3,
        objects_per_type=4,  # two requests each
    )
    return Sandbox(workspace, requests_per_second=REQUESTS_PER_SECOND)


def load(sandbox: Sandbox, database: Path, folder: Path, watch: Callable[[int], None]) -> None:
    """Load everything, and report the number of requests.

    Raises:
        TapError: The tap or the target failed.
    """
    tap_config = {
        "app_api_key": sandbox.app_api_key,
        "api_url": sandbox.url,
        "requests_per_second": REQUESTS_PER_SECOND,
        "start_date": rfc3339(int(sandbox.clock.now()) // DAY * DAY - _DAYS * DAY),
    }
    target_config = {"path": str(database), "default_target_schema": SCHEMA}
    sandbox.middleware.on_response = lambda _: watch(len(sandbox.calls))
    last = {"tap": "", "target": ""}

    def on_line(source: str, line: str) -> None:
        if line and source in last:
            last[source] = line

    pipe = Pipe(
        _python("tap_customerio", folder, tap_config),
        _python("tap_customerio.duckdb_target", folder, target_config),
        tap_env=os.environ,
        target_env=os.environ,
    )
    pipe.patience = 0
    tap_code, target_code = pipe.run(on_line)
    for name, code in (("target", target_code), ("tap", tap_code)):
        if code:
            raise errors.commands.demo_failed(name, code, last[name])


def _python(module: str, folder: Path, config: dict[str, Any]) -> list[str]:
    path = folder / f"{module}.json"
    path.write_text(json.dumps(config))
    return [sys.executable, "-m", module, "--config", str(path)]
