"""What a core can do: deliveries a second from page bytes to Singer lines, and the time to start.

    python tests/benchmarks/emission.py [--deliveries 20000] [--rounds 5]

The same pages go through the stream and through one written with the SDK's defaults, in turn, so
that what else the machine does falls on both; the best round counts.
"""

from __future__ import annotations

import argparse
import contextlib
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

from tap_customerio.answers import Answer, Page, decode
from tap_customerio.sandbox import Workspace
from tap_customerio.streams.messages import Messages
from tap_customerio.tap import TapCustomerio
from tap_customerio.windows import DAY, Window, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = parse("2026-04-01")
SIZE = 1000
CONFIG = {"app_api_key": "unused"}
_TIMES = [
    name
    for name, kind in Messages.schema["properties"].items()
    if kind.get("format") == "date-time"
]


def _moment(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.timezone.utc).isoformat()


class PlainMessages(Stream):
    """The stream as one would write it first."""

    name = "messages"
    schema: ClassVar[dict[str, Any]] = Messages.schema
    primary_keys: ClassVar[tuple[str, ...]] = ("id",)
    replication_key = "created"
    pages: ClassVar[list[bytes]] = []

    def get_records(self, context: object) -> Iterator[dict[str, Any]]:  # noqa: ARG002
        """All rows of all pages."""
        for page in self.pages:
            for row in simplejson.loads(page)["messages"]:
                row["updated"] = int(row["deduplicate_id"].rpartition(":")[2])
                row["cio_id"] = row["customer_identifiers"]["cio_id"]
                for name in _TIMES:
                    row[name] = _moment(row[name])
                row["metrics"] = {name: _moment(at) for name, at in row["metrics"].items()}
                yield row


class PlainTap(Tap):
    """A tap as the SDK makes it."""

    name = "tap-plain"
    config_jsonschema: ClassVar[dict[str, Any]] = {"type": "object", "properties": {}}

    def discover_streams(self) -> list[Stream]:
        """The one stream."""
        return [PlainMessages(self)]


class OurMessages(Messages):
    """The stream without a network: its pages are here."""

    raw: ClassVar[list[bytes]] = []

    def slices(self) -> Iterator[Window]:
        """All at once."""
        yield Window(0, NOW)

    def pages(self, piece: Window) -> Iterator[Page]:  # noqa: ARG002
        """Decoded as the client does."""
        for page in self.raw:
            yield Page(Answer(decode(page), NOW, "GET /v1/messages"), "messages", more=True)


class OurTap(TapCustomerio):
    """The tap with this one stream."""

    def discover_streams(self) -> list[Any]:
        """The one stream."""
        return [OurMessages(self)]


def _seconds(work: Callable[[], None]) -> float:
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        began = time.process_time()
        work()
        return time.process_time() - began


def _emission(count: int, rounds: int) -> None:
    workspace = Workspace(since=NOW - 30 * DAY, per_day=count // 20)
    rows = list(workspace.deliveries(NOW - 30 * DAY, NOW, now=NOW))[:count]
    pages = [
        msgspec.json.encode({"messages": rows[first : first + SIZE], "next": ""})
        for first in range(0, count, SIZE)
    ]
    PlainMessages.pages = OurMessages.raw = pages
    best = {"SDK defaults": float("inf"), "this tap": float("inf")}
    for _ in range(rounds):
        for name, kind in zip(best, (PlainTap, OurTap), strict=True):
            taken = _seconds(lambda kind=kind: kind(config=CONFIG).streams["messages"].sync())  # type: ignore[misc]
            best[name] = min(best[name], taken)
    for name, taken in best.items():
        print(f"deliveries a second, {name:<20}{count / taken:>10,.0f}")
    print(f"times as many{'':<28}{best['SDK defaults'] / best['this tap']:>10.2f}")


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
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    _emission(options.deliveries, options.rounds)
    _start_up(options.rounds)


if __name__ == "__main__":
    main()
