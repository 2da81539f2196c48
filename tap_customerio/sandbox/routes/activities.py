"""The log of activities."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from tap_customerio.sandbox.routes.ask import BAD_REQUEST, Answer, Ask, RefusalError
from tap_customerio.sandbox.routes.people import ID_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_customerio.sandbox.dice import Row

_PLACE = re.compile(r"9(\d{17})")


def activities(ask: Ask) -> Row:
    """What arrived in the log, newest first, from a place in the log on that stays the same."""
    keep, limit = _activity_filter(ask), ask.limit(100, 10)
    found = ask.workspace.log.newest_first(ask.now, _place(ask))
    page = list(islice(((at, row) for at, row in found if keep(row)), limit + 1))
    return {
        "activities": [row for _, row in page[:limit]],
        "next": f"9{page[limit - 1][0]:017d}" if len(page) > limit else "",
    }


ROUTES: dict[tuple[str, str], Answer] = {("GET", "/v1/activities"): activities}


def _place(ask: Ask) -> int | None:
    """The place in the log that a page token names."""
    start = ask.query.get("start")
    match = _PLACE.fullmatch(start or "")
    if start and match is None:
        raise RefusalError(BAD_REQUEST)
    return int(match[1]) if match else None


def _activity_filter(ask: Ask) -> Callable[[Row], bool]:
    """What an entry of the log must be like."""
    hides_deleted = ask.quirks.hides_deleted and not ask.is_true("deleted")
    kind, name, person = (ask.query.get(key) for key in ("type", "name", "customer_id"))
    cio_id = _cio_id(ask, person) if person else None

    def keep(row: Row) -> bool:
        if kind and row["type"] != kind:
            return False
        if hides_deleted and _is_gone(row):
            return False
        if name and name not in _names(row):
            return False
        return not person or (row["customer_identifiers"] or {}).get("cio_id", "") == cio_id

    return keep


def _is_gone(row: Row) -> bool:
    """Whether an entry is about somebody who was deleted, of whom only the permanent id is left."""
    return (row["customer_identifiers"] or {}).keys() == {"cio_id"}


def _names(row: Row) -> set[str | None]:
    """What an entry may be asked for by: its own name, or those of the attributes it changed."""
    changed = row["data"] if row["type"].endswith("attribute_change") else ()
    return {row.get("name"), *changed}


def _cio_id(ask: Ask, text: str) -> str | None:
    """The person asked for; here a cio_id must have a prefix, and may be of somebody deleted."""
    kind = ask.one_of("id_type", ID_TYPES) or "id"
    if kind == "cio_id":
        return text.removeprefix("cio_") if text.startswith("cio_") else None
    number = ask.workspace.people.find(kind, text, ask.now)
    return None if number is None else ask.workspace.people.name(number, ask.now).cio_id
