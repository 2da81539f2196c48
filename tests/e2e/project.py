"""A Meltano project, and servers that it should not call."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from e2e.processes import ProgramOutput, State, environment, run
from servers import Quiet

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox


class ExternalServers(ThreadingHTTPServer):
    """Stands in for Meltano's hub and its collector of statistics, and records requests."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        super().__init__(("127.0.0.1", 0), ExternalHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class ExternalHandler(Quiet, BaseHTTPRequestHandler):
    """Responds with 404."""

    server: ExternalServers

    def do_GET(self) -> None:
        """Record the request."""
        self.server.calls.append(self.path)
        self.send_error(404)

    do_POST = do_GET  # noqa: N815 - the name that http.server looks for


@dataclass
class Project:
    """A Meltano project, and how to run Meltano in it."""

    folder: Path
    program: str
    variables: dict[str, str]
    external_servers: ExternalServers

    def run(self, *arguments: str, **variables: str) -> ProgramOutput:
        """Run Meltano."""
        env = environment(**{**self.variables, **variables})
        return run([self.program, *arguments], cwd=self.folder, env=env)

    def meltano(self, *arguments: str, **variables: str) -> str:
        """Run Meltano; returns its output."""
        return self.run(*arguments, **variables).printed

    def state(self, state_id: str) -> State:
        """The Singer state that Meltano stored, in its backend for files."""
        stored = json.loads((self.folder / "state" / state_id / "state.json").read_text())
        # A full refresh leaves a partial state, which completes the one before.
        state: State = (stored.get("partial") or stored["completed"])["singer_state"]
        return state

    def bookmark(self, state_id: str) -> str:
        """The bookmark of messages in Meltano's state."""
        return str(self.state(state_id)["bookmarks"]["messages"]["replication_key_value"])


def selection(streams: Iterable[str]) -> str:
    """These streams with all fields, as the variable that replaces `select`."""
    return json.dumps([f"{stream}.*" for stream in streams])


def settings(box: Sandbox, streams: Iterable[str]) -> dict[str, str]:
    """Settings that read these streams of this sandbox, as variables."""
    return {
        "TAP_CUSTOMERIO__SELECT": selection(streams),
        "TAP_CUSTOMERIO_APP_API_KEY": box.app_api_key,
        "TAP_CUSTOMERIO_API_URL": box.url,
        "TAP_CUSTOMERIO_REQUESTS_PER_SECOND": "1000",
        "TAP_CUSTOMERIO_RESCAN_AGES": "[]",
        "TAP_CUSTOMERIO_CUSTOMERS_SYNC": "full",  # without churn the log does not name new people
    }
