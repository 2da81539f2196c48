"""Consents, and suppressions of the e-mail provider."""

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
from tap_customerio.sandbox.world.consents import CATEGORIES, DOMAINS, SUPPRESSED

if TYPE_CHECKING:
    from tap_customerio.sandbox.world.rng import Row


def opt_outs(request: ApiRequest) -> Row:
    """Opt-outs from text messages by sender; the last page has no `next`."""
    limit, offset, sender = request.limit(1000, 100), request.offset(""), request.query.get("from")
    rows = [
        row
        for row in request.workspace.opt_outs(request.now)
        if not sender or any(opted["from"] == sender for opted in row["optouts"])
    ]
    page: Row = {"optouts": rows[offset : offset + limit]}
    if offset + limit < len(rows):
        page["next"] = token("", offset + limit)
    return page


def subscription_topics(request: ApiRequest) -> Row:
    """All topics."""
    return {"topics": request.workspace.subscription_topics()}


def subscription_channels(request: ApiRequest) -> Row:
    """All channels."""
    return {"channels": request.workspace.subscription_channels()}


def suppressions(request: ApiRequest) -> Row:
    """Suppressed addresses by offset, without a sign of the end."""
    kind, limit = _suppression_type(request), request.limit(1000, 100)
    offset = max(request.number("offset") or 0, 0)
    rows = request.workspace.suppressions(kind, request.now, request.query.get("domain") or None)
    return _suppressed(kind, rows[offset : offset + limit])


def suppressions_of_domain(request: ApiRequest) -> Row:
    """Suppressed addresses of one domain, by page token, or a single address."""
    domain, address = request.path["domain"], request.query.get("email")
    if domain not in DOMAINS:
        raise RefusalError(NOT_FOUND)
    kind, limit, offset = _suppression_type(request), request.limit(1000, 100), request.offset("")
    rows = request.workspace.suppressions(kind, request.now, domain)
    if address:
        return _suppressed(kind, [row for row in rows if row["email"] == address])
    following = token("", offset + limit) if offset + limit < len(rows) else ""
    return {**_suppressed(kind, rows[offset : offset + limit]), "next": following}


def suppression_of(request: ApiRequest) -> Row:
    """All entries of an address, under the category of the first; null without any."""
    email: str = request.path["email"].casefold()
    found = {
        kind: [r for r in request.workspace.suppressions(kind, request.now) if r["email"] == email]
        for kind in SUPPRESSED
    }
    kinds = [kind for kind, rows in found.items() if rows]
    return _suppressed(kinds[0] if kinds else "", [row for kind in kinds for row in found[kind]])


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/v1/optouts"): opt_outs,
    ("GET", "/v1/subscription_topics"): subscription_topics,
    ("GET", "/v1/subscription_channels"): subscription_channels,
    ("GET", "/v1/esp/suppression/{type}"): suppressions,
    ("GET", "/v1/esp/search_suppression/{email}"): suppression_of,
    ("GET", "/v1/esp/domains/{domain}/suppression/{type}"): suppressions_of_domain,
}


def _suppression_type(request: ApiRequest) -> str:
    kind: str = request.path["type"]
    if kind not in SUPPRESSED:
        raise RefusalError(BAD_REQUEST, "type is invalid")
    return kind


def _suppressed(kind: str, rows: list[Row]) -> Row:
    """A page of addresses; an empty one is null, without a category."""
    page: Row = {"suppressions": rows or None}
    return page | {"category": CATEGORIES[kind]} if rows and kind in CATEGORIES else page
