"""A small vocabulary for declaring record schemas.

Fields are named by position, or by keyword where the name needs explaining:
`text("name", type="Channel: email, push …")`. Every field may be null except those in `key`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Schema = dict[str, Any]

MOST = 2**63 - 1
"""The largest integer that every target can hold."""

_INNER = {"items", "additionalProperties"}
"""What holds a schema inside a schema, beside `properties`."""


def record(*fields: Schema, key: Iterable[str] = ("id",)) -> Schema:
    """A record's JSON schema; the fields named in `key` are never null."""
    properties = _merge(fields)
    for name in key:
        kinds = [kind for kind in properties[name]["type"] if kind != "null"]
        properties[name] = {**properties[name], "type": kinds}
    return {"type": "object", "properties": properties, "required": list(key)}


def text(*names: str, **described: str) -> Schema:
    """Strings; any other JSON value the API sends becomes its JSON text."""
    return _fields({"type": ["string", "null"]}, names, described)


def integer(*names: str, **described: str) -> Schema:
    """Whole numbers of 64 bits; without the maximum, some targets choose an exotic type."""
    return _fields({"type": ["integer", "null"], "maximum": MOST}, names, described)


def boolean(*names: str, **described: str) -> Schema:
    """Booleans."""
    return _fields({"type": ["boolean", "null"]}, names, described)


def timestamp(*names: str, **described: str) -> Schema:
    """RFC 3339 instants in UTC, from unix seconds; 0 and null both mean "not set"."""
    return _fields({"type": ["string", "null"], "format": "date-time"}, names, described)


def array_of(items: Schema, *names: str, **described: str) -> Schema:
    """Lists of `items` (one unnamed kind: `text("")`, or `nested(...)`); null is an empty list."""
    kind = items.get("", items)
    return _fields({"type": ["array", "null"], "items": kind}, names, described)


def nested(*fields: Schema, extra: Schema | Literal[True] | None = None) -> Schema:
    """An object for `object_of` and `array_of`.

    `extra` is the kind of all undeclared members; True lets them pass as they are.
    """
    schema: Schema = {"type": ["object", "null"], "properties": _merge(fields)}
    if extra is not None:
        schema["additionalProperties"] = extra if extra is True else extra.get("", extra)
    return schema


def object_of(kind: Schema, *names: str, **described: str) -> Schema:
    """Objects of one `nested` kind."""
    return _fields(kind, names, described)


def canonical(schema: Schema) -> Schema:
    """The same schema as this module writes it, which every target reads.

    Types begin with "null", a single type is no list, and an open object has no `properties`.
    """
    result = {
        name: canonical(part) if isinstance(part, dict) and name in _INNER else part
        for name, part in schema.items()
    }
    if members := schema.get("properties"):
        result["properties"] = {name: canonical(member) for name, member in members.items()}
    elif "additionalProperties" in schema:
        result.pop("properties", None)
    if isinstance(kinds := schema.get("type"), list):
        ordered = sorted(kinds, key=lambda kind: kind != "null")
        result["type"] = ordered if len(ordered) > 1 else ordered[0]
    return result


def _merge(fields: Iterable[Schema]) -> Schema:
    return {name: kind for field in fields for name, kind in field.items()}


def _fields(kind: Schema, names: Iterable[str], described: dict[str, str]) -> Schema:
    return dict.fromkeys(names, kind) | {
        name: {**kind, "description": about} for name, about in described.items()
    }
