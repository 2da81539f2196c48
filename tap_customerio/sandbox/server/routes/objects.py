"""Objects, their types, and the people related to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

ID_TYPES = frozenset({"object_id", "cio_object_id"})


def object_types(request: ApiRequest) -> Row:
    """All types, under a separate key."""
    return {"types": request.workspace.object_types()}


def search_objects(request: ApiRequest) -> Row:
    """Identifiers of the objects that match a filter; empty lists are null."""
    body, catalog = request.json(), request.workspace.catalog
    type_id = body.get("object_type_id")
    if not isinstance(type_id, str) or not type_id.isdecimal() or "filter" not in body:
        raise RefusalError(BAD_REQUEST)
    if request.workspace.count_objects(type_id) is None:
        raise RefusalError(NOT_FOUND)
    try:
        places = catalog.matching(int(type_id), body["filter"])
    except ValueError:
        raise RefusalError(BAD_REQUEST) from None
    limit, offset = request.limit(1000), request.offset("0:")
    found = [catalog.identifiers(int(type_id), at) for at in places[offset : offset + limit]]
    return {
        "identifiers": found or None,
        "ids": [names["object_id"] for names in found] or None,
        "next": token("0:", offset + limit) if offset + limit < len(places) else "",
    }


def object_attributes(request: ApiRequest) -> Row:
    """All data of an object."""
    return {"object": request.workspace.catalog.row(*_object(request))}


def object_relationships(request: ApiRequest) -> Row:
    """The people related to an object."""
    kind, place = _object(request)
    workspace, limit, offset = request.workspace, request.limit(1000), request.offset("0:")
    numbers = workspace.catalog.people(kind, place, request.now)
    page = [
        {
            "object_type_id": str(kind),
            "object_type_disabled": False,
            "identifiers": workspace.people.name(number, request.now).row(),
        }
        for number in numbers[offset : offset + limit]
    ]
    return {
        "cio_relationships": page or None,
        "next": token("0:", offset + limit) if offset + limit < len(numbers) else "",
    }


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/v1/object_types"): object_types,
    ("POST", "/v1/objects"): search_objects,
    ("GET", "/v1/objects/{type:int}/{object}/attributes"): object_attributes,
    ("GET", "/v1/objects/{type:int}/{object}/relationships"): object_relationships,
}


def _object(request: ApiRequest) -> tuple[int, int]:
    """Type and position of the object in the path, which must exist."""
    kind, text = request.path["type"], request.path["object"]
    id_type = request.one_of("id_type", ID_TYPES) or "object_id"
    place = request.workspace.catalog.find(kind, id_type, text)
    if place is None or not request.workspace.count_objects(kind):
        raise RefusalError(NOT_FOUND)
    return kind, place
