"""The activity log: its entries of one type, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_customerio.reader import seconds
from tap_customerio.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_customerio.client import Client

LOGGED = 29 * DAY
"""How far back the log reaches for sure, less a day."""

LOG_LAG = DAY
"""How late an entry may arrive in the log, or how far it may be dated back."""


def entries(client: Client, kind: str, since: int) -> Iterator[dict[str, Any]]:
    """What the log has of one type since then; read on until a whole page is older."""
    params = {"limit": 100, "deleted": "true", "type": kind}
    for page in client.pages("/v1/activities", "activities", params=params):
        moments = ((entry, seconds(entry, "timestamp")) for entry in page)
        recent = [entry for entry, at in moments if (at or since) >= since]
        yield from recent
        if not recent:
            return
