"""A sandbox that returns odd values at random places, reproducible by a seed."""

from __future__ import annotations

import json
from collections import Counter
from fnmatch import fnmatchcase
from random import Random
from typing import TYPE_CHECKING, Any

from contract_api import OPERATIONS, rows_of
from contract_list import CONTRACTS
from contract_reading import STREAMS, member_kind, our_kind

from tap_customerio.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from contract_list import Contract
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tap_customerio.streams.schema import Schema

SECRET = "ada.lovelace@junk.example"
"""Part of odd values; no log may contain it."""

ODD: dict[str, tuple[Any, ...]] = {
    "integer": (SECRET, True, 2**64, 1.5, [SECRET], {SECRET: 1}, float("inf")),
    "time": (SECRET, True, 10**20, [SECRET], {SECRET: 1}, float("inf")),
    "boolean": (SECRET, 7, [SECRET], {SECRET: 1}),
    "array": (SECRET, 7, {SECRET: 1}),
    "object": (SECRET, 7, [SECRET]),
    "string": (float("inf"), float("nan")),
    "anything": (2**64, float("inf")),
}
"""Unreadable values by the type of the field."""

USED = {
    "campaigns": {"actions"},
    "broadcasts": {"actions"},
    "newsletters": {"content_ids"},
    "customers": {"identifiers"},
}
"""Fields that other streams, or the key, depend on."""


def equivalents(value: Any, kind: str, chance: Random) -> Iterable[Any]:
    """Equivalent spellings of a value."""
    if value is None:
        return () if kind == "string" else ("",)
    if kind == "time" and value:
        text = rfc3339(value)
        ways = (value * 1000 + chance.randrange(1000), str(value), str(value * 1000), text)
        return (*ways, text.replace("Z", ".123456789Z"), float(value))
    if kind == "integer" and type(value) is int:
        return str(value), float(value), f"{value}.0"
    if kind == "boolean":
        return str(value), str(value).lower(), int(value), str(int(value))
    return ()


def odd(value: Any, kind: str, _: Random) -> Iterable[Any]:
    """Unreadable values in place of a readable one."""
    return ODD[kind] if value not in (None, 0, "", [], {}) or value is False else ()


class Hostile:
    """Changes a sandbox's responses; `changed` counts changes by stream."""

    def __init__(self, seed: int, rate: float) -> None:
        """Change about this share of the values; repeated requests get the same changes."""
        self._seed, self._rate = seed, rate
        self.changed: Counter[str] = Counter()
        self._responses: dict[tuple[Any, ...], Any] = {}

    def change(self, stream: str, rows: list[Any], chance: Random) -> None:
        """Change some rows of a stream in a response."""
        raise NotImplementedError

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application with odd values."""

        async def respond(scope: Scope, receive: Receive, send: Send) -> None:
            sent: list[Message] = []

            async def hold(message: Message) -> None:
                sent.append(message)

            await app(scope, receive, hold)
            start, *rest = sent
            body = b"".join(message.get("body", b"") for message in rest)
            if start["status"] == 200:
                request = scope["method"], scope["path"], scope["query_string"]
                if scope["method"] != "GET" or request not in self._responses:
                    self._responses[request] = self.edited(scope, json.loads(body))
                body = json.dumps(self._responses[request]).encode()
                size = b"%d" % len(body)
                start["headers"] = [
                    (name, size if name == b"content-length" else value)
                    for name, value in start["headers"]
                ]
            await send(start)
            await send({"type": "http.response.body", "body": body})

        return respond

    def edited(self, scope: Scope, response: Any) -> Any:
        """The changed response."""
        operation = operation_of(scope)
        for stream, contract in CONTRACTS.items():
            if operation in contract.responses:
                rows = rows_of(response, contract.responses[operation])
                request = self._seed, stream, scope["path"], scope["query_string"]
                self.change(stream, rows, Random(repr(request)))
        return response


def operation_of(scope: Scope) -> str:
    """The operation of the contract for a request."""
    known = [
        name
        for name, operation in OPERATIONS.items()
        if operation.method == scope["method"] and operation.path.fullmatch(scope["path"])
    ]
    # Paths without parameters have priority.
    return min(known, key=lambda name: name.count("{"), default="")


class Edited(Hostile):
    """Changes the responses of some paths, a pattern with `*`, in one way."""

    def __init__(self, path: str, edit: Callable[[Any], Any]) -> None:
        """`edit` changes a response in place, or returns another."""
        super().__init__(seed=0, rate=1)
        self._path, self._edit = path, edit

    def edited(self, scope: Scope, response: Any) -> Any:
        """The changed response."""
        if not fnmatchcase(f"{scope['method']} {scope['path']}", self._path):
            return response
        self.changed[scope["path"]] += 1
        found = self._edit(response)
        return response if found is None else found


class NullLists(Hostile):
    """Returns null in place of a stream's list of rows."""

    def __init__(self, stream: str) -> None:
        """Change every response."""
        super().__init__(seed=0, rate=1)
        self._stream = stream

    def edited(self, scope: Scope, response: Any) -> Any:
        """The response without its list."""
        place = CONTRACTS[self._stream].responses.get(operation_of(scope), "")
        if not place.endswith("[]"):
            return response
        self.changed[self._stream] += 1
        name = place.removesuffix("[]")
        both = {"ids": None} if name == "identifiers" else {}
        return {**response, name: None, **both, "next": ""} if name else None


