"""Decodes and reads rows that match their schema, with types built from the schema."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec

from tap_customerio.api.values import LARGEST, YEAR_9999
from tap_customerio.streams.schema import json_type

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tap_customerio.streams.schema import Schema

_Whole = Annotated[int, msgspec.Meta(ge=-LARGEST - 1, le=LARGEST)]
_Time = Annotated[int, msgspec.Meta(ge=1, lt=YEAR_9999)]
_Times = dict[str, Annotated[int, msgspec.Meta(ge=0, lt=YEAR_9999)]]
_Texts = dict[str, str | None]
_KEYS: dict[str, Any] = {
    "string": Annotated[str, msgspec.Meta(min_length=1)],
    "integer": _Whole,
}
_USUAL: dict[str, Any] = {"string": str, "integer": _Whole, "boolean": bool, "date-time": _Time}
"""Types of the API's values, by the format or type of the schema."""

_OBJECTS: dict[str, Any] = {"string": _Texts, "date-time": _Times}
"""Types of objects with members of one kind."""


Field = tuple[type | None, Callable[[Any], Any]]
"""How to read a value: the type that needs no conversion, if any, and the conversion."""


class Row(msgspec.Struct):
    """An object of the API that matches its schema; mutable, and encodable as JSON."""

    def get(self, name: str) -> Any:
        """A member; None if there is none."""
        return getattr(self, name, None)

    __getitem__ = get

    def update(self, members: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Set members."""
        for name, value in {**members, **more}.items() if members else more.items():
            setattr(self, name, value)


class TypedReader:
    """Decodes and reads rows of the usual types at a third of the cost of other rows."""

    def __init__(
        self,
        schema: Schema,
        fields: Mapping[str, Field],
        *,
        deselected: Collection[str],
        computed: Collection[str],
    ) -> None:
        """Compile the schema; `fields` read members whose type the schema leaves open.

        `computed` members are set after decoding, times in seconds.
        """
        self._left_out = [name for name in schema["properties"] if name in deselected]
        self._lists: list[str] = []
        self._unread: list[tuple[str, type | None, Callable[[Any], Any]]] = []
        given: list[tuple[Any, ...]] = []
        written: list[tuple[str, Any]] = []
        for name, kind in schema["properties"].items():
            is_cut = any(path.startswith(f"{name}.") for path in deselected)
            usual = Any if is_cut else _usual_type(kind)
            written.append((name, _written_type(usual)))
            if name in computed:
                given.append((name, Any, None))
                usual = usual if usual is _Time else Any
            elif name in schema["required"]:
                given.append((name, _KEYS[json_type(kind)]))
            else:
                given.append((name, usual | None, None))
            if name not in self._left_out:
                self._take(name, kind, usual, fields[name])
        options: dict[str, Any] = {"bases": (Row,), "kw_only": True}
        row = msgspec.defstruct("Row", given, forbid_unknown_fields=True, **options)
        self.decode = cast("Callable[[msgspec.Raw], Row]", msgspec.json.Decoder(row).decode)
        """Raises for rows of other types."""
        record = msgspec.defstruct("Record", written, **options)
        self._write = partial(msgspec.convert, type=record, strict=False, from_attributes=True)

    def _take(self, name: str, kind: Schema, usual: Any, field: Field) -> None:
        """Store how to read a member."""
        exact, convert = field
        read = convert if usual is Any else _object_reader(kind, usual, convert)
        if read is not None:
            self._unread.append((name, exact, read))
        if json_type(kind) == "array":
            self._lists.append(name)

    def __call__(self, row: Row) -> Row:
        """Read a row, whose seconds become times."""
        for name in self._lists:
            if getattr(row, name) is None:
                setattr(row, name, [])
        for name, exact, convert in self._unread:
            value = getattr(row, name)
            if value is not None and type(value) is not exact:
                setattr(row, name, convert(value))
        record: Row = self._write(row)
        for name in self._left_out:
            setattr(record, name, msgspec.UNSET)
        return record


def _usual_type(kind: Schema) -> Any:
    """The type of a member in the API; any, if the schema leaves it open."""
    if json_type(kind) != "object":
        return _USUAL.get(kind.get("format", json_type(kind)), Any)
    known, extra = kind.get("properties", {}), kind.get("additionalProperties")
    members = [*known.values(), extra] if extra else known.values()
    kinds = {
        "" if member is True else member.get("format", json_type(member)) for member in members
    }
    return _OBJECTS.get(kinds.pop(), Any) if len(kinds) == 1 else Any


def _written_type(usual: Any) -> Any:
    """The type of a member when written: msgspec turns seconds into times, and times into text."""
    if usual is _Time:
        return dt.datetime | None
    return dict[str, dt.datetime | None] | None if usual is _Times else Any


def _object_reader(
    kind: Schema, usual: Any, convert: Callable[[Any], Any]
) -> Callable[[Any], Any] | None:
    """A function that adapts an object of its usual type; None if nothing needs adapting."""
    known = None if kind.get("additionalProperties") else kind.get("properties", {}).keys()
    if usual is not _Times and (usual is not _Texts or known is None):
        return None

    def read(value: dict[str, Any]) -> Any:
        if known is not None and not value.keys() <= known:
            return convert(value)
        if usual is _Times and 0 in value.values():
            return {name: moment or None for name, moment in value.items()}
        return value

    return read
