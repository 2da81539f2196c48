"""Deliveries and counts with the names of their senders, for previews."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.privacy.identity import masked
from tap_customerio.streams.pii import MASK, mask
from tap_customerio.streams.senders import SENDER_STREAMS, sender_names
from tap_customerio.windows import parse
from tap_customerio.wording import duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_customerio.api.client import Client

_PHONES = {"sms", "twilio", "whatsapp"}
SHOWN_FIRST = {
    "messages": ("created", "recipient", "sender", "opened", "clicked"),
    "metrics": ("source_type", "sender", "period_start", "sent", "opened", "clicked"),
    "action_metrics": ("sender", "part_id", "period_start", "sent", "opened", "clicked"),
    "link_metrics": ("sender", "href", "period_start", "clicked"),
    "journey_metrics": ("sender", "period_start", "started", "messaged", "converted"),
}
"""Columns by stream, most important first; this module adds `sender` and outcomes."""

NOTES = {"messages": "opened and clicked: how long after created."}


def shown(
    stream: str, record: Mapping[str, Any], client: Client, *, personal: bool
) -> dict[str, Any]:
    """A delivery or a bucket of counts with its sender; a delivery also with its outcome."""
    campaign = record.get("campaign_id")  # the sender of journey metrics
    sender = _sender(
        client, record.get("source_type", "campaign"), record.get("source_id", campaign)
    )
    found = {**record, "sender": sender}
    if stream == "link_metrics":  # else little more of it is seen
        found["href"] = (record.get("href") or "").removeprefix("https://")
    found = found if personal else mask(stream, found)
    if stream != "messages":
        return found
    outcomes = {name: _delay(record, name) for name in ("opened", "clicked")}
    return {**found, **outcomes, "recipient": _recipient(record, personal=personal)}


def _sender(client: Client, source_type: str | None, source_id: int | None) -> str | None:
    """Id and name of a sender; its type and id if its name cannot be read."""
    if source_id is None:
        return None
    if source_type in SENDER_STREAMS:
        names = sender_names(client, source_type)
        if not isinstance(names, errors.TapError) and (name := names.get(source_id)):
            return f"{source_id}: {name}"
    return f"{source_type or 'unknown'} {source_id}"


def _delay(delivery: Mapping[str, Any], name: str) -> str | None:
    """Time from a delivery's creation to a state, in one unit."""
    moment, created = (delivery["metrics"] or {}).get(name), delivery.get("created")
    if not moment or not created:
        return moment
    return " ".join(duration(max(0, parse(moment) - parse(created))).split()[:2])


def _recipient(delivery: Mapping[str, Any], *, personal: bool) -> str | None:
    """The recipient, masked by default."""
    recipient = delivery.get("recipient")
    if personal or not recipient or recipient == MASK:
        return recipient
    return masked("phone" if delivery.get("type") in _PHONES else "email", recipient)
