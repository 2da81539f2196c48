"""Only selected fields are sent, with every way of writing records."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from harness import config_for, run_tap, select
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.helpers._catalog import pop_deselected_record_properties
from singer_sdk.singerlib.catalog import SelectionMask

from tap_customerio.streams.reader import Reader
from tap_customerio.streams.schema import (
    array_of,
    integer,
    mapping_of,
    nested,
    object_of,
    record,
    text,
)
from tap_customerio.sync.catalog import deselected, fields
from tap_customerio.sync.outcome import ReadOutcome

if TYPE_CHECKING:
    from tap_customerio.sandbox import Sandbox

SCHEMA = record(
    integer("id", "number"),
    text("name"),
    array_of(text(""), "tags"),
    object_of(nested(text("city"), object_of(nested(text("zip"), integer("n")), "at")), "place"),
    object_of(mapping_of(text("")), "attributes"),
)
PATHS = [path for path, _ in fields(SCHEMA) if path != ("properties", "id")]
PATHS.append(("properties", "attributes", "properties", "plan"))
ROW = {
    "id": 1,
    "number": 2,
    "name": "Ada",
    "tags": ["a"],
    "place": {"city": "Rome", "at": {"zip": "1", "n": 2}},
    "attributes": {"plan": "pro", "email": "x"},
}


@given(st.dictionaries(st.sampled_from(PATHS), st.booleans()))
def test_the_reader_leaves_out_the_same_fields_as_the_sdk(
    chosen: dict[tuple[str, ...], bool],
) -> None:
    mask = SelectionMask({(): True, **chosen})
    expected = Reader("things", SCHEMA, ReadOutcome())(copy.deepcopy(ROW))
    assert expected is not None
    pop_deselected_record_properties(expected, SCHEMA, mask)
    raw = copy.deepcopy(ROW)
    reader = Reader("things", SCHEMA, ReadOutcome(), deselected=deselected(mask))
    assert reader(raw) == expected
    assert raw == ROW  # streams share the rows of lists
    assert not reader.dropped


def without(catalog: dict[str, Any], stream: str, *names: str) -> dict[str, Any]:
    for entry in catalog["streams"]:
        for item in entry["metadata"] if entry["tap_stream_id"] == stream else ():
            if item["breadcrumb"] and item["breadcrumb"][1] in names:
                item["metadata"]["selected"] = False
    return catalog


def test_fields_deselected_in_a_list_are_still_available_to_its_children(sandbox: Sandbox) -> None:
    streams = ["campaigns", "action_metrics"]
    config = config_for(sandbox, start_date="2026-03-10", metrics_resolution="weeks")
    whole = run_tap(config, streams=streams)
    names = ("actions", "created", "state", "name")
    part = run_tap(config, catalog=without(select(streams), "campaigns", *names))
    assert part.records["action_metrics"] == whole.records["action_metrics"] != []
    expected = [
        {name: value for name, value in row.items() if name not in names}
        for row in whole.records["campaigns"]
    ]
    assert part.records["campaigns"] == expected != []


def test_a_record_is_the_same_with_and_without_a_stream_map(sandbox: Sandbox) -> None:
    streams = ["messages", "campaigns", "customers"]
    config = config_for(sandbox, start_date="2026-03-25")
    maps = {"messages": {"id": "id"}, "campaigns": {"id": "id"}, "customers": {"cio_id": "cio_id"}}
    plain = run_tap(config, streams=streams)
    mapped = run_tap({**config, "stream_maps": maps}, streams=streams)
    assert plain.all_rows() == mapped.all_rows()
    assert all(plain.records[name] for name in streams)
    lines = [line for line in plain.messages if line["type"] == "RECORD"]
    others = [line for line in mapped.messages if line["type"] == "RECORD"]
    assert [{*line} for line in lines] == [{*line} for line in others]
