"""Finds the sender of each delivery."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.api.values import number
from tap_customerio.streams.senders import sender_names

if TYPE_CHECKING:
    from collections.abc import Collection

    from tap_customerio.api.client import Client
    from tap_customerio.streams.typed import Row

logger = logging.getLogger("tap-customerio.sources")

_TYPES = {
    "newsletter_id": "newsletter",
    "transactional_message_id": "transactional",
    "broadcast_id": "broadcast",
    "campaign_id": "campaign",
}
"""The type of sender by the member of a delivery that names it."""


class DeliverySources:
    """Finds the sender of a delivery; `campaign_id` may hold the id of a broadcast.

    Without the broadcasts (None), the type of such a sender is unknown.
    """

    def __init__(self, broadcasts: Collection[int] | None) -> None:
        self._broadcasts = dict.fromkeys(broadcasts or (), "broadcast")
        self._other = None if broadcasts is None else "campaign"

    @classmethod
    def read(cls, client: Client) -> DeliverySources:
        """Load the broadcasts, which the run reads once."""
        return client.once("sources of deliveries", lambda: cls(_broadcasts(client)))

    def sender(self, delivery: dict[str, Any] | Row) -> dict[str, Any]:
        """Return `source_type` and `source_id` of a delivery, if it names its sender."""
        for name, source_type in _TYPES.items():
            value = delivery.get(name)
            if source_id := value if type(value) is int else value and number(value):
                kind: str | None = source_type
                if name == "campaign_id":
                    kind = self._broadcasts.get(source_id, self._other)
                return {"source_type": kind, "source_id": source_id}
        return {}


def _broadcasts(client: Client) -> Collection[int] | None:
    """Ids of all broadcasts; None, after a warning, if they cannot be read."""
    found = sender_names(client, "broadcast")
    if isinstance(found, errors.TapError):
        logger.warning("%s", errors.sync.unknown_senders(found.brief))
        return None
    return found
