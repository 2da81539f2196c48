"""The JSON of senders, with the same missing members as in the live API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tap_customerio.sandbox.world.rng import Row

TRIGGERS = ("seg_attr", "event", "date", "webhook", "form", "segment", "object", "relationship")
STATES = ("running", "running", "stopped", "running", "draft", "running")
TOPICS = ("Welcome", "Trial ending", "Birthday", "Payment", "Feedback", "Win-back", "Upgrade")
NOTICES = ("All uncategorized email messages", "Password reset", "Receipt", "Invitation", "Code")
SILENT = frozenset({"webhook", "slack", "in_app", "inbox", "twilio", "whatsapp"})
LISTED_TEMPLATES = frozenset({"email", "sms", "push", "slack", "webhook"})


class Send(NamedTuple):
    """One newsletter."""

    id: int
    channel: str
    created: int
    sent_at: int | None
    size: int
    contents: tuple[int, ...]


def trigger(campaign: int) -> str:
    """The trigger of a campaign."""
    return TRIGGERS[(campaign - 1) % len(TRIGGERS)]


def state(campaign: int) -> str:
    """Whether a campaign runs; the first one always does."""
    return STATES[(campaign - 1) % len(STATES)]


def name_of(kind: str, sender: int) -> str:
    """The name of a sender."""
    return f"{TOPICS[sender % len(TOPICS)]} {kind} {sender}"


def transactional_name(place: int) -> str:
    """The name of a transactional message; the first one is the same in every workspace."""
    return NOTICES[place] if place < len(NOTICES) else f"{NOTICES[1 + place % 4]} {place}"


def subject(channel: str, about: str) -> str | None:
    """A subject line: none on webhooks, an empty one for channels without subjects."""
    if channel in SILENT:
        return None if channel == "webhook" else ""
    return f"{about}: für dich 👋"


def campaign(sender: int, created: int, updated: int, actions: list[tuple[int, str]]) -> Row:
    """A campaign: keys of other triggers are missing, unset times are 0, lists may be null."""
    row = _workflow("campaign", sender, created, updated, actions)
    row["type"] = trigger(sender)
    row["state"] = state(sender)
    row["active"] = row["state"] == "running"
    row["first_started"] = 0 if row["state"] == "draft" else created + 3600
    if row["type"] != "webhook":
        row["filter_segment_ids"] = [] if sender % 2 else [2 + sender % 5]
    if sender % 4 == 1:
        row["msg_templates"] = _templates(actions)
    return row | _trigger_keys(sender)


def broadcast(sender: int, created: int, updated: int, actions: list[tuple[int, str]]) -> Row:
    """An API-triggered broadcast."""
    row = _workflow("broadcast", sender, created, updated, actions)
    row |= {"type": "triggered_broadcast", "state": "running", "active": True}
    row["first_started"] = created + 3600
    if sender % 2:
        row["msg_template_ids"] = _templates(actions)
    return row


def transactional(sender: int, created: int, updated: int) -> Row:
    """A transactional message: the only sender without `deduplicate_id`."""
    return {
        "id": sender,
        "name": transactional_name(sender - 1),
        "description": "",
        "send_to_unsubscribed": sender % 3 != 0,
        "link_tracking": sender % 2 == 1,
        "open_tracking": sender % 2 == 1,
        "hide_message_body": sender % 4 == 2,  # noqa: PLR2004 - every fourth
        "queue_drafts": False,
        "trigger_name": "" if sender == 1 else f"notice_{sender}",
        "created_at": created,
        "updated_at": updated,
    }


def newsletter(send: Send, updated: int, sent: int | None) -> Row:
    """A newsletter: `sent_at` is null before it is sent, and segments may be missing."""
    row = {
        "id": send.id,
        "deduplicate_id": f"{send.id}:{updated}",
        "name": name_of("newsletter", send.id),
        "type": send.channel,
        "content_ids": list(send.contents),
        "created": send.created,
        "updated": updated,
        "sent_at": sent,
        "tags": _tags(send.id),
    }
    return row if send.id % 3 == 0 else row | {"recipient_segment_ids": [1 + send.id % 8]}


def workflow_key(kind: str, sender: int) -> str:
    """The key for a campaign or broadcast; broadcasts appear under either key."""
    return "broadcast_id" if kind == "broadcast" and sender % 2 else "campaign_id"


def _workflow(
    kind: str, sender: int, created: int, updated: int, actions: list[tuple[int, str]]
) -> Row:
    """The members that campaigns and broadcasts share."""
    return {
        "id": sender,
        "deduplicate_id": f"{sender}:{updated}",
        "name": name_of(kind, sender),
        "description": None if sender % 5 == 0 else "",
        "created": created,
        "updated": updated,
        "actions": [{"id": action, "type": channel} for action, channel in actions],
        "created_by": "ops@example.org",
        "tags": _tags(sender),
        "scheduled_start": 0 if sender % 6 else created + 7200,
        "scheduled_start_should_backfill": False,
        "scheduled_stop": 0,
        "scheduled_stop_should_sunset": False,
    }


def _tags(sender: int) -> list[str] | None:
    return (None, [], ["lifecycle", "b2b"])[sender % 3]


def _templates(actions: list[tuple[int, str]]) -> list[Row]:
    return [
        {"id": 1000 + action, "type": channel}
        for action, channel in actions
        if channel in LISTED_TEMPLATES
    ]


def _trigger_keys(sender: int) -> Row:
    """The keys that only campaigns with this trigger have."""
    kind = trigger(sender)
    if kind in {"object", "relationship"}:
        return _object_keys(kind)
    keys: dict[str, Row] = {
        "segment": {"trigger_segment_ids": [1 + sender % 8]},
        "seg_attr": {"trigger_segment_ids": [1 + sender % 8]},
        "event": {"event_name": "order_placed", "event_type": "event"},
        "form": {"event_name": "form_submit", "event_type": "form"},
        "webhook": {"webhook_id": sender},
        "date": {
            "date_attribute": "birthday",
            "frequency": "yearly",
            "start_hour": 9,
            "start_minutes": 30,
            "timezone": "Europe/Rome",
            "use_customer_timezone": False,
        },
    }
    return keys[kind]


def _object_keys(kind: str) -> Row:
    """Filters that are documented as objects and arrive as JSON text."""
    triggers = json.dumps({"plan": "changed"})
    return {
        "object_type_id": 1,
        "audience": {
            "type": 0,
            "person_filters": json.dumps({"and": []}),
            "relationship_filters": json.dumps({"and": []}),
        },
        f"{kind}_attribute_triggers": triggers,
        f"filter_{kind}_attributes": json.dumps({"and": []}),
    }
