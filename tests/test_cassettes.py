"""The recorded wire format: each cassette gives exactly the records beside it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from record_cassettes import CASSETTES, lines, scrub, scrub_response

from tap_customerio.streams import all_streams

STREAMS = sorted(stream_class.name for stream_class in all_streams())


@pytest.mark.slow
@pytest.mark.parametrize("stream", STREAMS)
def test_a_recorded_response_gives_the_known_records(stream: str) -> None:
    known = (CASSETTES / f"{stream}.jsonl").read_text().splitlines(keepends=True)
    assert lines(stream) == known, "run: python tests/add_example.py"
    assert known


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(CASSETTES.iterdir()), ids=lambda path: path.name)
def test_cassettes_contain_no_key_and_no_person(path: Any) -> None:
    text = path.read_text().lower()
    assert "bearer" not in text
    assert "sandbox-app-api-key" not in text
    assert set(re.findall(r"[\w.+-]+@[\w.-]+", text)) <= {"person@example.org"}


def test_scrubbing_keeps_types_and_removes_people() -> None:
    raw = {
        "messages": [
            {
                "id": "dgT",
                "recipient": "ada@canary.org",
                "subject": "Dear Ada",
                "customer_identifiers": {"cio_id": "30e1", "id": "Ada", "email": "a@canary.org"},
                "failure_message": "no mailbox ada@canary.org here",
                "metrics": {"sent": 1},
                "attributes": {"cio_id": "30e1", "nickname": "Ada", "seats": "5"},
                "campaign_id": None,
            }
        ]
    }
    scrubbed = json.dumps(scrub(raw))
    assert "Ada" not in scrubbed
    assert "canary" not in scrubbed
    message = scrub(raw)["messages"][0]
    assert message["id"] == "dgT"
    assert message["metrics"] == {"sent": 1}
    assert message["attributes"] == {"cio_id": "30e1", "nickname": "scrubbed", "seats": "scrubbed"}
    assert message["campaign_id"] is None


def test_scrubbing_keeps_only_headers_that_the_tap_reads() -> None:
    response = {
        "headers": {"Date": ["today"], "Set-Cookie": ["session=1"]},
        "body": {"string": b'{"email": "ada@canary.org"}'},
    }
    scrubbed = scrub_response(response)
    assert scrubbed["headers"] == {"Date": ["today"]}
    assert b"canary" not in scrubbed["body"]["string"]
