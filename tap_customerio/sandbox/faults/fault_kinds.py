"""Kinds of faults; each handles one exchange in its own way."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec
from starlette.responses import Response

from tap_customerio.sandbox.server.middleware import error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Receive, Scope, Send

    from tap_customerio.sandbox.server.clock import Clock
    from tap_customerio.sandbox.world.rng import Row

OK = 200
HOUR = 3600
_RESET = struct.pack("ii", 1, 0)
_LONG = "x" * (10 << 20)
_MARK, _QUOTED_MARK = "\ue000", b'"\xee\x80\x80"'


@dataclass
class Exchange:
    """One request, with the means to respond."""

    scope: Scope
    receive: Receive
    send: Send
    right: Callable[[], Awaitable[Response]]
    """Makes the correct response."""
    earlier: Sequence[bytes]
    """The correct responses for earlier pages of the same list."""
    clock: Clock
    patience: float
    """A response after this many seconds is too late for any client."""

    async def give(self, response: Response) -> None:
        """Send a response."""
        await response(self.scope, self.receive, self.send)

    async def hang_up(self) -> None:
        """Wait until the connection has closed."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def data(self) -> Row:
        """The correct response, if it is a JSON object of the API; empty otherwise."""
        right = await self.right()
        if right.status_code != OK or self.scope["path"].endswith("/content"):
            return {}
        data = msgspec.json.decode(right.body)
        return data if isinstance(data, dict) else {}


def token(scope: Scope) -> str:
    """The page token of the request."""
    found = re.search(rb"(?:^|&)start=([^&]*)", scope["query_string"])
    return unquote(found[1].decode()) if found else ""


Fault = Callable[[Exchange], Awaitable[bool]]
"""A function that sends a response; returns false, without sending one, if it does not apply."""

Change = Callable[[Exchange, "Row"], "Row | bytes | None"]


def _instead(status: int, body: bytes | None = None, **headers: str) -> Fault:
    """Send another response."""

    async def happen(exchange: Exchange) -> bool:
        response = error(status) if body is None else Response(body, status)
        response.headers.update({name.replace("_", "-"): text for name, text in headers.items()})
        await exchange.give(response)
        return True

    return happen


def _changed(change: Change) -> Fault:
    """Change the correct response."""

    async def happen(exchange: Exchange) -> bool:
        found = change(exchange, await exchange.data())
        if found is None:
            return False
        body = found if isinstance(found, bytes) else msgspec.json.encode(found)
        await exchange.give(Response(body, media_type="application/json"))
        return True

    return happen


async def _too_many_until(exchange: Exchange) -> bool:
    response = error(429)
    response.headers["retry-after"] = exchange.clock.http_date()
    await exchange.give(response)
    return True


async def _reset(exchange: Exchange) -> bool:
    transport = exchange.scope["state"]["transport"]
    line = transport.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
    await exchange.hang_up()
    return True


async def _closed(exchange: Exchange) -> bool:
    exchange.scope["state"]["transport"].close()
    await exchange.hang_up()
    return True


async def _cut(exchange: Exchange) -> bool:
    right = await exchange.right()
    body = bytes(right.body)
    headers = [(b"content-length", b"%d" % (len(body) + 1))]
    await exchange.send({"type": "http.response.start", "status": OK, "headers": headers})
    await exchange.send({"type": "http.response.body", "body": body, "more_body": True})
    return await _closed(exchange)


async def _truncated(exchange: Exchange) -> bool:
    right = await exchange.right()
    await exchange.give(Response(bytes(right.body)[:-1]))
    return True


async def _slow(exchange: Exchange) -> bool:
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(exchange.hang_up(), exchange.patience)
    await exchange.give(await exchange.right())
    return True


async def _time_passes(exchange: Exchange) -> bool:
    exchange.clock.advance(30)
    await exchange.give(await exchange.right())
    return True


async def _clock_off(seconds: int, exchange: Exchange) -> bool:
    right = await exchange.right()
    right.headers["date"] = formatdate(int(exchange.clock.now()) + seconds, usegmt=True)
    await exchange.give(right)
    return True


def _rows(data: Row) -> list[Row]:
    """The rows of a response, or the response itself."""
    lists = [value for name, value in data.items() if isinstance(value, list) and name != "ids"]
    rows = [row for rows in lists for row in rows if isinstance(row, dict)]
    return rows if lists else [data] if data else []


def _list_names(data: Row) -> list[str]:
    return [name for name, value in data.items() if isinstance(value, list)]


def _repeated_page(exchange: Exchange, data: Row) -> Row | None:
    if not exchange.earlier or not data:
        return None
    before = msgspec.json.decode(exchange.earlier[-1])
    return {**before, "next": data.get("next", "")} if any(_rows(before)) else None


def _looping_cursor(exchange: Exchange, data: Row) -> Row | None:
    return {**data, "next": token(exchange.scope)} if token(exchange.scope) and data else None


def _restarted_cursor(exchange: Exchange, _: Row) -> bytes | None:
    return exchange.earlier[0] if exchange.earlier else None


