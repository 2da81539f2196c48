"""People: the search, the profiles behind it, and what belongs to one person."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from tap_customerio.sandbox.server.routes.request import (
    BAD_REQUEST,
    NOT_FOUND,
    Answer,
    Ask,
    RefusalError,
    token,
)

if TYPE_CHECKING:
    from tap_customerio.sandbox.world.rng import Row

MAX_IDS = 100


def people_by_email(ask: Ask) -> Row:
    """Everybody with an address, whether it identifies them or not; of no one the list is null."""
    email = ask.query.get("email")
    if not email:
        raise RefusalError(BAD_REQUEST)
    numbers = ask.workspace.directory.all_with("email", email, ask.now)
    names = [ask.workspace.people.name(number, ask.now).row() for number in numbers]
    return {"results": names or None}


def search_people(ask: Ask) -> Row:
    """Identifiers of the people who meet a filter; empty lists are null."""
    try:
        names, following = ask.workspace.search(
            ask.json().get("filter"), now=ask.now, start=ask.offset("0:"), limit=ask.limit(1000)
        )
    except ValueError:
        raise RefusalError(BAD_REQUEST) from None
    return {
        "identifiers": [name.row() for name in names] or None,
        "ids": [name.id or "" for name in names] or None,
        "next": "" if following is None else token("0:", following),
    }


def people(ask: Ask) -> Row:
    """Profiles by identifier, in an order of the API's own; unknown people are left out."""
    ids = ask.json().get("ids")
    kind = ask.query.get("id_type", "id")
    if kind not in ask.workspace.directory.kinds or not isinstance(ids, list):
        raise RefusalError(BAD_REQUEST)
    if not 1 <= len(ids) <= MAX_IDS or not all(isinstance(text, str) for text in ids):
        raise RefusalError(BAD_REQUEST)
    found = (ask.workspace.find(kind, text, ask.now) for text in dict.fromkeys(ids))
    return {"customers": sorted(filter(None, found), key=_shuffled)}


def attributes_of(ask: Ask) -> Row:
    """A profile, here in an envelope."""
    return {"customer": ask.workspace.people.profile(person(ask), ask.now)}


def segments_of(ask: Ask) -> Row:
    """The segments a person is in."""
    number = person(ask)
    keys = ("id", "name", "description")
    return {
        "segments": [
            {key: row[key] for key in keys}
            for row in ask.workspace.segments(ask.now)
            if ask.workspace.people.is_member(row["id"], number, ask.now)
        ]
    }


def relationships_of(ask: Ask) -> Row:
    """The objects a person is related to."""
    related = ask.workspace.relationships(person(ask), ask.now)
    limit, offset = ask.limit(1000), ask.offset("0:")
    return {
        "cio_relationships": related[offset : offset + limit] or None,
        "next": token("0:", offset + limit) if offset + limit < len(related) else "",
    }


def preferences_of(ask: Ask) -> Row:
    """What a person chose, in words of some language."""
    number, language = person(ask), ask.query.get("language", "")
    return {"customer": ask.workspace.preferences(number, ask.now, language)}


def opt_outs_of(ask: Ask) -> Row:
    """Whom a person wants no text messages from."""
    return {"optouts": ask.workspace.consents.opt_outs_of(person(ask), ask.now)}


def choose_opt_outs(ask: Ask) -> Response:
    """Opts a person out of senders, or in again; read answers may lag behind."""
    chosen, number = ask.json().get("optouts"), person(ask)
    if not isinstance(chosen, list) or not all(map(_is_choice, chosen)):
        raise RefusalError(BAD_REQUEST)
    for each in chosen:
        row = {"channel": "sms", **each}
        ask.workspace.consents.choose(number, row, ask.now + ask.behaviours.changes_take)
    return Response(status_code=204)


def _is_choice(row: Any) -> bool:
    if not isinstance(row, dict) or row.get("channel", "sms") not in {"sms", "whatsapp"}:
        return False
    return isinstance(row.get("from"), str) and isinstance(row.get("optout"), bool)


ROUTES: dict[tuple[str, str], Answer] = {
    ("GET", "/v1/customers"): people_by_email,
    ("POST", "/v1/customers"): search_people,
    ("POST", "/v1/customers/attributes"): people,
    ("GET", "/v1/customers/{person}/attributes"): attributes_of,
    ("GET", "/v1/customers/{person}/segments"): segments_of,
    ("GET", "/v1/customers/{person}/relationships"): relationships_of,
    ("GET", "/v1/customers/{person}/subscription_preferences"): preferences_of,
    ("GET", "/v1/customers/{person}/optouts"): opt_outs_of,
    ("PUT", "/v1/customers/{person}/optouts"): choose_opt_outs,
}


def person(ask: Ask) -> int:
    """The number of the person in the path, who must exist."""
    kind = ask.one_of("id_type", ask.workspace.directory.kinds) or "id"
    text: str = ask.path["person"]
    if kind == "cio_id" and ask.behaviours.prefixed_paths:
        text = text.removeprefix("cio_") if text.startswith("cio_") else ""
    number = ask.workspace.directory.find(kind, text, ask.now)
    if number is None:
        raise RefusalError(NOT_FOUND)
    return number


def _shuffled(profile: Row) -> bytes:
    cio_id: str = profile["identifiers"]["cio_id"]
    return blake2b(cio_id.encode(), digest_size=8).digest()
