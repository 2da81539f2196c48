"""Lists that lose rows while they are read: tokens are positions, so later rows move up."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

import msgspec

from tap_customerio.sandbox.faults.injection import read_body, response_of
from tap_customerio.sandbox.server.middleware import json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from tap_customerio.sandbox.world.rng import Row

OK = 200
_ALL = 10_000


@dataclass
class Shift:
    """A planned change of a list.

    Attributes:
        path: Of the list, or a pattern with `*`.
        key: Member with the rows.
        leaving: Positions of the rows that leave, by the number of pages read before.
        page: Maximum rows on a page, if fewer than usual.
        rotation: Positions by which the list rotates per page; first rows move to the end.
    """

    path: str
    key: str
    leaving: Mapping[int, Iterable[int]] = field(default_factory=dict)
    page: int = _ALL
    rotation: int = 0
    read: int = 0

    def left(self, rows: list[Any]) -> list[Any]:
        """The remaining rows."""
        gone = {
            place for after, places in self.leaving.items() if self.read >= after
            for place in places
        }  # fmt: skip
        offset = self.read * self.rotation % max(1, len(rows))
        left = [row for place, row in enumerate(rows) if place not in gone]
        return left[offset:] + left[:offset]


class Shifting:
    """A wrapper around the routes that paginates some lists itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.shifts: list[Shift] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handler with a page of the remaining rows."""
        shift = next((it for it in self.shifts if fnmatchcase(scope["path"], it.path)), None)
        if shift is None:
            await self._app(scope, receive, send)
            return
        body = await read_body(receive)
        query = {
            name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()
        }
        first, rows = await self._all(shift.key, scope, query, body)
        if first is None:
            await (await response_of(self._app, scope, body))(scope, receive, send)
            return
        await json(_page(shift, first, query, shift.left(rows)))(scope, receive, send)
        shift.read += 1

    async def _all(
        self, key: str, scope: Scope, query: Mapping[str, str], body: bytes
    ) -> tuple[Row | None, list[Any]]:
        """The correct response for the first page, and all rows; no rows for an error."""
        query_all = {**query, "limit": str(_ALL), "page": "1", "offset": "0"}
        query_all.pop("start", None)
        first: Row | None = None
        rows: list[Any] = []
        while True:
            whole = {**scope, "query_string": urlencode(query_all).encode()}
            response = await response_of(self._app, whole, body)
            if response.status_code != OK:
                return None, []
            page: Row = msgspec.json.decode(response.body)
            first = first or page
            found = page[key] or []
            rows += found
            if page.get("next"):
                query_all["start"] = page["next"]
            elif "offset" in query and found:
                query_all["offset"] = str(len(rows))
            else:
                return first, rows


def _page(shift: Shift, first: Row, query: Mapping[str, str], rows: list[Any]) -> Row:
    limit = min(int(query.get("limit") or 100), shift.page)
    if "offset" in query:
        start = int(query["offset"])
    elif "page" in query:
        start = (int(query["page"]) - 1) * limit
    else:
        start = int(b64decode(query.get("start", "")) or 0)
    end = start + limit
    page = {**first, shift.key: rows[start:end] or None}
    page.pop("ids", None)
    if "offset" not in query and "page" not in query:
        page["next"] = b64encode(str(end).encode()).decode() if end < len(rows) else ""
    if "meta" in page:
        page["meta"]["pagination"] |= {"limit": limit, "total": len(rows)}
    return page
