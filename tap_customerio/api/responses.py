"""JSON responses: checked when they arrive, decoded when they are used."""

from __future__ import annotations

import codecs
import json
import math
import re
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from tap_customerio import errors
from tap_customerio.api.values import seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_customerio.api.transport import RequestSpec

T = TypeVar("T")

_utf_8 = codecs.getincrementaldecoder("utf-8")
_BIT = 1 << 16
_NUL = b"\\u0000"
_DEEPEST, _LONGEST_NUMBER = 150, 400
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[][{}]', re.DOTALL)
_EMPTY = (b"null", b"[]", b'""')
_NAMELESS = b"   "
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, Any]).decode
_texts = msgspec.json.Decoder(list[msgspec.Raw] | None)


class Stamp(msgspec.Struct):
    """Creation time of a row in unix seconds, and its id."""

    created: int
    id: str = ""


class _Identifiers(msgspec.Struct):
    """The identifying members of a row; the others may change at any time."""

    id: msgspec.Raw = msgspec.Raw()
    cio_id: msgspec.Raw = msgspec.Raw()
    identifiers: msgspec.Raw = msgspec.Raw()
    email: msgspec.Raw = msgspec.Raw()


class ParsedResponse(NamedTuple):
    """The members of a response's JSON object, and the API's clock in unix seconds."""

    members: dict[str, msgspec.Raw]
    at: int
    request: str

    def get(self, name: str) -> Any:
        """Decode one member; None if it is missing.

        Raises:
            TapError: It nests too deeply, or a number is too long.
        """
        raw = self.members.get(name)
        return None if raw is None else _decoded(raw, self.request)

    def object(self, name: str) -> dict[str, Any]:
        """Decode one member that must be an object.

        Raises:
            TapError: It is missing, null, or something else.
        """
        found = self.get(name)
        if not isinstance(found, dict):
            raise errors.api.invalid_member(self.request, name, "object")
        return found

    def rows(self, name: str) -> list[Any]:
        """Decode one member that must be a list; the API sends null for some empty lists.

        Raises:
            TapError: It is missing, or something else.
        """
        if name not in self.members:
            raise errors.api.missing_rows(self.request, name)
        found = self.get(name)
        if not isinstance(found, list | None) and found != "":
            raise errors.api.invalid_member(self.request, name, "list")
        return found or []

    def place_of(self, key: str) -> str | None:
        """Name of the member that holds the rows of `key`, or an empty value; None if missing.

        Lists of people have `ids` next to `identifiers`; `ids` are used if they come alone.
        """
        names = [key, "ids"] if key == "identifiers" else [key]
        heads = {name: bytes(memoryview(self.members.get(name, b"-"))[:5]) for name in names}
        empty = [name for name in names if heads[name] in _EMPTY]
        filled = [name for name in names if heads[name][:1] == b"[" and name not in empty]
        return next(iter(filled + empty), None)

    def objects(self, name: str) -> list[dict[str, Any]]:
        """Decode one member that must be a list; items that are not objects become empty rows.

        Raises:
            TapError: It is not a list.
        """
        return _rows_of(self.rows(name))

    def whole(self) -> Any:
        """Decode the whole response; in one that is a list, the list is a member without a name."""
        decoded = {name: _decoded(raw, self.request) for name, raw in self.members.items()}
        rows = decoded[""] if decoded.keys() == {""} else decoded
        return rows or [] if isinstance(rows, list | None) else decoded


