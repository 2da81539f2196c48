"""Hostile values: valid records or a clear sentence, never a broken line."""

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


def run(kind: str, *streams: str, fails: bool = False, **options: Any) -> Output:
    faults = Faults(kind, rate=1, in_a_row=10**9)
    with new_sandbox() as box:
        box.middleware.app = faults.around(box.middleware.app, box.clock)
        output = run_tap(config_for(box), streams=streams, fails=fails, **options)
    assert faults.injected[kind]
    for name, schema in output.schemas.items():
        validator = jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())
        for record in output.records[name]:
            validator.validate(record)
    return output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "ending"),
    [("half_a_pair", "\ufffd"), ("nul", ""), ("invalid_utf8", "\ufffd"), ("long_text", "x" * 99)],
)
def test_text_that_crashes_targets_is_escaped_and_long_text_stays_complete(
    kind: str, ending: str
) -> None:
    output = run(kind, "collections")
    names = [record["name"] for record in output.records["collections"]]
    assert names
    assert all(name.endswith(ending) and "\0" not in name for name in names)
    assert kind != "long_text" or all(len(name) > 10 << 20 for name in names)
    json.dumps(output.records, ensure_ascii=False).encode()


@pytest.mark.parametrize("kind", ["not_a_number", "endless_number", "huge_integers"])
def test_numbers_that_no_target_accepts_become_null_and_are_named(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    streams = "collections", "exports"
    output = run(kind, *streams, full_table=streams)
    assert all(record["rows"] is None for record in output.records["collections"])
    assert output.records["exports"]
    assert all(record["created_at"] is None for record in output.records["exports"])
    [named] = [
        text for text in caplog.messages if text.startswith("Stream 'collections': unreadable")
    ]
    assert f"rows: {len(output.records['collections'])} (" in named


@pytest.mark.slow
def test_rows_with_a_bookmark_value_that_no_target_accepts_are_lost() -> None:
    output = run("huge_integers", "messages", "ip_addresses", fails=True)
    assert output.problem.startswith("Incomplete: messages could not be read")
    assert not output.records["messages"]
    assert output.bookmark("messages") < "2026-02-01"  # the workspace's first day
    assert output.records["ip_addresses"]


def test_identifiers_of_64_bits_keep_every_digit() -> None:
    with new_sandbox() as box:
        ids = [row["id"] + 2**62 for row in box.workspace.collections(box.clock.now())]
    assert sorted(run("large_ids", "collections").ids("collections")) == sorted(ids)


@pytest.mark.slow
def test_lists_that_are_null_are_empty() -> None:
    output = run("null_lists", *STREAMS, "segment_memberships", "metrics", "objects")
    assert not any(output.records.values())


def test_times_in_the_future_move_no_bookmark_there(sandbox: Sandbox) -> None:
    rows = {"snippets": [{"name": "from the future", "value": "", "updated_at": 32_503_680_000}]}
    sandbox.fail(status=200, body=rows, path="/v1/snippets")
    first = run_tap(config_for(sandbox), streams=["snippets"])
    second = run_tap(config_for(sandbox, end_date=None), streams=["snippets"])
    assert first.records["snippets"][0]["updated_at"].startswith("3000-")
    assert first.bookmark("snippets") >= second.bookmark("snippets")
    assert first.bookmark("snippets") < "2027"


@pytest.mark.parametrize(
    "body",
    [b'{"snippets": "none"}', b'{"snippets": [], "next": {"page": 2}}'],
    ids=["text", "odd token"],
)
def test_responses_of_another_shape_fail_their_stream(sandbox: Sandbox, body: bytes) -> None:
    sandbox.fail(status=200, times=4, body=body, path="/v1/snippets")
    output = run_tap(config_for(sandbox), streams=["collections", "snippets"], fails=True)
    assert output.problem.startswith("Incomplete: snippets could not be read")
    assert output.records["collections"]


@pytest.mark.parametrize(
    "value",
    [b"[" * 5000 + b"]" * 5000, b'{"a\\u0000":' * 700 + b"1" + b"}" * 700, b"1e999"],
    ids=["deep", "deep and NUL", "endless"],
)
def test_a_value_that_no_target_accepts_is_the_only_one_lost(
    sandbox: Sandbox, value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    rows = b'{"name": "a", "value": %b}, {"name": "b", "value": "]}{["}' % value
    sandbox.fail(status=200, body=b'{"snippets": [%b]}' % rows, path="/v1/snippets")
    output = run_tap(config_for(sandbox), streams=["snippets"])
    assert [(row["name"], row["value"]) for row in output.records["snippets"]] == [
        ("a", None),
        ("b", "]}{["),
    ]
    assert "value: 1 (a)" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(
    "odd", [b"5", b"null", b"[]", b"{}", b'"b"', b"[" * 5000 + b"]" * 5000, b'{"name": ""}']
)
def test_rows_that_are_no_objects_are_lost_and_set_the_exit_code(
    sandbox: Sandbox, odd: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    body = b'{"snippets": [{"name": "a", "value": "1"}, %b, {"name": "c", "value": 2}]}' % odd
    sandbox.fail(status=200, body=body, path="/v1/snippets")
    output = run_tap(config_for(sandbox), streams=["snippets"], fails=True)
    assert output.ids("snippets") == ["a", "c"]
    assert output.problem.startswith("Incomplete: snippets could not be read")
    assert "missing (by field, count and row ids): name: 1." in caplog.text


def test_empty_text_in_place_of_rows_is_no_rows(sandbox: Sandbox) -> None:
    sandbox.fail(status=200, body={"snippets": ""}, path="/v1/snippets")
    assert not run_tap(config_for(sandbox), streams=["snippets"]).records["snippets"]


@pytest.mark.parametrize("depth", [30, 60])
def test_open_values_may_nest_as_deeply_as_targets_can_take(
    sandbox: Sandbox, depth: int, caplog: pytest.LogCaptureFixture
) -> None:
    nested: Any = 1
    for _ in range(depth):
        nested = {"a": [nested]}
    rows = {"segments": [{"id": 1, "conditions": {"and": nested, "or": 1}}]}
    sandbox.fail(status=200, body=rows, path="/v1/segments")
    [row] = run_tap(config_for(sandbox), streams=["segments"]).records["segments"]
    assert row["conditions"] == {"and": nested if depth == 30 else None, "or": 1}
    assert ("conditions.*: 1 (1)" in caplog.text) == (depth == 60)
