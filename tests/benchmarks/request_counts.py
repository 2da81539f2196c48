"""The number of requests of each stream on a reference workspace.

    python tests/benchmarks/request_counts.py

Writes the table beside this file. A test compares it, so that no change adds requests unnoticed.
"""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stdout
from pathlib import Path

from tap_customerio.sandbox import Clock, Sandbox, Workspace
from tap_customerio.tap import TapCustomerio
from tap_customerio.windows import DAY, parse, rfc3339

TABLE = Path(__file__).with_suffix(".md")
NOW = parse("2026-06-01T12:00:00Z")
_HEAD = """\
# Requests of a first sync

All streams, 60 days of 60 deliveries a day, 60 people, 10 newsletters, 12 campaigns, 4
broadcasts, 6 transactional messages, 30 objects. `python tests/benchmarks/request_counts.py`
writes this.

| stream | requests |
|---|---:|
"""


def table() -> str:
    """Sync the reference workspace with one request at a time, which is reproducible."""
    since = NOW // DAY * DAY - 60 * DAY
    workspace = Workspace(since=since, per_day=60, people=60, newsletters=10, objects_per_type=15)
    with Sandbox(workspace, clock=Clock(NOW), requests_per_second=None) as sandbox:
        config = {
            "app_api_key": sandbox.app_api_key,
            "api_url": sandbox.url,
            "start_date": rfc3339(since),
            "requests_per_second": 10_000,
            "concurrency": 1,
        }
        tap = TapCustomerio(config=config)
        for stream in tap.streams.values():
            stream.selected = True
        with redirect_stdout(io.TextIOWrapper(io.BytesIO())):
            tap.sync_all()
    rows = [*sorted(tap.client.requests.items()), ("**all**", tap.client.requests.total())]
    return _HEAD + "".join(f"| {stream} | {number:,} |\n" for stream, number in rows)


if __name__ == "__main__":
    TABLE.write_text(table())
    sys.stderr.write(f"Wrote {TABLE}\n")
