"""A request as the routes receive it, and their error responses."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_customerio.sandbox.faults.behaviours import Behaviours
    from tap_customerio.sandbox.world.rng import Row
    from tap_customerio.sandbox.world.workspace import Workspace

BAD_REQUEST = 400
NOT_FOUND = 404
_Item = TypeVar("_Item")


class RefusalError(Exception):
    """An error response."""

    def __init__(self, status: int, detail: str | None = None) -> None:
        """Reject with this status; the message is optional."""
        super().__init__(status)
        self.status = status
        self.detail = detail


@dataclass
class TrackCredentials:
    """The workspace of the Track API keys, and the URL of its region's host."""

    region: str
    workspace: int
    is_ours: bool = True
    url: str = ""


@dataclass(frozen=True)
class ApiRequest:
    """A request and its time."""

    workspace: Workspace
    behaviours: Behaviours
    now: float
    settled: float
    """The time of the counts: now, or the last full minute of a running clock."""
    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    credentials: TrackCredentials = field(default_factory=lambda: TrackCredentials("us", 1001))

    def number(self, name: str) -> int | None:
        """A whole number in the query; None if missing."""
        text = self.query.get(name, "")
        if text and not re.fullmatch(r"-?\d{1,15}", text):
            raise RefusalError(BAD_REQUEST)
        return int(text) if text else None

    def one_of(self, name: str, known: frozenset[str]) -> str | None:
        """A word in the query; None if missing."""
        text = self.query.get(name)
        if text and text not in known:
            raise RefusalError(BAD_REQUEST)
        return text or None

    def is_true(self, name: str) -> bool:
        """Whether a flag in the query is set."""
        return self.query.get(name) in {"true", "1"}

    def limit(self, highest: int, default: int = 50) -> int:
        """The page size; too large values are reduced silently."""
        limit = self.number("limit") or 0
        return min(limit, highest) if limit > 0 else default

    def token(self) -> str | None:
        """The text inside a page token; None without one."""
        token = self.query.get("start")
        if not token:
            return None
        try:
            return b64decode(token, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise RefusalError(BAD_REQUEST) from None

    def offset(self, prefix: str) -> int:
        """The position in a page token."""
        text = self.token()
        if text is None:
            return 0
        if not re.fullmatch(re.escape(prefix) + r"\d{1,15}", text):
            raise RefusalError(BAD_REQUEST)
        return int(text.removeprefix(prefix))

    def json(self) -> Row:
        """The body, which must be an object."""
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any])
        except msgspec.MsgspecError:
            raise RefusalError(BAD_REQUEST) from None

    def sender(self, collection: str) -> int:
        """The sender in the path, which must exist."""
        sender: int = self.path["id"]
        if sender not in self.workspace.ids(collection, self.now):
            raise RefusalError(NOT_FOUND)
        return sender


Handler = Callable[[ApiRequest], Any]
"""A function that creates the body of a response."""


def token(prefix: str, offset: int) -> str:
    """A page token: an encoded position."""
    return b64encode(f"{prefix}{offset}".encode()).decode()


def sealed(offset: int, *where: object) -> str:
    """A page token that only this endpoint accepts."""
    seal = blake2b(repr((offset, *where)).encode(), digest_size=6).hexdigest()
    return b64encode(f"{offset}:{seal}".encode()).decode()


def unsealed(request: ApiRequest, *where: object) -> int:
    """The position in a sealed page token; other tokens are rejected."""
    text = request.token()
    if text is None:
        return 0
    offset = text.partition(":")[0]
    known = offset.isascii() and offset.isdigit() and len(offset) < len(text)
    if not known or request.query["start"] != sealed(int(offset), *where):
        raise RefusalError(BAD_REQUEST)
    return int(offset)


def found(rows: Sequence[_Item], matches: Callable[[_Item], bool]) -> _Item:
    """The first match, or else a 404."""
    for row in rows:
        if matches(row):
            return row
    raise RefusalError(NOT_FOUND)
