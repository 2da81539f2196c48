"""How fast `messages` is read at 250 ms an answer and 10 requests a second, and at what cost.

    python tests/benchmarks/pace.py [--deliveries-per-day 2000] [--days 300]

Prints requests a second as the sandbox sees them, and the share of a core that the tap takes.
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
    from collections.abc import Mapping

NOW = parse("2026-06-01")


def _catalog(config: Mapping[str, object]) -> dict[str, object]:
    catalog = TapCustomerio(config=dict(config)).catalog_dict
    for stream in catalog["streams"]:
        for item in stream["metadata"]:
            if not item["breadcrumb"]:
                item["metadata"]["selected"] = stream["tap_stream_id"] == "messages"
    return catalog


def main() -> None:
    """Run it once and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries-per-day", type=int, default=2000)
    parser.add_argument("--days", type=int, default=400)
    options = parser.parse_args()
    since = NOW - options.days * DAY
    workspace = Workspace(since=since, per_day=options.deliveries_per_day)
    sandbox = Sandbox(workspace, clock=Clock(NOW), latency_ms=250)
    with sandbox, tempfile.TemporaryDirectory() as folder:
        config = {
            "app_api_key": sandbox.app_api_key,
            "api_url": sandbox.url,
            "start_date": rfc3339(since),
        }
        command = [sys.executable, "-m", "tap_customerio"]
        for option, content in {"config": config, "catalog": _catalog(config)}.items():
            path = Path(folder) / option
            path.write_text(json.dumps(content))
            command += [f"--{option}", str(path)]
        started = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tap:
            assert tap.stdout is not None
            lines = sum(b'"RECORD"' in line for line in tap.stdout)
        seconds = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    arrived = [call.arrived for call in sandbox.calls]
    windows = {call.query.get("start_ts") for call in sandbox.calls}
    print(f"windows                      {len(windows):>10,}")
    print(f"records                      {lines:>10,}")
    print(f"requests                     {len(arrived):>10,}")
    print(f"requests a second            {(len(arrived) - 1) / (arrived[-1] - arrived[0]):>10.2f}")
    print(f"most in a rolling second     {sandbox.busiest_second():>10}")
    print(f"429s                         {sum(c.status == 429 for c in sandbox.calls):>10}")
    print(f"share of a core              {(used.ru_utime + used.ru_stime) / seconds:>10.0%}")
    print(f"peak memory of the tap, MB   {used.ru_maxrss / 1024:>10.0f}")


if __name__ == "__main__":
    main()
