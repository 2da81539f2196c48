"""Runs the tap against a sandbox, and parses its messages."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import shlex
import signal
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import IO, TYPE_CHECKING, Any

import msgspec

from tap_customerio.api.client import Client
from tap_customerio.errors import TapError
from tap_customerio.sandbox import Clock, Sandbox, Workspace
from tap_customerio.settings import SETTINGS, Settings
from tap_customerio.tap import TapCustomerio
from tap_customerio.windows import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import pytest

SINCE = parse("2026-02-01")
CORE = (
    *("broadcasts", "campaigns", "customers", "messages", "metrics", "newsletters"),
    "transactional_messages",
)
"""Enough for tests that do not depend on the stream."""

NOW = parse("2026-04-01T12:00:00Z")
DEFAULTS = {name: kind.get("default") for name, kind in SETTINGS["properties"].items()}


@dataclass
class Output:
    """The Singer messages of one run."""

    records: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    schemas: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    states: list[dict[str, Any]] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""

    @classmethod
    def of(cls, lines: Iterable[bytes]) -> Output:
        """Parse the lines of a tap."""
        output = cls()
        for line in lines:
            message = msgspec.json.decode(line)
            output.messages.append(message)
            output.types.append(message["type"])
            if message["type"] == "RECORD":
                output.records[message["stream"]].append(message["record"])
            elif message["type"] == "SCHEMA":
                output.schemas[message["stream"]] = message["schema"]
                output.keys[message["stream"]] = message["key_properties"]
            elif message["type"] == "STATE":
                output.states.append(message["value"])
        return output

    @property
    def activated(self) -> set[str]:
        """Streams that a target may delete rows of."""
        return {m["stream"] for m in self.messages if m["type"] == "ACTIVATE_VERSION"}

    def rows(self, stream: str) -> list[str]:
        """The records of a stream, sorted."""
        return sorted(map(repr, self.records[stream]))

    def all_rows(self) -> dict[str, list[str]]:
        """The records of all streams, sorted: windows, and so the order, depend on speed."""
        return {stream: self.rows(stream) for stream in self.records}

    def ids(self, stream: str) -> list[Any]:
        """Values of the first primary key, in order of arrival."""
        return [record[self.keys[stream][0]] for record in self.records[stream]]

    def bookmark(self, stream: str) -> str:
        """The last bookmark."""
        return str(self.states[-1]["bookmarks"][stream]["replication_key_value"])


def sender_of(delivery: Mapping[str, Any], workspace: Workspace) -> tuple[str, int]:
    """Type and id of the sender in a delivery from the API."""
    names = {
        "campaign_id": "campaign",
        "newsletter_id": "newsletter",
        "broadcast_id": "broadcast",
        "transactional_message_id": "transactional",
    }
    [found] = [(kind, delivery[name]) for name, kind in names.items() if delivery[name]]
    named_campaign = found[0] == "campaign" and found[1] in workspace.ids("broadcasts", 0)
    return ("broadcast", found[1]) if named_campaign else found


@cache
def discovered() -> bytes:
    """The catalog that discovery writes."""
    return msgspec.json.encode(TapCustomerio(config={"app_api_key": "unused"}).catalog_dict)


def select(streams: Iterable[str] | None = None, *, complete: bool = True) -> dict[str, Any]:
    """A catalog that selects the given streams, or every stream; by default, it lists all."""
    wanted = None if streams is None else set(streams)
    catalog: dict[str, Any] = msgspec.json.decode(discovered())
    if wanted is not None and not complete:
        catalog["streams"] = [s for s in catalog["streams"] if s["tap_stream_id"] in wanted]
    for stream in catalog["streams"]:
        for item in stream["metadata"]:
            if not item["breadcrumb"]:
                chosen = wanted is None or stream["tap_stream_id"] in wanted
                item["metadata"]["selected"] = chosen
    return catalog


@contextlib.contextmanager
def restored_signals() -> Iterator[None]:
    """Restore the signal handlers that a tap replaces."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def run_tap(  # noqa: PLR0913 - each has a default, and none depends on another
    config: Mapping[str, Any],
    *,
    streams: Iterable[str] | None = None,
    catalog: Mapping[str, Any] | None = None,
    state: dict[str, Any] | None = None,
    full_table: Iterable[str] = (),
    incremental: Iterable[str] = (),
    stdout: io.BytesIO | None = None,
    fails: bool | None = False,
) -> Output:
    """Sync the given streams (default: all) and parse the tap's output.

    With `fails`, the run must end with an error, which the output contains; None allows both.
    """
    problem = ""
    stdout = stdout or io.BytesIO()
    redirected = contextlib.redirect_stdout(io.TextIOWrapper(stdout, write_through=True))
    with restored_signals(), redirected:
        catalog = catalog or select(streams, complete=False)  # a complete one takes time to parse
        tap = TapCustomerio(config=dict(config), state=state, catalog=catalog)
        for name in full_table:
            tap.streams[name].forced_replication_method = "FULL_TABLE"
        for name in incremental:
            tap.streams[name].forced_replication_method = "INCREMENTAL"
        try:
            tap.sync_all()
        except TapError as why:
            if fails is False:
                raise
            problem = str(why)
        finally:
            tap.client.close()
        assert problem or not fails, "it did not fail"
        lines = stdout.getvalue().splitlines()
    output = Output.of(lines)
    output.problem = problem
    return output


