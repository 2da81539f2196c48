"""Whether the API lists messages older than six months."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio import errors
from tap_customerio.windows import BEGINNING, DAY, LONGEST_PERIOD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_customerio.api.client import Client

OLD = 190 * DAY
"""Six months and some days: older messages show that the API did not limit the period."""

MAYBE_CUT = (
    "No message older than six months is listed: there may be none, or the API may not "
    "keep or show them."
)
UNBOUNDED = "The API ignored the requested periods: it may have cut the list to six months."


def backwards(end: int) -> Iterator[tuple[int, int]]:
    """Windows from a moment back to the beginning, with inclusive ends, as the API has."""
    while end >= BEGINNING:
        start = max(BEGINNING, end - LONGEST_PERIOD + 1)
        yield start, end
        end = start - 1


def keeps_old(client: Client) -> bool:
    """Whether the workspace has any message older than six months; checked once per run."""

    def read() -> list[int]:
        for start, end in backwards(client.present - OLD):
            params = {"start_ts": start, "end_ts": end, "limit": 1}
            found = client.fetch("GET", "/v1/messages", params=params).get("messages")
            if isinstance(found, list) and found and is_within(found[0], start, end):
                return [start]
        return []

    try:
        return bool(client.once("messages older than six months", read))
    except errors.TapError:
        return False


def is_within(row: object, start: int, end: int) -> bool:
    """Whether a message was created within a window."""
    created = row.get("created") if isinstance(row, dict) else None
    return type(created) is int and start <= created <= end
