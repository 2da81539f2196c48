"""The activity log, newest entries first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tap_customerio.api.values import seconds
from tap_customerio.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_customerio.api.client import Client
    from tap_customerio.api.responses import Page

LOGGED = 29 * DAY
"""Seconds that the log reliably covers: 30 days, less one day of margin."""

_DIGITS = str.maketrans("0123456789ABCDEFGHJKMNPQRSTVWXYZ", "0123456789ABCDEFGHIJKLMNOPQRSTUV")
_ULID, _ULID_TIME = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}"), 10

PAGE_SIZE = 100

LOG_LAG = DAY
"""Maximum seconds by which an entry appears late in the log, or is backdated."""


def log_pages(client: Client, **only: str) -> Iterator[Page]:
    """Pages of the log, including deleted people; `only` filters by type or person."""
    params = {"limit": PAGE_SIZE, "deleted": "true", **only}
    return client.pages("/v1/activities", "activities", params=params)


def entries(client: Client, kind: str, since: int) -> Iterator[dict[str, Any]]:
    """Log entries of one type since a time; reads until a whole page is older."""
    for page in log_pages(client, type=kind):
        recent = [entry for entry in page if arrival(entry, client.present, since) >= since]
        yield from recent
        if not recent:
            return


def arrival(entry: dict[str, Any], present: int, unknown: int) -> int:
    """Arrival time of an entry, from its id or its timestamp; `unknown` if it has neither.

    The log is sorted by arrival. Ids look like ULIDs, which begin with a time in milliseconds;
    timestamps may be backdated by days.
    """
    at = seconds(entry, "timestamp") or unknown
    found = str(entry.get("id"))
    if not _ULID.fullmatch(found):
        return at
    made = int(found[:_ULID_TIME].translate(_DIGITS), 32) // 1000
    return max(at, made) if made <= present + DAY else at


def cio_ids_in(entry: Any) -> Iterator[str]:
    """Every cio_id in an entry; it is undocumented which of two merged people an entry names."""
    if isinstance(entry, dict):
        if isinstance(found := entry.get("cio_id"), str) and found:
            yield found.removeprefix("cio_")
        for value in entry.values():
            yield from cio_ids_in(value)
