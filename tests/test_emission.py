"""Every record fits the schema before it, flattened or not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from harness import NOW, Output, config_for, few_rows, new_sandbox, run_tap

from tap_customerio.streams import all_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_customerio.sandbox import Sandbox

SCHEMAS = {stream_class.name: stream_class.schema for stream_class in all_streams()}
STREAMS = sorted(SCHEMAS)
NESTED = [
    name
    for name, schema in SCHEMAS.items()
    if any("properties" in field for field in schema["properties"].values())
]
DEPTHS = {0: STREAMS, 1: STREAMS, 3: NESTED}
"""Depths of flattening, 0 for none, and their streams: a greater depth changes only nested ones."""

CASES = [(stream, depth) for depth, streams in DEPTHS.items() for stream in streams]

Outputs = dict[int, Output]


@pytest.fixture(scope="module")
def outputs() -> Iterator[Outputs]:
    """The streams of each depth."""
    with new_sandbox(workspace=few_rows()) as box:
        config = config_for(box, start_date="2026-03-01", metrics_resolution="weeks")
        flat = {"flattening_enabled": True}
        yield {
            depth: run_tap(
                {**config, **({**flat, "flattening_max_depth": depth} if depth else {})},
                streams=streams,
            )
            for depth, streams in DEPTHS.items()
        }


def outside(value: Any, schema: dict[str, Any], path: str) -> Iterator[str]:
    """Members that are not in a schema, at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from outside(item, schema["items"], f"{path}[]")
    if not isinstance(value, dict):
        return
    extra = schema.get("additionalProperties")
    for name, member in value.items():
        if kind := schema.get("properties", {}).get(name, extra):
            yield from outside(member, kind, f"{path}.{name}") if kind is not True else ()
        else:
            yield f"{path}.{name}"


