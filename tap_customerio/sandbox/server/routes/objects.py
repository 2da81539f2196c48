"""Objects, their types, and the people related to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

ID_TYPES = frozenset({"object_id", "cio_object_id"})


def object_types(ask: Ask) -> Row:
    """All types, under a key of their own."""
    return {"types": ask.workspace.object_types()}


def search_objects(ask: Ask) -> Row:
    """Identifiers of the objects that meet a filter; empty lists are null."""
    body, catalog = ask.json(), ask.workspace.catalog
    type_id = body.get("object_type_id")
    if not isinstance(type_id, str) or not type_id.isdecimal() or "filter" not in body:
        raise RefusalError(BAD_REQUEST)
    if ask.workspace.count_objects(type_id) is None:
        raise RefusalError(NOT_FOUND)
    try:
        places = catalog.matching(int(type_id), body["filter"])
    except ValueError:
        raise RefusalError(BAD_REQUEST) from None
    limit, offset = ask.limit(1000), ask.offset("0:")
    found = [catalog.identifiers(int(type_id), at) for at in places[offset : offset + limit]]
    return {
        "identifiers": found or None,
        "ids": [names["object_id"] for names in found] or None,
        "next": token("0:", offset + limit) if offset + limit < len(places) else "",
    }


def object_attributes(ask: Ask) -> Row:
    """Everything about an object."""
    return {"object": ask.workspace.catalog.row(*_object(ask))}


def object_relationships(ask: Ask) -> Row:
    """The people related to an object."""
    kind, place = _object(ask)
    workspace, limit, offset = ask.workspace, ask.limit(1000), ask.offset("0:")
    numbers = workspace.catalog.people(kind, place, ask.now)
    page = [
        {
            "object_type_id": str(kind),
            "object_type_disabled": False,
            "identifiers": workspace.people.name(number, ask.now).row(),
        }
        for number in numbers[offset : offset + limit]
    ]
    return {
        "cio_relationships": page or None,
        "next": token("0:", offset + limit) if offset + limit < len(numbers) else "",
    }


ROUTES: dict[tuple[str, str], Answer] = {
    ("GET", "/v1/object_types"): object_types,
    ("POST", "/v1/objects"): search_objects,
    ("GET", "/v1/objects/{type:int}/{object}/attributes"): object_attributes,
    ("GET", "/v1/objects/{type:int}/{object}/relationships"): object_relationships,
}


def _object(ask: Ask) -> tuple[int, int]:
    """Type and place of the object in the path, which must exist."""
    kind, text = ask.path["type"], ask.path["object"]
    id_type = ask.one_of("id_type", ID_TYPES) or "object_id"
    place = ask.workspace.catalog.find(kind, id_type, text)
    if place is None or not ask.workspace.count_objects(kind):
        raise RefusalError(NOT_FOUND)
    return kind, place
