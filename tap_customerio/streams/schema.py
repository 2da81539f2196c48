"""Functions that declare record schemas.

Fields are named by position, or by keyword where the name needs explaining:
`text("name", type="Channel: email, push …")`. Every field may be null except those in `key`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_customerio.api.values import LARGEST

if TYPE_CHECKING:
    from collections.abc import Iterable

Schema = dict[str, Any]

_INNER = {"items", "additionalProperties"}
"""Keywords with nested schemas, besides `properties`."""


def record(*fields: Schema, key: Iterable[str] = ("id",)) -> Schema:
    """A record's JSON schema; the fields named in `key` are never null."""
    properties = _merge(fields)
    for name in key:
        properties[name] = {**properties[name], "type": json_type(properties[name])}
    return {"type": "object", "properties": properties, "required": list(key)}


def text(*names: str, **described: str) -> Schema:
    """Strings; any other JSON value the API sends becomes its JSON text."""
    return _fields({"type": ["null", "string"]}, names, described)


def integer(*names: str, **described: str) -> Schema:
    """64-bit integers; without the maximum, some targets choose an unusual type."""
    return _fields({"type": ["null", "integer"], "maximum": LARGEST}, names, described)


def boolean(*names: str, **described: str) -> Schema:
    """Booleans."""
    return _fields({"type": ["null", "boolean"]}, names, described)


def timestamp(*names: str, **described: str) -> Schema:
    """RFC 3339 instants in UTC, from unix seconds; 0 and null both mean "not set"."""
    return _fields({"type": ["null", "string"], "format": "date-time"}, names, described)


def array_of(items: Schema, *names: str, **described: str) -> Schema:
    """Lists of `items` (one unnamed kind: `text("")`, or `nested(...)`); null is an empty list."""
    kind = items.get("", items)
    return _fields({"type": ["null", "array"], "items": kind}, names, described)


def nested(*fields: Schema) -> Schema:
    """An object of known members, for `object_of` and `array_of`."""
    return {"type": ["null", "object"], "properties": _merge(fields)}


def mapping_of(kind: Schema | None = None) -> Schema:
    """An object with arbitrary names and one (unnamed) type of value, or any JSON value.

    It must not have `properties`: flattening would look for columns there and find none. For the
    same reason, members with known names need an object of their own.
    """
    extra = True if kind is None else kind.get("", kind)
    return {"type": ["null", "object"], "additionalProperties": extra}


def object_of(kind: Schema, *names: str, **described: str) -> Schema:
    """Objects of one type: `nested(...)` or `mapping_of(...)`."""
    return _fields(kind, names, described)


def json_type(schema: Schema) -> str:
    """The JSON type of a value other than null."""
    kinds = schema["type"]
    return str(kinds if isinstance(kinds, str) else next(kind for kind in kinds if kind != "null"))


def canonical(schema: Schema) -> Schema:
    """The same schema in this module's style, which every target understands.

    Types begin with "null", a single type is not a list, and an open object has no `properties`.
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
