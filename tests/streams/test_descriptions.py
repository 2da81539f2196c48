"""Every field of every stream has a description that stands alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_customerio.streams import all_streams

if TYPE_CHECKING:
    from collections.abc import Iterator

STREAMS = {stream.name: stream for stream in all_streams()}


def described(schema: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Each declared field at any depth, with its description."""
    for name, kind in schema.get("properties", {}).items():
        yield f"{path}.{name}", kind.get("description", "")
        yield from described(kind, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if isinstance(kind := schema.get(inner), dict):
            yield from described(kind, path)


@pytest.mark.parametrize("name", STREAMS)
def test_every_field_is_described(name: str) -> None:
    found = dict(described(STREAMS[name].schema, name))
    assert found
    assert [field for field, about in found.items() if not about.endswith((".", "…"))] == []
