"""Segments and their members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.sandbox.server.routes.request import (
    NOT_FOUND,
    ApiRequest,
    Handler,
    RefusalError,
    token,
)
from tap_customerio.sandbox.world.people import ADDED
from tap_customerio.sandbox.world.segments import IDS

if TYPE_CHECKING:
    from tap_customerio.sandbox.world.rng import Row

# Positions are multiples of this plus the segment, so that each belongs to one segment.
STRIDE = 61


def segments(request: ApiRequest) -> Row:
    """All segments; parameters are ignored."""
    return {"segments": request.workspace.segments(request.now)}


def membership(request: ApiRequest) -> Row:
    """Members of a segment; a page token of another segment returns none, without an error."""
    segment, limit = _segment(request), request.limit(30_000, 1000)
    names, following = request.workspace.search(
        {"segment": {"id": segment}}, now=request.now, start=_start(request, segment), limit=limit
    )
    return {
        "segment_id": segment,
        "identifiers": [name.row() for name in names] or None,
        "ids": [name.id or "" for name in names] or None,
        "next": "" if following is None else token("0:", following * STRIDE + segment),
    }


def customer_count(request: ApiRequest) -> Row:
    """Number of people in a segment."""
    segment, people = _segment(request), request.workspace.people
    count = sum(
        people.is_member(segment, number, request.now) for number in people.numbers(request.now)
    )
    return {"segment_id": segment, "count": count}


def used_by(request: ApiRequest) -> Row:
    """Users of a segment."""
    segment = _segment(request)
    return {"segment_id": segment, "used_by": request.workspace.segment_usage(segment, request.now)}


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/v1/segments"): segments,
    ("GET", "/v1/segments/{id:int}/membership"): membership,
    ("GET", "/v1/segments/{id:int}/customer_count"): customer_count,
    ("GET", "/v1/segments/{id:int}/used_by"): used_by,
}


def _segment(request: ApiRequest) -> int:
    segment: int = request.path["id"]
    if segment not in IDS:
        raise RefusalError(NOT_FOUND)
    return segment


def _start(request: ApiRequest, segment: int) -> int:
    """The position in the list of all people; past its end with a token of another segment."""
    start, stranger = divmod(request.offset("0:") or segment, STRIDE)
    return start if stranger == segment else 2 * ADDED