class Page:
    """Rows in encoded form; decoding only on iteration keeps waiting pages small."""

    _stamps = msgspec.json.Decoder(list[Stamp])
    _names = msgspec.json.Decoder(list[_Identifiers])

    def __init__(
        self, response: ParsedResponse, key: str, spec: RequestSpec, *, more: bool
    ) -> None:
        """Hold the JSON of a list, or null, and whether another page follows."""
        self.spec = spec
        self._rows: msgspec.Raw | bytes = response.members[key]
        self._name, self._request = key, response.request
        self._packed = False
        self.more = more

    @property
    def size(self) -> int:
        """Size in bytes."""
        return len(memoryview(self._rows))

    def pack(self) -> None:
        """Compress to a quarter until iteration; worthwhile for a long wait."""
        self._rows, self._packed = zlib.compress(self._rows, 1), True

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Decode row by row, so that each row is still in the processor's cache when it is read.

        An item that is not an object becomes an empty row without a key. A bare identifier, as in
        lists of `ids`, becomes a row with this `id`.
        """
        try:
            rows = _texts.decode(self._unpacked()) or ()
        except (msgspec.DecodeError, RecursionError, ValueError):
            return map(self._row_of, _decoded(self._unpacked(), self._request) or ())
        return map(self._row, rows)

    def typed(self, decode: Callable[[msgspec.Raw], T]) -> Iterator[T | dict[str, Any]]:
        """Decode rows with a typed decoder, and rows that do not fit it as usual."""
        try:
            rows = _texts.decode(self._unpacked()) or ()
        except (msgspec.DecodeError, RecursionError, ValueError):
            yield from self
            return
        for text in rows:
            try:
                row: T | dict[str, Any] = decode(text)
            except (msgspec.DecodeError, RecursionError, ValueError):
                row = self._row(text)
            yield row

    def _row(self, text: msgspec.Raw) -> dict[str, Any]:
        try:
            return _object(text)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return self._row_of(_decoded(text, self._request))

    def _row_of(self, found: Any) -> dict[str, Any]:
        if self._name == "ids":
            return {"id": found}
        return found if isinstance(found, dict) else {}

    @property
    def empty(self) -> bool:
        """Whether it has no rows."""
        return bytes(memoryview(self._unpacked())[:5]) in _EMPTY

    def names(self) -> list[int]:
        """A number per row; rows with other identifiers have other numbers."""
        found: list[Any] = []
        with suppress(msgspec.DecodeError):
            for row in self._names.decode(self._unpacked()):
                name = b" ".join((row.id, row.cio_id, row.identifiers, row.email))
                found.append(name.replace(b'"', b""))  # a number may also come as text
        if {*found} <= {_NAMELESS}:
            found = [repr(row) for row in self]
        return [hash(row) for row in found]

    def contents(self) -> set[int]:
        """A number per row; rows that differ in any member have other numbers."""
        return {hash(row) for row in self._texts()}

    def leave_out(self, known: set[int]) -> None:
        """Drop the rows whose `contents` are in a set."""
        rows = b",".join(row for row in self._texts() if hash(row) not in known)
        self._rows, self._packed = b"[%b]" % rows, False

    def mark(self) -> int:
        """A number for the page; pages with other rows have other numbers."""
        return hash(tuple(self.names()))

    def stamps(self) -> list[Stamp]:
        """Creation times of all rows in unix seconds, 0 if unreadable, and their ids."""
        try:
            return self._stamps.decode(self._unpacked())
        except (msgspec.DecodeError, ValueError):
            return [Stamp(seconds(row, "created") or 0, str(row.get("id"))) for row in self]

    def _texts(self) -> list[bytes]:
        rows = self._unpacked()
        try:
            return [bytes(memoryview(row)) for row in _texts.decode(rows) or ()]
        except msgspec.DecodeError:
            return [msgspec.json.encode(row) for row in self]

    def _unpacked(self) -> msgspec.Raw | bytes:
        return zlib.decompress(self._rows) if self._packed else self._rows


def pack(rows: Iterable[Any]) -> None:
    """Compress waiting rows."""
    if isinstance(rows, Page):
        rows.pack()


def weight(rows: Iterable[Any]) -> int:
    """Approximate memory of rows in bytes."""
    return rows.size if isinstance(rows, Page) else 1000 * len(list(rows))


def decode(content: bytes) -> dict[str, msgspec.Raw]:
    """Check and open a JSON object; make text safe for targets.

    A list, or null in place of one, becomes the member of an object without a name.

    Half a surrogate pair and NUL crash targets; they and invalid UTF-8 take the slow path.

    Raises:
        ValueError: It is not JSON.
        TypeError: It is neither an object nor a list.
        RecursionError: It nests too deeply.
    """
    if (start := content[:64].strip())[:1] == b"[" or start == b"null":
        content = b'{"":%b}' % content
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if _NUL not in content:
            _check_utf_8(content)
            return _members.decode(content)
    try:
        data = _loads(content, _safe)
    except ValueError:
        raise ValueError("a response that is no JSON") from None
    if not isinstance(data, dict):
        raise TypeError("a response that is not a JSON object")
    return {name: msgspec.Raw(json.dumps(member).encode()) for name, member in data.items()}


def _decoded(raw: msgspec.Raw | bytes, request: str) -> Any:
    """Decode a value, even one that targets cannot store; the reader handles those."""
    with suppress(msgspec.DecodeError, RecursionError, ValueError):
        return msgspec.json.decode(raw)
    try:
        return _loads(bytes(memoryview(raw)))
    except (RecursionError, ValueError):
        raise errors.api.unreadable_response(request) from None


def _rows_of(found: Iterable[Any]) -> list[dict[str, Any]]:
    return [row if isinstance(row, dict) else {} for row in found]


def _loads(content: bytes, change: Callable[[Any], Any] = lambda data: data) -> Any:
    """Decode JSON with numbers of any length; deeply nested values become infinity.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It nests too deeply and is not JSON.
    """

    def load(content: bytes) -> Any:
        text = content.decode(errors="replace")
        return change(json.loads(text, strict=False, parse_int=_integer))

    try:
        return load(content)
    except RecursionError:
        return load(_pruned(content))


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else math.inf


def _pruned(content: bytes) -> bytes:
    """JSON with infinity in place of deeply nested values."""
    parts, depth, start = [], 0, 0
    for token in _TOKEN.finditer(content):
        if token[0] in {b"[", b"{"}:
            depth += 1
            if depth == _DEEPEST:
                parts.append(content[start : token.start()])
        elif token[0] in {b"]", b"}"}:
            if depth == _DEEPEST:
                parts.append(b"1e999")
                start = token.end()
            depth -= 1
    return b"".join([*parts, content[start:]])


def _check_utf_8(content: bytes) -> None:
    """Decode in chunks: the whole text may take five times its size in memory."""
    decoder = _utf_8()
    for start in range(0, len(content), _BIT):
        decoder.decode(content[start : start + _BIT])
    decoder.decode(b"", final=True)


def _safe(value: Any) -> Any:
    """Remove NUL, and replace half surrogate pairs with U+FFFD, in every string."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_safe(item) for item in value]
    if isinstance(value, dict):
        return {_safe(name): _safe(member) for name, member in value.items()}
    return value
