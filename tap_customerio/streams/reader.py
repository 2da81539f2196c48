"""Converts API rows to records that fit the schemas.

Unambiguous values of another type are converted. Unreadable values become null and are counted;
a row is dropped only if its key is missing or its bookmark value is unreadable.
"""

from __future__ import annotations

import json
import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tap_customerio.api.values import LARGEST, MISFITS, YEAR_9999, time_of, whole_number
from tap_customerio.streams.pii import MASK, is_personal
from tap_customerio.streams.schema import json_type
from tap_customerio.streams.typed import Field, Row, TypedReader
from tap_customerio.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tap_customerio.streams.schema import Schema
    from tap_customerio.sync.outcome import ReadOutcome

T = TypeVar("T")

_LEAST = -LARGEST - 1
_DEEPEST = 100
_LONGEST_ID = 64
_BOOLEANS = {True: True, False: False, "true": True, "false": False, "1": True, "0": False}


class _LostRow(Exception):  # noqa: N818 - never leaves this module
    """A row that cannot become a record, because of this field."""


class Reader:
    """Converts one API object to one record with exactly the declared fields.

    `dropped` collects the names of undeclared members; `outcome` counts unreadable values and lost
    rows.
    """

    def __init__(  # noqa: PLR0913 - what a stream knows of itself
        self,
        stream: str,
        schema: Schema,
        outcome: ReadOutcome,
        *,
        bookmark: str | None = None,
        deselected: Collection[tuple[str, ...]] = (),
        computed: Collection[str] = (),
    ) -> None:
        """Compile the schema once for all records.

        Omits fields and members of objects whose path is in `deselected`. The caller sets the
        `computed` members of a `Row`.
        """
        self.dropped: set[str] = set()
        self._outcome = outcome
        self._bookmark = bookmark
        self._schema = schema
        self._computed = computed
        self._keys = schema["required"]
        self._hidden = {key for key in self._keys if is_personal(f"{stream}.{key}")}
        self._row: dict[str, Any] | Row = {}
        self._deselected = {".".join(path) for path in deselected}
        self._left_out = [path[0] for path in deselected if len(path) == 1]
        properties = schema["properties"]
        self._fields = {name: self._field(name, kind) for name, kind in properties.items()}
        self._blank = dict.fromkeys(properties)
        self._lists = [name for name, kind in properties.items() if json_type(kind) == "array"]

    @cached_property
    def typed(self) -> TypedReader:
        """Reads rows that fit the schema."""
        return TypedReader(
            self._schema, self._fields, deselected=self._deselected, computed=self._computed
        )

    def __call__(self, raw: dict[str, Any] | Row) -> dict[str, Any] | None:
        """Convert one object: missing members are null, missing lists empty; None if it is lost."""
        self._row = raw
        if isinstance(raw, Row):
            row = self.typed(raw)
            return cast("dict[str, Any]", row) if self._has_keys(row) else None
        result: dict[str, Any] = self._blank.copy()
        for name in self._lists:
            result[name] = []
        fields = self._fields
        try:
            for name, value in raw.items():
                if name not in fields:
                    self.dropped.add(name)
                elif value is not None:
                    exact, convert = fields[name]
                    result[name] = value if type(value) is exact else convert(value)
        except _LostRow as lost:
            self._lose(str(lost))
            return None
        for name in self._left_out:
            result.pop(name, None)
        return result if self._has_keys(result) else None

    def _has_keys(self, record: dict[str, Any] | Row) -> bool:
        for key in self._keys:
            if (found := record[key]) is None or found == "":
                self._lose(key)
                return False
        return True

    def id_of(self, raw: dict[str, Any] | Row) -> str:
        """A row's key as a log may show it; empty if the key is unknown."""
        parts = [self._shown(key, raw.get(key)) for key in self._keys]
        return "/".join(parts) if {*parts} != {"?"} else ""

    def _shown(self, key: str, value: Any) -> str:
        known = value if isinstance(value, str | int | float) and value != "" else None
        exact, convert = self._fields[key]
        text = str(known if known is None or type(known) is exact else convert(known))
        if known is None or text == "None":
            return "?"
        # A key of an unusual type may be an e-mail address.
        safe = text.isprintable() and "@" not in text and len(text) <= _LONGEST_ID
        return text if safe and key not in self._hidden else MASK

    def _lose(self, field: str) -> None:
        self._outcome.lose_row(field, self.id_of(self._row))

    def _give_up(self, path: str) -> Any:
        """Count an unreadable value and return None; keys are checked at the end."""
        if path not in self._keys:
            if path == self._bookmark:
                raise _LostRow(path)
            self._outcome.unreadable.add(path, self.id_of(self._row))
        return None

    def _field(self, path: str, kind: Schema) -> Field:
        if path in self._deselected:
            return None, _nothing
        convert = self._converter(path, kind)
        if json_type(kind) == "string" and "format" not in kind:
            return str, convert
        return bool if json_type(kind) == "boolean" else None, convert

    def _converter(self, path: str, kind: Schema) -> Callable[[Any], Any]:
        plain = json_type(kind)
        if plain == "object":
            return self._object(path, kind)
        if plain == "array":
            return self._array(path, kind)
        if kind.get("format") == "date-time":
            return self._time(path)
        if plain == "string":
            return self._checked(path, _key if path in self._keys else _text)
        if plain == "integer":
            return self._integer(path)
        return self._checked(path, _boolean)

    def _integer(self, path: str) -> Callable[[Any], Any]:
        slowly = self._checked(path, whole_number)

        def integer(value: Any) -> Any:
            return value if type(value) is int and _LEAST <= value <= LARGEST else slowly(value)

        return integer

    def _time(self, path: str) -> Callable[[Any], Any]:
        slowly = self._checked(path, _timestamp)

        def time(value: Any) -> Any:
            if type(value) is int and 0 <= value < YEAR_9999:
                return rfc3339(value) if value else None
            return slowly(value)

        return time

    def _checked(self, path: str, convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def checked(value: Any) -> Any:
            try:
                return convert(value)
            except MISFITS:
                return self._give_up(path)

        return checked

    def _array(self, path: str, kind: Schema) -> Callable[[Any], Any]:
        convert = self._converter(f"{path}[]", kind["items"])

        def array(value: Any) -> list[Any] | None:
            if not isinstance(value, list):
                # An example in the API reference has "nil".
                return [] if value in ("", "nil", {}) else self._give_up(path)
            return [None if item is None else convert(item) for item in value] if value else []

        return array

    def _object(self, path: str, kind: Schema) -> Callable[[Any], Any]:
        declared = kind.get("properties", {}).items()
        known = {name: self._field(f"{path}.{name}", member) for name, member in declared}
        extra = kind.get("additionalProperties")
        other: Field | None = None
        if extra:
            is_open = extra is True
            other = (None, self._open(f"{path}.*")) if is_open else self._field(f"{path}.*", extra)
        read = self._uniform(other) if other and not known else self._mixed(path, known, other)
        left_out = [
            name.removeprefix(f"{path}.")
            for name in self._deselected
            if name.startswith(f"{path}.")
        ]

        def members(value: Any) -> dict[str, Any] | None:
            if not isinstance(value, dict):
                return None if value in ("", []) else self._give_up(path)
            result = read(value)
            for name in left_out:
                result.pop(name, None)
            return result

        return members

    def _uniform(self, field: Field) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """Convert members that all have one type, such as the attributes of people."""
        exact, convert = field
        return lambda value: {
            name: member if member is None or type(member) is exact else convert(member)
            for name, member in value.items()
        }

    def _mixed(
        self, path: str, known: dict[str, Field], other: Field | None
    ) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def read(value: dict[str, Any]) -> dict[str, Any]:
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

        return read

    def _open(self, path: str) -> Callable[[Any], Any]:
        """Convert values of any type, except numbers that targets cannot store."""

        def without_misfits(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: without_misfits(member) for name, member in value.items()}
            if isinstance(value, list):
                return [without_misfits(item) for item in value]
            return value if _fits(value) else self._give_up(path)

        def anything(value: Any) -> Any:
            try:
                return value if _fits(value) else without_misfits(value)
            except RecursionError:
                return self._give_up(path)

        return anything


def _fits(value: Any, depth: int = 0) -> bool:
    """Whether targets can store a value of any type; they read it by recursion.

    Raises:
        RecursionError: The value nests too deeply.
    """
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(value, dict | list):
        found = [
            _fits(m, depth + 1) for m in (value.values() if isinstance(value, dict) else value)
        ]
        return all(found)
    if isinstance(value, int):
        return _LEAST <= value <= LARGEST
    return not isinstance(value, float) or math.isfinite(value)


def _nothing(_: Any) -> None:
    """Placeholder for a deselected field, which is removed later."""


def _key(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError
    return str(value)


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _boolean(value: Any) -> bool | None:
    if value == "":
        return None
    return _BOOLEANS[value.strip().lower() if isinstance(value, str) else value]


def _timestamp(value: Any) -> str | None:
    moment = time_of(value)
    return None if moment is None else rfc3339(moment)
