"""The elements of schemas."""

from __future__ import annotations

from tap_customerio.streams.schema import integer, record, text

SCHEMA = record(integer("id", count="How many."), text("name"))


def test_keys_are_required_and_everything_else_may_be_null() -> None:
    assert SCHEMA["required"] == ["id"]
    assert SCHEMA["properties"]["id"]["type"] == "integer"
    assert SCHEMA["properties"]["name"]["type"] == ["null", "string"]
    assert SCHEMA["properties"]["count"]["description"] == "How many."
