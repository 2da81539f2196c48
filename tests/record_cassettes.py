"""Record the wire format of each stream's endpoints as a vcrpy cassette.

The cassettes in tests/cassettes come from the sandbox. To record them from a real account:

    CUSTOMERIO_APP_API_KEY=… python tests/record_cassettes.py --api-url https://api.customer.io

Everything is scrubbed before it is written: the key, every text that identifies a person or was
sent to one, and every address. Still read the files before you commit them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vcr
from harness import NOW, new_sandbox, run_tap

from tap_customerio.sandbox import Workspace
from tap_customerio.streams import all_streams
from tap_customerio.windows import DAY, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

CASSETTES = Path(__file__).parent / "cassettes"
RANGE = {"start_date": rfc3339(NOW - 3 * DAY)}
STABLE = {"requests_per_second": 1000, "concurrency": 1, "user_agent": "recorder"}

_PERSONAL = {
    *("attributes", "created_by", "customer_id", "email", "id_of_person", "ids", "name"),
    *("recipient", "subject"),
}
_HARMLESS = {"cio_id", "created_at", "region", "unsubscribed"}
_ADDRESS = re.compile(r"[^\s\"@:<>]+@[^\s\"@:<>]+")


def recorder(mode: str = "none", *, scrubbed: bool = True) -> vcr.VCR:
    """A vcrpy recorder that ignores the host, never stores the key, and scrubs what it records."""
    return vcr.VCR(
        record_mode=vcr.record_mode.RecordMode(mode),
        match_on=["method", "path", "query", "body"],
        filter_headers=["authorization"],
        before_record_response=scrub_response if scrubbed else None,
        decode_compressed_response=True,
    )


def scrub_response(response: dict[str, Any]) -> dict[str, Any]:
    """Remove all personal data from a response's body; keep only the headers that the tap reads."""
    body = response["body"]["string"]
    with contextlib.suppress(ValueError):
        body = json.dumps(scrub(json.loads(body)), ensure_ascii=False).encode()
    headers = {
        name: value
        for name, value in response["headers"].items()
        if name.lower() in {"content-type", "date"}
    }
    return {**response, "headers": headers, "body": {"string": body}}


def scrub(value: Any, name: str = "") -> Any:
    """Replace personal texts at any depth by harmless texts of the same type."""
    if isinstance(value, dict):
        inherited = name if name in _PERSONAL else ""
        return {key: scrub(member, _named(key, inherited, value)) for key, member in value.items()}
    if isinstance(value, list):
        return [scrub(item, name) for item in value]
    if not isinstance(value, str) or not value:
        return value
    if name in _PERSONAL:
        return "person@example.org" if "@" in value else "scrubbed"
    return _ADDRESS.sub("person@example.org", value)


def _named(key: str, inherited: str, siblings: dict[str, Any]) -> str:
    """The name that decides about a member; a person's own id is next to other identifiers."""
    if key == "id" and siblings.keys() & {"cio_id", "identifiers"}:
        return "id_of_person"
    return inherited if inherited and key not in _HARMLESS else key


@contextlib.contextmanager
def _account(api_url: str | None) -> Iterator[dict[str, Any]]:
    """Settings of the account to record: a real one, or a small sandbox."""
    if api_url:
        yield {"app_api_key": os.environ["CUSTOMERIO_APP_API_KEY"], "api_url": api_url}
        return
    tiny = Workspace(
        since=parse("2026-03-28"),
        per_day=4,
        people=30,
        objects_per_type=3,
        activities_per_day=4,
        campaigns=2,
        newsletters=2,
        broadcasts=1,
        transactional=1,
    )
    with new_sandbox(workspace=tiny) as sandbox:
        yield {"app_api_key": sandbox.app_api_key, "api_url": sandbox.url}


def main() -> None:
    """Record every stream again, with its records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api-url", help="Base address of a real account's App API.")
    arguments = parser.parse_args()
    CASSETTES.mkdir(exist_ok=True)
    record(sorted(stream_class.name for stream_class in all_streams()), arguments.api_url)


def record(streams: list[str], api_url: str | None) -> None:
    """Record some streams again, with their records."""
    with _account(api_url) as account:
        for stream in streams:
            path = CASSETTES / f"{stream}.yaml"
            path.unlink(missing_ok=True)
            with recorder("once").use_cassette(str(path)):
                run_tap({**account, **STABLE, **RANGE}, streams=[stream])
            write_records(stream)


def write_records(stream: str) -> None:
    """Write the records of a recorded stream, as its current schema reads them."""
    (CASSETTES / f"{stream}.jsonl").write_text("".join(lines(stream)))


def lines(stream: str) -> list[str]:
    """The records of a recorded stream, one JSON object per line."""
    return [f"{json.dumps(row, ensure_ascii=False)}\n" for row in replay(stream)]


def replay(stream: str) -> list[dict[str, Any]]:
    """The records of a stream from its cassette; no request is sent."""
    account = {"app_api_key": "replayed", "api_url": "http://127.0.0.1:9"}
    with recorder().use_cassette(str(CASSETTES / f"{stream}.yaml"), allow_playback_repeats=False):
        return run_tap({**account, **STABLE, **RANGE}, streams=[stream]).records[stream]


if __name__ == "__main__":
    main()
