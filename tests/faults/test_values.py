"""Answers whose values are hostile: valid records or a clear sentence, never a broken line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from harness import config_for, new_sandbox, run_tap

from tap_customerio.sandbox import Faults

if TYPE_CHECKING:
    from harness import Output

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("fast_retries")

STREAMS = ("collections", "customers", "messages", "segments")


def run(kind: str, *streams: str, fails: bool = False) -> Output:
    faults = Faults(kind, rate=1, in_a_row=10**9)
    with new_sandbox() as box:
        box.gate.app = faults.around(box.gate.app, box.clock)
        output = run_tap(config_for(box), streams=streams, fails=fails)
    assert faults.injected[kind]
    for name, schema in output.schemas.items():
        validator = jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())
        for record in output.records[name]:
            validator.validate(record)
    return output


@pytest.mark.parametrize(
    ("kind", "ending"),
    [("half_a_pair", "\ufffd"), ("nul", ""), ("invalid_utf8", "\ufffd"), ("long_text", "x" * 99)],
)
def test_text_that_crashes_targets_is_made_safe_and_long_text_stays_whole(
    kind: str, ending: str
) -> None:
    output = run(kind, "collections")
    names = [record["name"] for record in output.records["collections"]]
    assert names
    assert all(name.endswith(ending) and "\0" not in name for name in names)
    assert kind != "long_text" or all(len(name) > 10 << 20 for name in names)
    json.dumps(output.records, ensure_ascii=False).encode()


@pytest.mark.parametrize("kind", ["not_a_number", "endless_number"])
def test_numbers_that_are_none_become_null(kind: str) -> None:
    output = run(kind, "collections", "exports")
    assert all(record["rows"] is None for record in output.records["collections"])
    assert output.records["exports"]
    assert all(record["created_at"] is None for record in output.records["exports"])


def test_integers_too_large_for_any_target_are_a_problem_of_their_stream() -> None:
    output = run("huge_integers", "collections", "ip_addresses", fails=True)
    assert output.problem.startswith("Incomplete: collections could not be read")
    assert output.records["ip_addresses"]


def test_identifiers_of_64_bits_keep_every_digit() -> None:
    with new_sandbox() as box:
        ids = [row["id"] + 2**62 for row in box.workspace.collections(box.clock.now())]
    assert sorted(run("large_ids", "collections").ids("collections")) == sorted(ids)


def test_lists_that_are_null_are_empty() -> None:
    output = run("null_lists", *STREAMS, "segment_memberships", "metrics", "objects")
    assert not any(output.records.values())


def test_times_that_lie_in_the_future_move_no_bookmark_there(sandbox: Sandbox) -> None:
    rows = {"snippets": [{"name": "from the future", "value": "", "updated_at": 32_503_680_000}]}
    sandbox.fail(status=200, body=rows, path="/v1/snippets")
    first = run_tap(config_for(sandbox), streams=["snippets"])
    second = run_tap(config_for(sandbox, end_date=None), streams=["snippets"])
    assert first.records["snippets"][0]["updated_at"].startswith("3000-")
    assert first.bookmark("snippets") >= second.bookmark("snippets")
    assert first.bookmark("snippets") < "2027"


@pytest.mark.parametrize(
    "body",
    [
        b'{"snippets": [%b]}' % (b"[" * 5000 + b"]" * 5000),
        b'{"snippets": [{"name": "a\\u0000", "value": %b}]}' % (b"[" * 700 + b"]" * 700),
        b'{"snippets": [{"name": "a", "value": 1}, 5]}',
        b'{"snippets": [{"name": "a", "updated_at": %b}]}' % (b"9" * 5000),
        b'{"snippets": "none"}',
        b'{"snippets": [], "next": {"page": 2}}',
    ],
    ids=["deep", "deep and NUL", "no object", "long number", "text", "odd token"],
)
def test_answers_of_another_shape_are_a_problem_of_their_stream(
    sandbox: Sandbox, body: bytes
) -> None:
    sandbox.fail(status=200, times=4, body=body, path="/v1/snippets")
    output = run_tap(config_for(sandbox), streams=["collections", "snippets"], fails=True)
    assert output.problem.startswith("Incomplete: snippets could not be read")
    assert output.records["collections"]


def test_open_values_may_nest_as_deeply_as_targets_can_take(sandbox: Sandbox) -> None:
    nested: Any = 1
    for _ in range(60):
        nested = {"a": [nested]}
    for depth, fails in ((nested["a"][0], True), (nested["a"], True), ({"a": 1}, False)):
        rows = {"segments": [{"id": 1, "conditions": {"and": depth}}]}
        sandbox.fail(status=200, body=rows, path="/v1/segments")
        output = run_tap(config_for(sandbox), streams=["segments"], fails=fails)
        assert bool(output.records["segments"]) != fails