def leaves(value: Any, schema: dict[str, Any], depth: int, path: str = "") -> dict[str, Any]:
    """The expected columns of a record at a depth, without null ones."""
    if value is None:
        return {}
    if isinstance(value, dict) and "properties" in schema and (depth >= 0 or not path):
        found: dict[str, Any] = {}
        for name, member in value.items():
            place = f"{path}__{name}" if path else name
            found |= leaves(member, schema["properties"][name], depth - 1, place)
        return found
    return {path: value}


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and every schema in it."""
    if isinstance(schema, dict):
        yield schema
        for inner in (*schema.get("properties", {}).values(), schema.get("items")):
            yield from parts(inner)
        yield from parts(schema.get("additionalProperties"))


@pytest.mark.slow
@pytest.mark.parametrize(("stream", "depth"), CASES)
def test_no_part_of_a_record_is_outside_its_schema(
    outputs: Outputs, stream: str, depth: int
) -> None:
    output = outputs[depth]
    schema = output.schemas[stream]
    check = jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())
    assert output.records[stream]
    for row in output.records[stream]:
        assert row.keys() <= schema["properties"].keys()
        assert sorted(outside(row, schema, stream)) == []
        check.validate(row)
        if depth:
            assert not any(isinstance(value, dict | list) for value in row.values())


@pytest.mark.slow
@pytest.mark.parametrize(("stream", "depth"), [case for case in CASES if case[1]])
def test_flattening_loses_nothing(outputs: Outputs, stream: str, depth: int) -> None:
    plain, flat = outputs[0], outputs[depth]
    keys = plain.keys[stream]
    rows = {tuple(row[key] for key in keys): row for row in flat.records[stream]}
    assert len(rows) == len(plain.records[stream])
    for record in plain.records[stream]:
        row = rows[tuple(record[key] for key in keys)]
        wanted = leaves(record, plain.schemas[stream], depth)
        assert wanted.keys() == {name for name, value in row.items() if value is not None}
        for name, value in wanted.items():
            is_text = isinstance(value, dict | list)
            assert (json.loads(row[name]) if is_text else row[name]) == value, name


@pytest.mark.slow
@pytest.mark.parametrize(("stream", "depth"), CASES)
def test_schemas_use_the_form_that_all_targets_read(
    outputs: Outputs, stream: str, depth: int
) -> None:
    schema = outputs[depth].schemas[stream]
    for part in parts(schema):
        kinds = part["type"]
        assert isinstance(kinds, str) or (kinds[0] == "null" and len(kinds) == 2)
        assert part.get("properties") != {}
        assert not {"properties", "additionalProperties"} <= part.keys()
    keys = outputs[depth].keys[stream]
    nullable = {name for name, kind in schema["properties"].items() if "null" in kind["type"]}
    assert nullable == schema["properties"].keys() - {*keys}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("maps", "depth"),
    [
        ({"customers": {"email": "md5(email) if email else None", "n": "int(1)"}}, 0),
        ({"customers": {"identifiers": "json.dumps(identifiers)"}}, 1),
        ({"customers": {"identifiers": None}, "people": {"__source__": "customers"}}, 2),
    ],
)
def test_mapped_records_fit_their_schemas(
    sandbox: Sandbox, maps: dict[str, Any], depth: int
) -> None:
    flat = {"flattening_enabled": True, "flattening_max_depth": depth} if depth else {}
    output = run_tap(config_for(sandbox, stream_maps=maps, **flat), streams=["customers"])
    assert output.records.keys() == {"customers"} | {name for name in maps if name == "people"}
    for stream, rows in output.records.items():
        for row in rows:
            assert [*outside(row, output.schemas[stream], stream)] == []
        for part in parts(output.schemas[stream]):
            assert isinstance(part["type"], str) or part["type"][0] == "null"


def test_text_in_place_of_a_flattened_object_is_named_and_not_dropped(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    maps = {"customers": {"identifiers": "md5(cio_id)"}}
    flat = {"flattening_enabled": True, "flattening_max_depth": 1}
    output = run_tap(
        config_for(sandbox, stream_maps=maps, **flat), streams=["customers"], fails=True
    )
    assert "Incomplete: customers" in output.problem
    assert "field 'identifiers': its value is not the object that its schema says" in caplog.text


@pytest.mark.slow
def test_links_and_unknown_states_of_deliveries_have_separate_columns(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    box = make_sandbox()
    known = {"sent": NOW - 9, "opened": 0, "human_clicked": NOW - 5}
    links = {"link:2": NOW - 6, "human_link:2": NOW - 5, "link:10": None, "prefetch_link:7": 1}
    other = {"secondary:delivered": NOW - 7, "teleported": NOW - 1}
    rows = [
        {"id": "a", "created": NOW - 10, "metrics": {**known, **links, **other}},
        {"id": "b", "created": NOW - 11, "metrics": {"sent": NOW - 9}},
        {"id": "c", "created": NOW - 12, "metrics": None},
        {"id": "d", "created": NOW - 13},
    ]
    box.fail(status=200, body={"messages": rows, "next": ""}, path="/v1/messages")
    output = run_tap(config_for(box), streams=["messages"])
    found = {row["id"]: row for row in output.records["messages"] if row["id"] in "abcd"}
    assert found["a"]["metrics"] == {
        "sent": "2026-04-01T11:59:51Z",
        "opened": None,
        "human_clicked": "2026-04-01T11:59:55Z",
    }
    assert found["a"]["links"] == [
        {"link_id": "2", "state": "human_clicked", "at": "2026-04-01T11:59:55Z"},
        {"link_id": "10", "state": "clicked", "at": None},
        {"link_id": "2", "state": "clicked", "at": "2026-04-01T11:59:54Z"},
        {"link_id": "7", "state": "prefetch_clicked", "at": "1970-01-01T00:00:01Z"},
    ]
    assert found["a"]["other_metrics"] == {
        "secondary:delivered": "2026-04-01T11:59:53Z",
        "teleported": "2026-04-01T11:59:59Z",
    }
    for name in "bcd":
        assert found[name]["links"] == []
        assert found[name]["other_metrics"] is None
