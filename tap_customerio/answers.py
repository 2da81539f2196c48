"""The JSON of answers: checked when it comes, decoded when it is used."""

from __future__ import annotations

import codecs
import json
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_utf_8 = codecs.getincrementaldecoder("utf-8")
_BIT = 1 << 16
_NUL = b"\\u0000"
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Stamp(msgspec.Struct):
    created: int


class Answer(NamedTuple):
    """The members of an answer's JSON object, and the API's clock then, in unix seconds."""

    members: dict[str, msgspec.Raw]
    at: int

    def get(self, name: str) -> Any:
        """Decode one member; None if it is missing."""
        raw = self.members.get(name)
        return None if raw is None else msgspec.json.decode(raw)

    def whole(self) -> Any:
        """Decode all of it; the one member of an answer that is a list is its nameless one."""
        decoded = {name: msgspec.json.decode(raw) for name, raw in self.members.items()}
        return decoded.get("", decoded)


class Page:
    """Rows as the API sent them, decoded only when they are iterated: waiting pages stay small."""

    _stamps = msgspec.json.Decoder(list[_Stamp])

    def __init__(self, rows: msgspec.Raw, *, more: bool) -> None:
        """Keep the JSON of a list, or null, and whether the API has a page after it."""
        self._rows: msgspec.Raw | bytes = rows
        self._packed = False
        self.more = more

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return len(memoryview(self._rows))

    def pack(self) -> None:
        """Take a quarter of the memory until it is iterated; worth it for a long wait."""
        self._rows, self._packed = zlib.compress(self._rows, 1), True

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Decode all rows."""
        return iter(msgspec.json.decode(self._unpacked()) or ())

    def created(self) -> list[int]:
        """When the rows were created, in unix seconds; empty if they do not say."""
        try:
            return [stamp.created for stamp in self._stamps.decode(self._unpacked())]
        except msgspec.ValidationError:
            return []

    def _unpacked(self) -> msgspec.Raw | bytes:
        return zlib.decompress(self._rows) if self._packed else self._rows


def pack(rows: Iterable[Any]) -> None:
    """Make rows smaller that are to wait."""
    if isinstance(rows, Page):
        rows.pack()


def weight(rows: Iterable[Any]) -> int:
    """Bytes that rows take in memory, about."""
    return rows.size if isinstance(rows, Page) else 1000 * len(list(rows))


def decode(content: bytes) -> dict[str, msgspec.Raw]:
    """Check and open a JSON object, or a list as its nameless member; make text safe for targets.

    Half a surrogate pair and NUL crash them; both, and what is not UTF-8, take the slow way.
    """
    if content[:1] == b"[":
        content = b'{"":%b}' % content
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        if _NUL not in content:
            _check_utf_8(content)
            return _members.decode(content)
    try:
        data = json.loads(content.decode(errors="replace"), strict=False)
    except (ValueError, RecursionError):
        raise ValueError("an answer that is no JSON") from None
    if not isinstance(data, dict):
        raise TypeError("an answer that is no JSON object")
    return {name: msgspec.Raw(msgspec.json.encode(_safe(member))) for name, member in data.items()}


def _check_utf_8(content: bytes) -> None:
    """Decode bit by bit, since the whole in memory may take five times as much."""
    decoder = _utf_8()
    for start in range(0, len(content), _BIT):
        decoder.decode(content[start : start + _BIT])
    decoder.decode(b"", final=True)


def _safe(value: Any) -> Any:
    """Remove NUL, and put U+FFFD for half of a surrogate pair, in every string."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_safe(item) for item in value]
    if isinstance(value, dict):
        return {_safe(name): _safe(member) for name, member in value.items()}
    return value