def _empty_page(exchange: Exchange, data: Row) -> Row | None:
    """Insert an empty page before the first page of a list whose tokens are positions."""
    if token(exchange.scope) or not data.get("next"):
        return None
    position = re.fullmatch(r"((?:\w+:)?)\d+", b64decode(data["next"]).decode())
    if position is None:
        return None
    first = b64encode(f"{position[1]}0".encode()).decode()
    return {**data, **{name: [] for name in _list_names(data)}, "next": first}


def _missing_envelope(_: Exchange, data: Row) -> Row | None:
    names = _list_names(data)
    return {f"new_{name}": value for name, value in data.items()} if names else None


def _extra_fields(_: Exchange, data: Row) -> Row | None:
    for row in _rows(data):
        row["not_known_yet"] = {"of": [1, None, "any kind"]}
    return data or None


def _as_text(_: Exchange, data: Row, *, names: frozenset[str] = frozenset()) -> Row | None:
    """Write whole numbers of the rows as text: all of them, or the named ones."""
    changed = 0
    for row in _rows(data):
        for name, value in row.items():
            if type(value) is int and name in (names or row):
                row[name] = str(value)
                changed += 1
    return data if changed else None


def _null_lists(_: Exchange, data: Row) -> Row | None:
    names = _list_names(data)
    ended = {"next": ""} if "next" in data else {}
    return {**data, **dict.fromkeys(names), **ended} if names else None


def _text(ending: str, raw: bytes, _: Exchange, data: Row) -> bytes | None:
    """Append an ending to every text of the rows, except identifiers."""
    changed = 0
    for row in _rows(data):
        for name, value in row.items():
            if isinstance(value, str) and "id" not in name:
                row[name] = f"{value}{ending}"
                changed += 1
    return msgspec.json.encode(data).replace(_MARK.encode(), raw) if changed else None


def _numbers(raw: bytes, _: Exchange, data: Row) -> bytes | None:
    """Replace every whole number of the rows, except identifiers."""
    changed = 0
    for row in _rows(data):
        for name, value in row.items():
            if type(value) is int and "id" not in name:
                row[name] = _MARK
                changed += 1
    return msgspec.json.encode(data).replace(_QUOTED_MARK, raw) if changed else None


def _large_ids(_: Exchange, data: Row) -> Row | None:
    rows = [row for row in _rows(data) if type(row.get("id")) is int]
    for row in rows:
        row["id"] += 2**62
    return data if rows else None


def _people_gone(_: Exchange, data: Row) -> Row | None:
    people = data.get("customers")
    return {"customers": people[:-1]} if people else None


_TRANSIENT: dict[str, Fault] = {
    "too_many": _instead(429),
    "too_many_for_seconds": _instead(429, retry_after="0"),
    "too_many_until": _too_many_until,
    "server_error": _instead(500),
    "bad_gateway": _instead(502, b"<html>502</html>"),
    "unavailable": _instead(503),
    "gateway_timeout": _instead(504, b""),
    "reset": _reset,
    "closed": _closed,
    "cut": _cut,
    "truncated": _truncated,
    "html": _instead(OK, b"<html>One moment, please</html>"),
    "empty": _instead(OK, b""),
    "gzip_garbage": _instead(OK, b"\x1f\x8b\x08 no, it is not", content_encoding="gzip"),
    "repeated_page": _changed(_repeated_page),
    "looping_cursor": _changed(_looping_cursor),
    "restarted_cursor": _changed(_restarted_cursor),
    "missing_envelope": _changed(_missing_envelope),
}
_HARMLESS: dict[str, Fault] = {
    "empty_page": _changed(_empty_page),
    "extra_fields": _changed(_extra_fields),
    "ids_as_text": _changed(partial(_as_text, names=frozenset({"id"}))),
    "numbers_as_text": _changed(_as_text),
}
FAULTS: dict[str, Fault] = {
    **_TRANSIENT,
    **_HARMLESS,
    "slow": _slow,
    # Permanent faults.
    "redirect": _instead(302, location="https://elsewhere.example.org/"),
    "proxy_login": _instead(407, b"<html>Who are you?</html>"),
    "bad_request": _instead(400),
    "unprocessable": _instead(422),
    "unauthorized": _instead(401),
    "forbidden": _instead(403),
    "gone": _instead(404),
    # Changes of data.
    "null_lists": _changed(_null_lists),
    "not_a_number": _changed(partial(_numbers, b"NaN")),
    "endless_number": _changed(partial(_numbers, b"1e999")),
    "huge_integers": _changed(partial(_numbers, b"1" * 40)),
    "large_ids": _changed(_large_ids),
    "long_text": _changed(partial(_text, _LONG, b"")),
    "longer_text": _changed(partial(_text, "x" * 9_000, b"")),
    "half_a_pair": _changed(partial(_text, _MARK, rb"\ud83d")),
    "nul": _changed(partial(_text, _MARK, rb"\u0000")),
    "invalid_utf8": _changed(partial(_text, _MARK, b"\xff\xfe")),
    # Events in the workspace.
    "people_gone": _changed(_people_gone),
    "time_passes": _time_passes,
    "clock_ahead": partial(_clock_off, HOUR),
    "clock_back": partial(_clock_off, -HOUR),
}
"""Every fault by its name."""

TRANSIENT = tuple(_TRANSIENT)
"""Transient faults, except slow responses, which take time."""

HARMLESS = tuple(_HARMLESS)
"""Faults that do not change relevant data."""