class Values(Hostile):
    """Changes values in rows; `changes` returns the replacements for a type of value."""

    def __init__(
        self, changes: Callable[[Any, str, Random], Iterable[Any]], seed: int, rate: float
    ) -> None:
        """Change values of all streams."""
        super().__init__(seed, rate)
        self._changes = changes

    def change(self, stream: str, rows: list[Any], chance: Random) -> None:
        """Change some values of some rows."""
        contract = CONTRACTS[stream]
        for row in () if contract.whole else rows:
            for holder, name, kind in _values(stream, contract, row):
                ways = [*self._changes(holder[name], our_kind(kind), chance)]
                if ways and chance.random() < self._rate:
                    holder[name] = chance.choice(ways)
                    self.changed[stream] += 1


class Rows(Hostile):
    """Replaces rows of one stream, or their keys."""

    def __init__(self, stream: str, seed: int, rate: float) -> None:
        """Change at least one row of the stream."""
        super().__init__(seed, rate)
        self._stream = stream

    def change(self, stream: str, rows: list[Any], chance: Random) -> None:
        """Change some rows of a list."""
        for place, row in enumerate(rows if stream == self._stream else ()):
            if chance.random() < self._rate or not self.changed[stream]:
                key = STREAMS[stream].primary_keys[-1]  # earlier ones are in the path
                if key in (row or ()) and chance.random() < 1 / 2:
                    row[key] = chance.choice((None, "", True, {}, [SECRET], 2.5))
                elif CONTRACTS[stream].whole:
                    rows[place] = chance.choice((None, "", True, {}, [SECRET]))
                else:
                    rows[place] = chance.choice((None, "", True, {}, [SECRET], SECRET, 7))
                self.changed[stream] += 1


def _values(stream: str, contract: Contract, row: Any) -> Iterator[tuple[Any, Any, Schema]]:
    """Each scalar value of a row: its container, its place, its type."""
    schema = STREAMS[stream].schema
    left = {*schema["required"], STREAMS[stream].replication_key, *USED.get(stream, ())}

    def lifted(part: dict[str, Any], prefix: str) -> Iterator[tuple[Any, Any, Schema]]:
        for name, value in list(part.items()):
            path = f"{prefix}{name}"
            field = contract.renamed[path].is_ if path in contract.renamed else name
            if path in contract.lifted and isinstance(value, dict):
                yield from lifted(value, f"{path}.")
            elif field in schema["properties"] and field not in left:
                kind = schema["properties"][field]
                if contract.per_bucket and isinstance(value, list):
                    yield from ((value, index, kind) for index in range(len(value)))
                else:
                    yield from _inside(part, name, kind)

    yield from lifted(row, "")


def _inside(holder: Any, name: Any, kind: Schema) -> Iterator[tuple[Any, Any, Schema]]:
    value = holder[name]
    if isinstance(value, dict) and our_kind(kind) == "object":
        for member in list(value):
            inner = member_kind(kind, member)
            if inner:
                yield from _inside(value, member, inner)
    elif isinstance(value, list) and our_kind(kind) == "array":
        for index in range(len(value)):
            yield from _inside(value, index, kind["items"])
    yield holder, name, kind
