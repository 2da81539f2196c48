"""Records a second on one core, from page bytes to Singer lines, and the time to start.

    python tests/benchmarks/emission.py [--deliveries 20000] [--people 10000] [--rounds 5]

Each is measured with the catalog from `--discover`, which every orchestrator passes on, and with
some fields deselected.

The same pages go alternately through the stream and through one with the SDK's defaults, so that
other load affects both; the best round counts.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import datetime as dt
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import simplejson  # type: ignore[import-untyped]  # as the SDK does
from singer_sdk import Stream, Tap

from tap_customerio.api.responses import Page, ParsedResponse, decode
from tap_customerio.api.transport import RequestSpec
from tap_customerio.sandbox import Clock, Sandbox, Workspace
from tap_customerio.streams.messages import Messages
from tap_customerio.streams.people import Customers
from tap_customerio.tap import TapCustomerio
from tap_customerio.windows import DAY, Window, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

NOW = parse("2026-04-01")
CONFIG: dict[str, object] = {"app_api_key": "unused"}
_TIMES = [
    name
    for name, kind in Messages.schema["properties"].items()
    if kind.get("format") == "date-time"
]


def _moment(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.timezone.utc).isoformat()


class Plain(Stream):
    """A stream in its simplest form."""

    pages: ClassVar[list[bytes]] = []
    rows: ClassVar[str]

    def get_records(self, context: object) -> Iterator[dict[str, Any]]:  # noqa: ARG002
        """All rows of all pages."""
        for page in self.pages:
            for row in simplejson.loads(page)[self.rows]:
                yield self.record(row)

    def record(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row with times as text."""
        raise NotImplementedError


class PlainMessages(Plain):
    """Deliveries."""

    name = "messages"
    schema: ClassVar[dict[str, Any]] = Messages.schema
    primary_keys: ClassVar[tuple[str, ...]] = ("id",)
    replication_key = "created"
    rows = "messages"

    def record(self, row: dict[str, Any]) -> dict[str, Any]:
        """With the last change and the person at top level."""
        row["updated"] = int(row["deduplicate_id"].rpartition(":")[2])
        row["cio_id"] = row["customer_identifiers"]["cio_id"]
        for name in _TIMES:
            row[name] = _moment(row[name])
        row["metrics"] = {name: _moment(at) for name, at in row["metrics"].items()}
        return row


class PlainCustomers(Plain):
    """People."""

    name = "customers"
    schema: ClassVar[dict[str, Any]] = Customers.schema
    primary_keys: ClassVar[tuple[str, ...]] = ("cio_id",)
    rows = "customers"

    def record(self, row: dict[str, Any]) -> dict[str, Any]:
        """With the identifiers at top level."""
        row |= row["identifiers"]
        row["timestamps"] = {name: _moment(at) for name, at in row["timestamps"].items()}
        for device in row["devices"] or ():
            device["last_used"] = _moment(device["last_used"])
        return row


class OurMessages(Messages):
    """The stream with prepared pages and no network."""

    raw: ClassVar[list[bytes]] = []

    def slices(self) -> Iterator[Window]:
        """One slice."""
        self._read_until = NOW
        yield Window(0, NOW)

    def pages(self, slice_: Window) -> Iterator[Page]:  # noqa: ARG002
        """Decoded as in the client."""
        for page in self.raw:
            response = ParsedResponse(decode(page), NOW, "GET /v1/messages")
            yield Page(response, "messages", RequestSpec("GET", "/v1/messages"), more=True)


class OurCustomers(Customers):
    """The stream with prepared pages and no network."""

    raw: ClassVar[list[bytes]] = []

    def slices(self) -> Iterator[list[str]]:
        """One slice."""
        self._wanted = self._found = 0
        self._changes = None
        yield []

    def pages(self, slice_: list[str]) -> Iterator[Page]:  # noqa: ARG002
        """Decoded as in the client."""
        for page in self.raw:
            response = ParsedResponse(decode(page), NOW, "POST /v1/customers/attributes")
            yield Page(response, "customers", RequestSpec("POST", "/"), more=True)


