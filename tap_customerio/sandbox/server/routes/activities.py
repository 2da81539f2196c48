"""The activity log."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from tap_customerio.sandbox.server.routes.people import person
from tap_customerio.sandbox.server.routes.request import (
    BAD_REQUEST,
    ApiRequest,
    Handler,
    RefusalError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_customerio.sandbox.world.rng import Row

_PLACE = re.compile(r"9(\d{17})")


def activities(request: ApiRequest) -> Row:
    """Log entries, newest first; page tokens are stable positions in the log."""
    text = request.query.get("customer_id")
    return _page(request, _cio_id(request, text) if text else None, of_everyone=not text)


def activities_of(request: ApiRequest) -> Row:
    """Log entries of one person."""
    return _page(request, request.workspace.people.name(person(request), request.now).cio_id)


def _page(request: ApiRequest, cio_id: str | None, *, of_everyone: bool = False) -> Row:
    keep, limit = (
        _activity_filter(request, cio_id, of_everyone=of_everyone),
        request.limit(100, 10),
    )
    found = request.workspace.log.newest_first(request.now, _place(request))
    page = list(islice(((at, row) for at, row in found if keep(row)), limit + 1))
    return {
        "activities": [row for _, row in page[:limit]],
        "next": f"9{page[limit - 1][0]:017d}" if len(page) > limit else "",
    }


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/v1/activities"): activities,
    ("GET", "/v1/customers/{person}/activities"): activities_of,
}


def _place(request: ApiRequest) -> int | None:
    """The position in the log that a page token names."""
    start = request.query.get("start")
    match = _PLACE.fullmatch(start or "")
    if start and match is None:
        raise RefusalError(BAD_REQUEST)
    return int(match[1]) if match else None


def _activity_filter(
    request: ApiRequest, cio_id: str | None, *, of_everyone: bool
) -> Callable[[Row], bool]:
    """A predicate from the request's filters."""
    hides_deleted = request.behaviours.hides_deleted and not request.is_true("deleted")
    kind, name = request.query.get("type"), request.query.get("name")

    def keep(row: Row) -> bool:
        if kind and row["type"] != kind:
            return False
        if hides_deleted and _is_gone(row):
            return False
        if name and name not in _names(row):
            return False
        return of_everyone or (row["customer_identifiers"] or {}).get("cio_id", "") == cio_id

    return keep


def _is_gone(row: Row) -> bool:
    """Whether an entry is about a deleted person, who has only the permanent id."""
    return (row["customer_identifiers"] or {}).keys() == {"cio_id"}


def _names(row: Row) -> set[str | None]:
    """Names that match an entry: its own name, or those of the changed attributes."""
    changed = row["data"] if row["type"].endswith("attribute_change") else ()
    return {row.get("name"), *changed}


def _cio_id(request: ApiRequest, text: str) -> str | None:
    """The requested person; here a cio_id needs a prefix, and may belong to a deleted one."""
    kind = request.one_of("id_type", request.workspace.identity_index.kinds) or "id"
    if kind == "cio_id":
        return text.removeprefix("cio_") if text.startswith("cio_") else None
    number = request.workspace.identity_index.find(kind, text, request.now)
    return None if number is None else request.workspace.people.name(number, request.now).cio_id
