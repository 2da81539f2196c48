"""Recent senders: between two full reads, only their counts are read again."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.api.values import identifier
from tap_customerio.windows import MINUTE

if TYPE_CHECKING:
    from tap_customerio.api.client import Client

logger = logging.getLogger("tap-customerio.recent")

_LISTED_LATE = 10 * MINUTE
"""Maximum delay of a delivery in the API's list; later ones wait for the next full read."""

_MOST_PAGES = 10
"""Pages of 1,000 deliveries after which the counts of all senders are read instead."""

_SENDERS = {
    "campaign_id": "campaign",
    "broadcast_id": "campaign",
    "newsletter_id": "newsletter",
    "transactional_message_id": "transactional",
}
"""The member with the sender's id in a delivery; campaigns and broadcasts share ids."""

_PARTS = ("action_id", "parent_action_id", "content_id")


class RecentSenders:
    """The senders of recent deliveries, with the actions and contents that were sent."""

    def __init__(self) -> None:
        self._parts: defaultdict[tuple[str, str], set[str]] = defaultdict(set)

    def add(self, delivery: dict[str, Any]) -> None:
        """Add a delivery's sender; without a readable part, any part of the sender counts."""
        parts = {str(identifier(delivery, name) or "") for name in _PARTS} - {""}
        for name, sender_type in _SENDERS.items():
            if (number := identifier(delivery, name)) is not None:
                self._parts[sender_type, str(number)] |= parts or {""}

    def include(self, sender_type: str, number: Any, part: Any = None) -> bool:
        """Whether a sender, or one part of it, may have sent one of the deliveries."""
        shared = "campaign" if sender_type == "broadcast" else sender_type
        parts = self._parts.get((shared, str(number)), set())
        return bool(parts) and (part is None or "" in parts or str(part) in parts)


def recent_senders(client: Client, since: int) -> RecentSenders | None:
    """The senders since a time, read once per run.

    None if there are too many deliveries or they cannot be read.
    """
    first = since - _LISTED_LATE
    return client.once(repr(("senders since", first)), lambda: _read(client, first))


def _read(client: Client, since: int) -> RecentSenders | None:
    senders = RecentSenders()
    params = {"start_ts": since, "end_ts": client.present - 1, "limit": 1000}
    try:
        for number, page in enumerate(client.pages("/v1/messages", "messages", params=params), 1):
            for delivery in page:
                senders.add(delivery)
            if page.more and number == _MOST_PAGES:
                logger.info("Many deliveries since the last sync: all counts are read again.")
                return None
    except errors.RequestError as error:
        logger.info("Recent deliveries cannot be read: all counts are read again. %s", error)
        return None
    return senders
