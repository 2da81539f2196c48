"""Speed and cost of a full read at 250 ± 100 ms a response and 10 requests a second.

    python tests/benchmarks/full_read.py [--streams messages] [--deliveries-per-day 2000] \
        [--days 400]

Prints the requests a second that the sandbox sees, compared with 9.8 a second, and the tap's CPU
and memory use. The tap's log shows the requests of each stream.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tap_customerio.sandbox import Clock, Sandbox, Workspace
from tap_customerio.tap import TapCustomerio
from tap_customerio.windows import DAY, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOW = parse("2026-06-01")
GOAL = 9.8


def _catalog(config: Mapping[str, object], streams: list[str]) -> dict[str, object]:
    catalog = TapCustomerio(config=dict(config)).catalog_dict
    for stream in catalog["streams"] if streams else ():
        for item in stream["metadata"]:
            if not item["breadcrumb"]:
                item["metadata"]["selected"] = stream["tap_stream_id"] in streams
    return catalog


def command(folder: Path, config: Mapping[str, object], streams: list[str]) -> list[str]:
    """The tap's command line; its files are in a folder."""
    words = [sys.executable, "-m", "tap_customerio"]
    for option, content in {"config": config, "catalog": _catalog(config, streams)}.items():
        path = folder / option
        path.write_text(json.dumps(content))
        words += [f"--{option}", str(path)]
    return words


def _report(sandbox: Sandbox, seconds: float, lines: int) -> Iterator[tuple[str, str]]:
    arrived = [call.arrived for call in sandbox.calls]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    yield "records", f"{lines:,}"
    yield "requests", f"{len(arrived):,}"
    yield "seconds", f"{seconds:.1f}"
    yield f"time against {GOAL} a second", f"{seconds * GOAL / len(arrived):.3f}"
    yield "requests a second", f"{(len(arrived) - 1) / (arrived[-1] - arrived[0]):.2f}"
    yield "most in a rolling second", f"{sandbox.busiest()}"
    yield "429s", f"{sum(call.status == 429 for call in sandbox.calls)}"
    yield "share of a core", f"{(used.ru_utime + used.ru_stime) / seconds:.0%}"
    yield "peak memory of the tap, MB", f"{used.ru_maxrss / 1024:.0f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", nargs="*", default=[])
    parser.add_argument("--deliveries-per-day", type=int, default=1400)
    parser.add_argument("--days", type=int, default=200)
    parser.add_argument("--people", type=int, default=30_000)
    parser.add_argument("--activities-per-day", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=250)
    parser.add_argument("--jitter", type=float, default=100)
    parser.add_argument("--requests-per-second", type=int, default=10)
    return parser.parse_args()


def main() -> None:
    """Run once and print a table."""
    options = _options()
    sys.setswitchinterval(0.001)  # so that arrivals are noticed at once
    since = NOW - options.days * DAY
    workspace = Workspace(
        since=since,
        per_day=options.deliveries_per_day,
        people=options.people,
        activities_per_day=options.activities_per_day,
    )
    sandbox = Sandbox(
        workspace,
        clock=Clock(NOW),
        latency_ms=options.latency,
        jitter_ms=options.jitter,
        requests_per_second=options.requests_per_second,
    )
    for sender in workspace.campaigns(NOW):  # the sandbox counts its workspace on the first request
        workspace.metric_counts("campaign", sender["id"], since, NOW, NOW)
    with sandbox, tempfile.TemporaryDirectory() as folder:
        config = {
            "app_api_key": sandbox.app_api_key,
            "api_url": sandbox.url,
            "start_date": rfc3339(since),
            "requests_per_second": options.requests_per_second,
        }
        words = command(Path(folder), config, options.streams)
        started = time.monotonic()
        with subprocess.Popen(words, stdout=subprocess.PIPE) as tap:
            assert tap.stdout is not None
            lines = sum(b'"RECORD"' in line for line in tap.stdout)
        seconds = time.monotonic() - started
    for name, value in _report(sandbox, seconds, lines):
        print(f"{name:<30}{value:>12}")


if __name__ == "__main__":
    main()
