"""Segments, and who is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.sandbox.server.routes.request import NOT_FOUND, Answer, Ask, RefusalError, token
from tap_customerio.sandbox.world.people import ADDED
from tap_customerio.sandbox.world.segments import IDS

if TYPE_CHECKING:
    from tap_customerio.sandbox.world.rng import Row

# A position is a multiple of this and the segment, so that it fits no other segment.
STRIDE = 61


def segments(ask: Ask) -> Row:
    """All segments; whatever is asked for is ignored."""
    return {"segments": ask.workspace.segments(ask.now)}


def membership(ask: Ask) -> Row:
    """Who is in a segment; a position in another segment leads to no one, and is no error."""
    segment, limit = _segment(ask), ask.limit(30_000, 1000)
    names, following = ask.workspace.search(
        {"segment": {"id": segment}}, now=ask.now, start=_start(ask, segment), limit=limit
    )
    return {
        "segment_id": segment,
        "identifiers": [name.row() for name in names] or None,
        "ids": [name.id or "" for name in names] or None,
        "next": "" if following is None else token("0:", following * STRIDE + segment),
    }


def customer_count(ask: Ask) -> Row:
    """How many people are in a segment."""
    segment, people = _segment(ask), ask.workspace.people
    count = sum(people.is_member(segment, number, ask.now) for number in people.numbers(ask.now))
    return {"segment_id": segment, "count": count}


def used_by(ask: Ask) -> Row:
    """Where a segment is used."""
    segment = _segment(ask)
    return {"segment_id": segment, "used_by": ask.workspace.segment_usage(segment, ask.now)}


ROUTES: dict[tuple[str, str], Answer] = {
    ("GET", "/v1/segments"): segments,
    ("GET", "/v1/segments/{id:int}/membership"): membership,
    ("GET", "/v1/segments/{id:int}/customer_count"): customer_count,
    ("GET", "/v1/segments/{id:int}/used_by"): used_by,
}


def _segment(ask: Ask) -> int:
    segment: int = ask.path["id"]
    if segment not in IDS:
        raise RefusalError(NOT_FOUND)
    return segment


def _start(ask: Ask, segment: int) -> int:
    """Where to go on in the list of all people; past its end with a token of another segment."""
    start, stranger = divmod(ask.offset("0:") or segment, STRIDE)
    return start if stranger == segment else 2 * ADDED