def logged_errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Errors logged by a test's runs."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def metrics_of(delivery: Mapping[str, Any]) -> dict[str, str]:
    """The metrics of a record of messages by the API's names."""
    links = {
        f"{link['state'].removesuffix('clicked')}link:{link['link_id']}": link["at"]
        for link in delivery["links"]
    }
    return {**delivery["metrics"], **links, **(delivery["other_metrics"] or {})}


def small() -> Workspace:
    """A workspace that takes a second or two to read."""
    return Workspace(
        since=SINCE, per_day=12, people=45, campaigns=8, newsletters=3, objects_per_type=9
    )


def few_senders(**options: Any) -> Workspace:
    """A minimal workspace with at least one sender of each type."""
    senders = {"campaigns": 3, "newsletters": 3, "broadcasts": 1, "transactional": 1}
    return Workspace(**{"since": SINCE, "per_day": 30, "people": 60, **senders, **options})


def few_rows() -> Workspace:
    """A workspace with few rows in which most fields have a value."""
    counts = {"campaigns": 8, "broadcasts": 2, "transactional": 2, "objects_per_type": 3}
    return few_senders(since=parse("2026-03-16"), per_day=8, people=12, **counts)


def new_sandbox(*, now: float = NOW, **options: Any) -> Sandbox:
    """A small sandbox at the fixed time NOW, by default without a rate limit."""
    size = Workspace(since=SINCE, per_day=15, people=230, activities_per_day=12)
    options.setdefault("workspace", size)
    options.setdefault("requests_per_second", None)
    return Sandbox(clock=Clock(now), **options)


def config_for(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    """A configuration that reads this sandbox at full speed."""
    return {
        "app_api_key": sandbox.app_api_key,
        "api_url": sandbox.url,
        "requests_per_second": 1000,
        **settings,
    }


def make_client(sandbox: Sandbox, **settings: Any) -> Client:
    """A client of this sandbox, with default settings."""
    return Client(Settings.of({**DEFAULTS, **config_for(sandbox, **settings)}))


class Process:
    """The tap as a child process."""

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        *,
        stdout: IO[bytes] | int = subprocess.PIPE,
        shell: str = "",
        **files: dict[str, Any],
    ) -> None:
        """Start it; `files` become --catalog and --state, `shell` adds a redirection."""
        command = [sys.executable, "-m", "tap_customerio"]
        for option, content in {"config": config, **files}.items():
            path = folder / f"{option}.json"
            path.write_text(json.dumps(content))
            command += [f"--{option}", str(path)]
        if shell:
            command = ["sh", "-c", f"exec {shlex.join(command)} {shell}"]
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=stdout, stderr=log)
        self.stdout: IO[bytes] = self.process.stdout or io.BytesIO()

    def lines_until_states(self, count: int) -> list[bytes]:
        """Read until this number of STATE messages with a bookmark of messages has come."""
        lines = []
        for line in self.stdout:
            lines.append(line)
            count -= b'"STATE"' in line and b'"messages"' in line
            if not count:
                break
        return lines

    def end(self, number: int | None = None) -> tuple[int, list[bytes], str]:
        """Optionally send a signal; returns exit code, remaining lines, and log."""
        if number is not None:
            self.process.send_signal(number)
        rest = self.stdout.read().splitlines(keepends=True)
        self.stdout.close()
        return self.process.wait(30), rest, self.log.read_text()
