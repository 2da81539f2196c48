"""How evenly processes share one request budget.

    python tests/benchmarks/sharing.py [--processes 3] [--campaigns 100] [--file]

Each process has four workers and reads its share of a backfill from one sandbox, which responds
after 250 ± 100 ms. Prints what the sandbox sees in about a minute. The budget is in a folder or in
the Redis of the tests.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import redis_server
from harness import Output

from tap_customerio.sandbox import Clock, Sandbox, Workspace
from tap_customerio.windows import DAY, parse, rfc3339

NOW = parse("2026-06-01")
SINCE = NOW - 90 * DAY
STREAMS = ("messages", "metrics", "link_metrics")


class Shared(NamedTuple):
    """What the sandbox saw, and the log of each process."""

    sandbox: Sandbox
    outputs: list[Output]

    def rate(self) -> float:
        """Requests a second, from first to last."""
        arrived = [call.arrived for call in self.sandbox.calls]
        return (len(arrived) - 1) / (arrived[-1] - arrived[0])

    def summary(self) -> str:
        """As text."""
        busiest = self.sandbox.busiest()
        return f"{self.rate():.2f} requests a second, at most {busiest} in one of them"

    def refused(self) -> int:
        """The number of 429s."""
        return sum(call.status == 429 for call in self.sandbox.calls)


def sandbox_of(campaigns: int, *, requests_per_second: int = 10, **size: Any) -> Sandbox:
    """A sandbox in which three months take about seven requests for each campaign."""
    senders = {"campaigns": campaigns, "newsletters": campaigns // 4}
    workspace = Workspace(**{"since": SINCE, "per_day": 300, "people": 200, **senders, **size})
    for sender in workspace.campaigns(NOW):  # the sandbox counts its workspace on the first request
        workspace.metric_counts("campaign", sender["id"], SINCE, NOW, NOW)
    return Sandbox(
        workspace,
        clock=Clock(NOW),
        latency_ms=250,
        jitter_ms=100,
        requests_per_second=requests_per_second,
    )


def backfill(sandbox: Sandbox, url: str, processes: int, folder: Path) -> Shared:
    """Read everything with this number of processes at once."""
    config = {
        "app_api_key": sandbox.app_api_key,
        "api_url": sandbox.url,
        "concurrency": 4,
        "rate_limit_url": url,
    }
    place = folder / "config.json"
    place.write_text(json.dumps(config))
    words = [sys.executable, "-m", "tap_customerio", "backfill", "--config", str(place)]
    words += ["--from", rfc3339(SINCE), "--to", rfc3339(NOW)]
    words += [word for name in STREAMS for word in ("--stream", name)]
    with contextlib.ExitStack() as stack:
        running = []
        for number in range(1, processes + 1):
            out = stack.enter_context((folder / f"{number}.jsonl").open("wb"))
            log = stack.enter_context((folder / f"{number}.log").open("wb"))
            shard = ["--shard", f"{number}/{processes}"]
            running.append(subprocess.Popen([*words, *shard], stdout=out, stderr=log))
        codes = [process.wait() for process in running]
    logs = [(folder / f"{number}.log").read_text() for number in range(1, processes + 1)]
    assert not any(codes), "\n".join(logs)
    lines = [(folder / f"{number}.jsonl").read_bytes() for number in range(1, processes + 1)]
    return Shared(sandbox, [Output.of(each.splitlines()) for each in lines])


def main() -> None:
    """Run once and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--campaigns", type=int, default=100)
    parser.add_argument("--file", action="store_true")
    options = parser.parse_args()
    sys.setswitchinterval(0.001)  # so that arrivals are noticed at once
    with (
        redis_server.serving() as url,
        sandbox_of(options.campaigns) as sandbox,
        tempfile.TemporaryDirectory() as folder,
    ):
        keeper = f"file:{folder}/budget" if options.file else url
        shared = backfill(sandbox, keeper, options.processes, Path(folder))
    print(f"{'requests':<30}{len(sandbox.calls):>12,}")
    print(f"{'requests a second':<30}{shared.rate():>12.2f}")
    print(f"{'most in a rolling second':<30}{sandbox.busiest():>12}")
    print(f"{'429s':<30}{shared.refused():>12}")


if __name__ == "__main__":
    main()
