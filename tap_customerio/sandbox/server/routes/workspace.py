"""The workspace itself, and manually maintained lists."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from tap_customerio.sandbox.server.routes.request import (
    BAD_REQUEST,
    NOT_FOUND,
    ApiRequest,
    Handler,
    RefusalError,
    found,
)
from tap_customerio.sandbox.world.buckets import month_start
from tap_customerio.sandbox.world.workspace_lists import IP_ADDRESSES, PLAIN

if TYPE_CHECKING:
    from tap_customerio.sandbox.world.rng import Row

WORKSPACE = 1001
"""The id of the workspace."""

NULL_IF_EMPTY = frozenset({"collections", "exports", "reporting_webhooks"})


def workspaces(request: ApiRequest) -> Row:
    """The workspace, with counts that change constantly."""
    month = month_start(int(request.now))
    sent = request.workspace.count_deliveries(month, int(request.now) + 1, now=request.now)
    types = request.workspace.object_types()
    row = {
        "id": WORKSPACE,
        "name": "Sandbox",
        "messages_sent": sent,
        "billable_messages_sent": sent,
        "people": request.workspace.count_people(request.now),
        "object_types": len(types),
        "objects": sum(request.workspace.count_objects(row["id"]) or 0 for row in types),
    }
    empty = dict.fromkeys(row, 0)
    others = [empty | {"id": id_, "name": f"Sibling {id_}"} for id_ in request.workspace.siblings]
    return {"workspaces": [row, *others]}


def ip_addresses(_request: ApiRequest) -> Row:
    """Source addresses of webhook requests."""
    return {"ip_addresses": list(IP_ADDRESSES)}


def plain(name: str) -> Handler:
    """All rows of a list without parameters; some empty lists are null."""

    def listing(request: ApiRequest) -> Row:
        rows = request.workspace.plain(name, request.now)
        return {name: (rows or None) if name in NULL_IF_EMPTY else rows}

    return listing


def collection_content(request: ApiRequest) -> Any:
    """The rows of a collection, without an envelope."""
    found(request.workspace.collections(request.now), lambda row: row["id"] == request.path["id"])
    return request.workspace.collection_content(request.path["id"])


def data_import(request: ApiRequest) -> Row:
    """One import; no list contains it."""
    row = request.workspace.workspace_lists.data_import(request.path["id"])
    if row is None:
        raise RefusalError(NOT_FOUND)
    return {"import": row}


def sender_identities(request: ApiRequest) -> Row:
    """Either visible or hidden senders; `next` is set after the last one, too."""
    limit, after, hidden = request.limit(100), _last_sender(request), request.is_true("hidden")
    newest_first = request.one_of("sort", frozenset({"asc", "desc"})) == "desc"
    rows = [
        row for row in request.workspace.sender_identities(request.now) if row["hidden"] == hidden
    ]
    if newest_first:
        rows.reverse()
    if after is not None:
        rows = [row for row in rows if (row["id"] < after if newest_first else row["id"] > after)]
    page = rows[:limit]
    last = b64encode(str(page[-1]["id"]).encode()).decode() if page else ""
    return {"sender_identities": page, "next": last}


def sender_usage(request: ApiRequest) -> Row:
    """Users of a sender, without an envelope."""
    senders = request.workspace.sender_identities(request.now)
    sender: int = found(senders, lambda row: row["id"] == request.path["id"])["id"]
    return request.workspace.sender_usage(sender, request.now)


ROUTES: dict[tuple[str, str], Handler] = {
    **{("GET", f"/v1/{name}"): plain(name) for name in PLAIN},
    ("GET", "/v1/workspaces"): workspaces,
    ("GET", "/v1/info/ip_addresses"): ip_addresses,
    ("GET", "/v1/collections/{id:int}/content"): collection_content,
    ("GET", "/v1/imports/{id:int}"): data_import,
    ("GET", "/v1/sender_identities"): sender_identities,
    ("GET", "/v1/sender_identities/{id:int}/used_by"): sender_usage,
}


def _last_sender(request: ApiRequest) -> int | None:
    """The sender in a page token: the last one of the page before."""
    text = request.token()
    if text is not None and not (text.isascii() and text.isdecimal()):
        raise RefusalError(BAD_REQUEST)
    return None if text is None else int(text)
