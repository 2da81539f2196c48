"""A Meltano project, and the servers that it should leave alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from e2e.processes import Said, environment, run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox


class Strangers(ThreadingHTTPServer):
    """Stands for Meltano's hub and its collector of statistics, and notes who calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        super().__init__(("127.0.0.1", 0), Stranger)
        self.url = f"http://127.0.0.1:{self.server_port}"


class Stranger(BaseHTTPRequestHandler):
    """Knows nothing."""

    server: Strangers

    def do_GET(self) -> None:
        """Note the call."""
        self.server.calls.append(self.path)
        self.send_error(404)

    do_POST = do_GET  # noqa: N815 - the name that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@dataclass
class Project:
    """A Meltano project, and how to run Meltano in it."""

    folder: Path
    program: str
    variables: dict[str, str]
    strangers: Strangers

    def run(self, *arguments: str, **variables: str) -> Said:
        """Run Meltano."""
        env = environment(**self.variables, **variables)
        return run([self.program, *arguments], cwd=self.folder, env=env)

    def meltano(self, *arguments: str, **variables: str) -> str:
        """Run Meltano; gives what it printed."""
        return self.run(*arguments, **variables).printed

    def bookmark(self, state_id: str) -> str:
        """How far messages have been read, as Meltano remembers it."""
        state = json.loads(self.meltano("state", "get", state_id))
        return str(state["singer_state"]["bookmarks"]["messages"]["replication_key_value"])


def selection(streams: Iterable[str]) -> str:
    """These streams with all their fields, as the variable that replaces `select`."""
    return json.dumps([f"{stream}.*" for stream in streams])


def settings(box: Sandbox, streams: Iterable[str]) -> dict[str, str]:
    """How to read these streams of this sandbox, as variables."""
    return {
        "TAP_CUSTOMERIO__SELECT": selection(streams),
        "TAP_CUSTOMERIO_APP_API_KEY": box.app_api_key,
        "TAP_CUSTOMERIO_API_URL": box.url,
        "TAP_CUSTOMERIO_REQUESTS_PER_SECOND": "1000",
        "TAP_CUSTOMERIO_RESCAN_AGES": "[]",
        "TAP_CUSTOMERIO_CUSTOMERS_SYNC": "full",  # nobody tells the log who joins without churn
    }
