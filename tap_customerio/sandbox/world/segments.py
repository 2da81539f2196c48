"""Segments: groups of people, by conditions or by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.sandbox.world.people import SHARES

if TYPE_CHECKING:
    from tap_customerio.sandbox.world.change_log import ChangeLog
    from tap_customerio.sandbox.world.rng import Rng, Row

NAMES = (
    "All Users", "Came back last month", "Ordered twice", "Opened the pricing page", "Loyal",
    "Trial users", "Wishlist", "Picked by hand", "Guest list", "Just imported",
)  # fmt: skip
MANUAL = frozenset({8, 9})
UNFINISHED = 10
IDS = tuple(SHARES)


class Segments:
    """The segments of the workspace; `People` decides their members."""

    def __init__(self, rng: Rng, change_log: ChangeLog, since: int) -> None:
        self._rng = rng
        self._change_log = change_log
        self._since = since

    def rows(self, now: float) -> list[Row]:
        """All segments."""
        return [self._row(segment, now) for segment in IDS]

    def _row(self, segment: int, now: float) -> Row:
        words = self._rng.draw("segment", segment)
        created = self._since - words[0] * 960 - 1
        natural = min(created + words[1] * 300, self._since - 1)
        updated = self._change_log.latest("segments", segment, now, natural)
        row: Row = {
            "id": segment,
            "deduplicate_id": f"{segment}:{updated}",
            "name": NAMES[segment - 1],
            "description": None if segment in MANUAL else f"{NAMES[segment - 1]}, für alle Länder.",
            "state": "build" if segment == UNFINISHED else "finished",
            "progress": 37 if segment == UNFINISHED else None,
            "type": "manual" if segment in MANUAL else "dynamic",
            "tags": ["Sample"] if segment % 3 else None,
            "created_at": created,
            "updated_at": updated,
        }
        if segment not in MANUAL:
            row["conditions"] = _conditions(segment)
        return row


def _conditions(segment: int) -> Row:
    """The conditions of membership."""
    if segment == 1:
        return _all_of(_event("attribute_change", "cio_id", 1, filters=_is_set()))
    within = 86_400 * 30 * segment
    ordered = _event("event", "order_placed", segment, times=segment - 1, within=within)
    away = _event("page", "*", segment, inverse=True)
    return _all_of(ordered, away) if segment % 2 else {"or": [ordered, _all_of(away)]}


def _all_of(*conditions: Row) -> Row:
    return {"and": list(conditions)}


def _is_set() -> Row:
    return _all_of(
        {"field": "to", "inverse": False, "operator": "exists", "value": ""},
        {"field": "from", "inverse": True, "operator": "exists", "value": ""},
    )


def _event(  # noqa: PLR0913 - one argument per part of a condition
    kind: str,
    name: str,
    number: int,
    *,
    filters: Row | None = None,
    inverse: bool = False,
    times: int = 1,
    within: int = 0,
) -> Row:
    return {
        "event": {"filters": filters or {}, "id": number, "name": name, "type": kind},
        "inverse": inverse,
        "times": times,
        "within": within,
    }
