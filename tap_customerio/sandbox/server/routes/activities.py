"""The log of activities."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from tap_customerio.sandbox.server.routes.people import person
from tap_customerio.sandbox.server.routes.request import BAD_REQUEST, Answer, Ask, RefusalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_customerio.sandbox.world.rng import Row

_PLACE = re.compile(r"9(\d{17})")


def activities(ask: Ask) -> Row:
    """What arrived in the log, newest first, from a place in the log on that stays the same."""
    text = ask.query.get("customer_id")
    return _page(ask, _cio_id(ask, text) if text else None, of_everybody=not text)


def activities_of(ask: Ask) -> Row:
    """The same of one person."""
    return _page(ask, ask.workspace.people.name(person(ask), ask.now).cio_id)


def _page(ask: Ask, cio_id: str | None, *, of_everybody: bool = False) -> Row:
    keep, limit = _activity_filter(ask, cio_id, of_everybody=of_everybody), ask.limit(100, 10)
    found = ask.workspace.log.newest_first(ask.now, _place(ask))
    page = list(islice(((at, row) for at, row in found if keep(row)), limit + 1))
    return {
        "activities": [row for _, row in page[:limit]],
        "next": f"9{page[limit - 1][0]:017d}" if len(page) > limit else "",
    }


ROUTES: dict[tuple[str, str], Answer] = {
    ("GET", "/v1/activities"): activities,
    ("GET", "/v1/customers/{person}/activities"): activities_of,
}


def _place(ask: Ask) -> int | None:
    """The place in the log that a page token names."""
    start = ask.query.get("start")
    match = _PLACE.fullmatch(start or "")
    if start and match is None:
        raise RefusalError(BAD_REQUEST)
    return int(match[1]) if match else None


def _activity_filter(ask: Ask, cio_id: str | None, *, of_everybody: bool) -> Callable[[Row], bool]:
    """What an entry of the log must be like."""
    hides_deleted = ask.behaviours.hides_deleted and not ask.is_true("deleted")
    kind, name = ask.query.get("type"), ask.query.get("name")

    def keep(row: Row) -> bool:
        if kind and row["type"] != kind:
            return False
        if hides_deleted and _is_gone(row):
            return False
        if name and name not in _names(row):
            return False
        return of_everybody or (row["customer_identifiers"] or {}).get("cio_id", "") == cio_id

    return keep


def _is_gone(row: Row) -> bool:
    """Whether an entry is about someone who was deleted, of whom only the permanent id is left."""
    return (row["customer_identifiers"] or {}).keys() == {"cio_id"}


def _names(row: Row) -> set[str | None]:
    """What an entry may be asked for by: its own name, or those of the attributes it changed."""
    changed = row["data"] if row["type"].endswith("attribute_change") else ()
    return {row.get("name"), *changed}


def _cio_id(ask: Ask, text: str) -> str | None:
    """The person asked for; here a cio_id must have a prefix, and may be of someone deleted."""
    kind = ask.one_of("id_type", ask.workspace.directory.kinds) or "id"
    if kind == "cio_id":
        return text.removeprefix("cio_") if text.startswith("cio_") else None
    number = ask.workspace.directory.find(kind, text, ask.now)
    return None if number is None else ask.workspace.people.name(number, ask.now).cio_id