class PlainTap(Tap):
    """A tap with the SDK's defaults."""

    name = "tap-plain"
    config_jsonschema: ClassVar[dict[str, Any]] = {"type": "object", "properties": {}}

    def discover_streams(self) -> list[Stream]:
        """Both streams."""
        return [PlainMessages(self), PlainCustomers(self)]


class OurTap(TapCustomerio):
    """The tap with these streams."""

    def discover_streams(self) -> list[Any]:
        """Both streams; no request for the current time."""
        self.client._clock.note(NOW)  # noqa: SLF001
        return [OurMessages(self, self.sync_run), OurCustomers(self, self.sync_run)]


DESELECTED = {
    "messages": [("subject",), ("customer_identifiers", "email"), ("metrics",)],
    "customers": [("devices",), ("identifiers", "email"), ("timestamps",)],
}


def _catalog(tap: type[Tap], stream: str, deselected: Iterable[tuple[str, ...]]) -> dict[str, Any]:
    """The catalog of one stream from `--discover`, without some fields."""
    catalog: dict[str, Any] = tap(config=CONFIG).catalog_dict
    catalog["streams"] = [one for one in catalog["streams"] if one["tap_stream_id"] == stream]
    unwanted = [[part for name in path for part in ("properties", name)] for path in deselected]
    for item in catalog["streams"][0]["metadata"]:
        item["metadata"]["selected"] = item["breadcrumb"] not in unwanted
    return catalog


def _seconds(work: Callable[[], None]) -> float:
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        began = time.process_time()
        work()
        return time.process_time() - began


def _pages(rows: list[dict[str, Any]], member: str, size: int) -> list[bytes]:
    return [
        msgspec.json.encode({member: rows[first : first + size], "next": ""})
        for first in range(0, len(rows), size)
    ]


def _emission(stream: str, count: int, rounds: int) -> None:
    """Both taps alternately, with all fields and without some."""
    for deselected in ((), DESELECTED[stream]):
        title = f"{stream}, {'some fields deselected' if deselected else 'all fields'}"
        best = {"SDK defaults": float("inf"), "this tap": float("inf")}
        catalogs = [_catalog(tap, stream, deselected) for tap in (PlainTap, OurTap)]
        for _ in range(rounds):
            for name, tap, catalog in zip(best, (PlainTap, OurTap), catalogs, strict=True):
                fresh = tap(config=CONFIG, catalog=copy.deepcopy(catalog))
                best[name] = min(best[name], _seconds(fresh.streams[stream].sync))
        for name, taken in best.items():
            print(f"{title}: {name:<14}{count / taken:>10,.0f} a second")
        print(f"{title}: {best['SDK defaults'] / best['this tap']:.2f} times as many")


def _fill(deliveries: int, people: int) -> None:
    workspace = Workspace(since=NOW - 30 * DAY, per_day=deliveries // 20, people=people)
    rows = list(workspace.deliveries(NOW - 30 * DAY, NOW, now=NOW))[:deliveries]
    PlainMessages.pages = OurMessages.raw = _pages(rows, "messages", 1000)
    profiles = [workspace.people.profile(number, NOW) for number in range(people)]
    PlainCustomers.pages = OurCustomers.raw = _pages(profiles, "customers", 100)


def _start_up(rounds: int) -> None:
    bare = str(Path(__file__).with_name("bare.py"))
    commands = {
        "the SDK alone": [sys.executable, bare],
        "this tap": [sys.executable, "-m", "tap_customerio"],
    }
    for option in ("--version", "--discover"):
        best = dict.fromkeys(commands, float("inf"))
        for _ in range(rounds):
            for name, command in commands.items():
                began = time.perf_counter()
                subprocess.run([*command, option], check=True, capture_output=True)
                best[name] = min(best[name], time.perf_counter() - began)
        for name, taken in best.items():
            print(f"{option}, {name:<30}{taken:>10.3f} s")


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=20_000)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    _fill(options.deliveries, options.people)
    # It also responds to other requests of a run: the workspace of the key, and deleted people.
    with Sandbox(Workspace(per_day=1, people=1), clock=Clock(NOW)) as sandbox:
        CONFIG.update(app_api_key=sandbox.app_api_key, api_url=sandbox.url)
        _emission("messages", options.deliveries, options.rounds)
        _emission("customers", options.people, options.rounds)
    _start_up(options.rounds)


if __name__ == "__main__":
    main()
