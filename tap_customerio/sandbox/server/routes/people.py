"""People: the search, profiles, and lists per person."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from tap_customerio.sandbox.server.routes.request import (
    BAD_REQUEST,
    NOT_FOUND,
    ApiRequest,
    Handler,
    RefusalError,
    token,
)

if TYPE_CHECKING:
    from tap_customerio.sandbox.world.rng import Row

MAX_IDS = 100


def people_by_email(request: ApiRequest) -> Row:
    """All people with an address, whether it identifies them or not; null for none."""
    email = request.query.get("email")
    if not email:
        raise RefusalError(BAD_REQUEST)
    numbers = request.workspace.identity_index.all_with("email", email, request.now)
    names = [request.workspace.people.name(number, request.now).row() for number in numbers]
    return {"results": names or None}


def search_people(request: ApiRequest) -> Row:
    """Identifiers of the people who match a filter; empty lists are null."""
    try:
        names, following = request.workspace.search(
            request.json().get("filter"),
            now=request.now,
            start=request.offset("0:"),
            limit=request.limit(1000),
        )
    except ValueError:
        raise RefusalError(BAD_REQUEST) from None
    return {
        "identifiers": [name.row() for name in names] or None,
        "ids": [name.id or "" for name in names] or None,
        "next": "" if following is None else token("0:", following),
    }


def people(request: ApiRequest) -> Row:
    """Profiles by identifier, in the API's own order; unknown people are omitted."""
    ids = request.json().get("ids")
    kind = request.query.get("id_type", "id")
    if kind not in request.workspace.identity_index.kinds or not isinstance(ids, list):
        raise RefusalError(BAD_REQUEST)
    if not 1 <= len(ids) <= MAX_IDS or not all(isinstance(text, str) for text in ids):
        raise RefusalError(BAD_REQUEST)
    found = (request.workspace.find(kind, text, request.now) for text in dict.fromkeys(ids))
    return {"customers": sorted(filter(None, found), key=_shuffled)}


def attributes_of(request: ApiRequest) -> Row:
    """A profile, here in an envelope."""
    return {"customer": request.workspace.people.profile(person(request), request.now)}


def segments_of(request: ApiRequest) -> Row:
    """The segments a person is in."""
    number = person(request)
    keys = ("id", "name", "description")
    return {
        "segments": [
            {key: row[key] for key in keys}
            for row in request.workspace.segments(request.now)
            if request.workspace.people.is_member(row["id"], number, request.now)
        ]
    }


def relationships_of(request: ApiRequest) -> Row:
    """The objects a person is related to."""
    related = request.workspace.relationships(person(request), request.now)
    limit, offset = request.limit(1000), request.offset("0:")
    return {
        "cio_relationships": related[offset : offset + limit] or None,
        "next": token("0:", offset + limit) if offset + limit < len(related) else "",
    }


def preferences_of(request: ApiRequest) -> Row:
    """A person's preferences, in a language."""
    number, language = person(request), request.query.get("language", "")
    return {"customer": request.workspace.preferences(number, request.now, language)}


def opt_outs_of(request: ApiRequest) -> Row:
    """Senders whose text messages a person does not want."""
    return {"optouts": request.workspace.consents.opt_outs_of(person(request), request.now)}


def choose_opt_outs(request: ApiRequest) -> Response:
    """Opt a person out of senders, or in again; reads may lag behind."""
    optouts, number = request.json().get("optouts"), person(request)
    if not isinstance(optouts, list) or not all(map(_is_choice, optouts)):
        raise RefusalError(BAD_REQUEST)
    for each in optouts:
        row = {"channel": "sms", **each}
        request.workspace.consents.choose(
            number, row, request.now + request.behaviours.changes_take
        )
    return Response(status_code=204)


def _is_choice(row: Any) -> bool:
    if not isinstance(row, dict) or row.get("channel", "sms") not in {"sms", "whatsapp"}:
        return False
    return isinstance(row.get("from"), str) and isinstance(row.get("optout"), bool)


ROUTES: dict[tuple[str, str], Handler] = {
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


def person(request: ApiRequest) -> int:
    """The number of the person in the path, who must exist."""
    kind = request.one_of("id_type", request.workspace.identity_index.kinds) or "id"
    text: str = request.path["person"]
    if kind == "cio_id" and request.behaviours.prefixed_paths:
        text = text.removeprefix("cio_") if text.startswith("cio_") else ""
    number = request.workspace.identity_index.find(kind, text, request.now)
    if number is None:
        raise RefusalError(NOT_FOUND)
    return number


def _shuffled(profile: Row) -> bytes:
    cio_id: str = profile["identifiers"]["cio_id"]
    return blake2b(cio_id.encode(), digest_size=8).digest()
