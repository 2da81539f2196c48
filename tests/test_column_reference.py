"""The column reference is complete, matches the schemas, and its joins are possible."""

from __future__ import annotations

import column_reference
import pytest
from column_reference import STREAMS, joins

from tap_customerio.streams.schema import json_type


def test_the_reference_is_generated_from_the_schemas() -> None:
    renew = "renew it: python tests/column_reference.py"
    assert column_reference.PAGE.read_text() == column_reference.text(), renew


@pytest.mark.parametrize("name", STREAMS)
def test_every_id_joins_a_column_of_its_type_or_is_listed_as_alone(name: str) -> None:
    schema = STREAMS[name].schema["properties"]
    found = {join.column for join in joins(STREAMS[name])}
    ids = {column for column in schema if column.endswith(("_id", "_ids"))}
    own = {"cio_id", "cio_object_id"} & {*STREAMS[name].primary_keys}
    assert ids - found - column_reference.ALONE <= own
    for join in joins(STREAMS[name]):
        column = schema[join.column]
        one = column["items"] if json_type(column) == "array" else column
        assert json_type(one) == json_type(STREAMS[join.stream].schema["properties"][join.target])


def test_every_number_except_ids_has_a_unit() -> None:
    bare = {
        f"{name}.{column}"
        for name, stream in STREAMS.items()
        for column, schema in stream.schema["properties"].items()
        if json_type(schema) == "integer" and not column_reference.unit(f"{name}.{column}", schema)
    }
    assert {place for place in bare if not place.endswith(("_id", ".id"))} == {
        "collection_contents.row_number",
        "newsletters.expires_after",  # Customer.io documents no unit
    }


def test_the_diagrams_show_every_stream_that_others_join() -> None:
    pointed_to = {join.stream for stream in STREAMS.values() for join in joins(stream)}
    shown = [name for names in column_reference.AREAS.values() for name in names]
    assert sorted(shown) == sorted(pointed_to)
