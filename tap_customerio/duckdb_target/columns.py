"""JSON schemas as columns of DuckDB."""

from __future__ import annotations

from typing import Any

JSON = "JSON"
TEXT = "VARCHAR"

_BY_FORMAT = {"date-time": "TIMESTAMP", "date": "DATE", "time": "TIME"}
_BY_TYPE = {"string": TEXT, "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}
_HOLDS = {
    "HUGEINT": {"BIGINT"},
    "DOUBLE": {"BIGINT", "HUGEINT"},
    "TIMESTAMP": {"DATE"},
    "TIMESTAMP WITH TIME ZONE": {"TIMESTAMP", "DATE"},
}
"""For each type, the types whose values it can hold; text can hold all values."""


def column_type(schema: dict[str, Any]) -> str:
    """The narrowest type for every value that a JSON schema allows; times are in UTC."""
    options = [schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    found = {_type_of(name, option) for option in options for name in _names(option)}
    found -= {None}
    if not found or JSON in found:
        return JSON
    if len(found) == 1:
        return str(found.pop())
    return "DOUBLE" if found <= {"BIGINT", "DOUBLE"} else TEXT


def widened(present: str, wanted: str) -> str:
    """The type of a column that holds values of types `present` and `wanted`."""
    if present in {wanted, TEXT} or wanted in _HOLDS.get(present, ()):
        return present
    return wanted if present in _HOLDS.get(wanted, ()) else TEXT


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _names(schema: dict[str, Any]) -> list[str]:
    kind = schema.get("type", [])
    names = [kind] if isinstance(kind, str) else list(kind)
    return [name for name in names if name != "null"]


def _type_of(name: str, schema: dict[str, Any]) -> str:
    if name == "string" and schema.get("format") in _BY_FORMAT:
        return _BY_FORMAT[schema["format"]]
    return _BY_TYPE.get(name, JSON)
