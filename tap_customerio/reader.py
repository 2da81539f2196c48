"""Makes the API's answers fit the schemas."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from tap_customerio import problems
from tap_customerio.schema import MOST
from tap_customerio.windows import parse, rfc3339

if TYPE_CHECKING:
    from tap_customerio.schema import Schema

Field = tuple[type | None, Callable[[Any], Any]]
"""How a value is read: the type that may stay as it is, if any, and what makes it fit."""

_LEAST = -MOST - 1
_YEAR_9999 = parse("9999-01-01")
_DEEPEST = 100
_MISFITS = (ArithmeticError, LookupError, OSError, RecursionError, TypeError, ValueError)
"""What conversions of values that do not fit may raise."""

_BOOLEANS = {True: True, False: False, "true": True, "false": False}


def within(stream: str, row: dict[str, Any], name: str) -> dict[str, Any]:
    """An object inside a row; empty if it is null or missing.

    Raises:
        Problem: When it is something else.
    """
    value = row.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise problems.bad_value(stream, name, "object")
    return value


def listed(stream: str, row: dict[str, Any], name: str) -> list[Any]:
    """A list inside a row; empty if it is null or missing.

    Raises:
        Problem: When it is something else.
    """
    value = row.get(name)
    if not isinstance(value, list | None):
        raise problems.bad_value(stream, name, "list")
    return value or []


def identifier(stream: str, row: dict[str, Any], name: str = "id") -> Any:
    """What a row is known by, a text or a whole number.

    Raises:
        Problem: When it is missing, or something else.
    """
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise problems.bad_value(stream, name, "key")
    return value


def seconds(stream: str, row: dict[str, Any], name: str) -> int | None:
    """A time in unix seconds, however the row writes it; None if it is null, missing or 0.

    Raises:
        Problem: When it is no time.
    """
    value = row.get(name)
    if type(value) is int and 0 < value < _YEAR_9999:
        return value
    try:
        text = None if value is None else _timestamp(value)
    except _MISFITS:
        raise problems.bad_value(stream, name, "time") from None
    return None if text is None else parse(text)


class Reader:
    """Turns one object of the API into one record: every declared field, and nothing else.

    `dropped` collects the names of members that the schema does not know.
    """

    def __init__(self, stream: str, schema: Schema) -> None:
        """Compile the schema once; reading is called per record."""
        self.dropped: set[str] = set()
        self._stream = stream
        properties = schema["properties"]
        self._fields = {name: self._field(name, kind) for name, kind in properties.items()}
        self._blank = dict.fromkeys(properties)
        self._lists = [name for name, kind in properties.items() if "array" in kind["type"]]
        self._keys = schema["required"]

    def __call__(self, raw: dict[str, Any]) -> dict[str, Any]:
        """Read one object; members it lacks are null, lists empty."""
        result: dict[str, Any] = self._blank.copy()
        for name in self._lists:
            result[name] = []
        fields = self._fields
        for name, value in raw.items():
            if name not in fields:
                self.dropped.add(name)
            elif value is not None:
                exact, convert = fields[name]
                result[name] = value if type(value) is exact else convert(value)
        for key in self._keys:
            if result[key] is None:
                raise problems.bad_value(self._stream, key, "key")
        return result

    def _field(self, path: str, kind: Schema) -> Field:
        convert = self._converter(path, kind)
        is_text = "string" in kind["type"] and "format" not in kind
        return str if is_text else None, convert

    def _converter(self, path: str, kind: Schema) -> Callable[[Any], Any]:
        types = kind["type"]
        if "object" in types:
            return self._object(path, kind)
        if "array" in types:
            return self._array(path, kind)
        if kind.get("format") == "date-time":
            return self._time(path)
        if "string" in types:
            return self._checked(path, "text", _text)
        if "integer" in types:
            return self._integer(path)
        return self._checked(path, "boolean", _boolean)

    def _integer(self, path: str) -> Callable[[Any], Any]:
        slowly = self._checked(path, "integer", _integer)

        def integer(value: Any) -> Any:
            return value if type(value) is int and _LEAST <= value <= MOST else slowly(value)

        return integer

    def _time(self, path: str) -> Callable[[Any], Any]:
        slowly = self._checked(path, "time", _timestamp)

        def time(value: Any) -> Any:
            return (
                rfc3339(value) if type(value) is int and 0 < value < _YEAR_9999 else slowly(value)
            )

        return time

    def _checked(
        self, path: str, expected: str, convert: Callable[[Any], Any]
    ) -> Callable[[Any], Any]:
        def checked(value: Any) -> Any:
            try:
                return convert(value)
            except _MISFITS:
                raise problems.bad_value(self._stream, path, expected) from None

        return checked

    def _array(self, path: str, kind: Schema) -> Callable[[Any], Any]:
        convert = self._converter(f"{path}[]", kind["items"])

        def array(value: Any) -> list[Any]:
            if value == "nil":  # as an example of the API's own reference has it
                return []
            if not isinstance(value, list):
                raise problems.bad_value(self._stream, path, "list")
            return [None if item is None else convert(item) for item in value]

        return array

    def _object(self, path: str, kind: Schema) -> Callable[[Any], Any]:
        known = {
            name: self._field(f"{path}.{name}", member)
            for name, member in kind["properties"].items()
        }
        extra = kind.get("additionalProperties")
        other = (
            (None, self._checked(f"{path}.*", "value that nests less deeply", _as_it_is))
            if extra is True
            else extra and self._field(f"{path}.*", extra)
        )

        def members(value: Any) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise problems.bad_value(self._stream, path, "object")
            result = {}
            for name, member in value.items():
                field = known.get(name, other)
                if field is None:
                    self.dropped.add(f"{path}.{name}")
                elif member is None or type(member) is field[0]:
                    result[name] = member
                else:
                    result[name] = field[1](member)
            return result

        return members


def _as_it_is(value: Any, depth: int = 0) -> Any:
    """A value of any kind; targets and the writer go down into it by recursion."""
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            _as_it_is(member, depth + 1)
    return value


def _text(value: Any) -> str:
    return value if type(value) is str else msgspec.json.encode(value).decode()


def _integer(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError
    if not _LEAST <= (whole := int(value)) <= MOST:
        raise ValueError
    return whole


def _boolean(value: Any) -> bool:
    return _BOOLEANS[value]


def _timestamp(value: Any) -> str | None:
    if isinstance(value, str) and not value.lstrip("-").isdigit():
        return rfc3339(parse(value))
    moment = float(value)
    if not math.isfinite(moment):
        raise ValueError
    return rfc3339(int(moment)) if moment else None
