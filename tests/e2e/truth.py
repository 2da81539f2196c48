"""What the sandbox holds, as rows of a database: from its own rows, without the tap's help."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_customerio.sandbox import Sandbox

Row = dict[str, Any]
Key = tuple[Any, ...]

COLUMNS: dict[str, dict[str, str]] = {
    "broadcasts": {
        "integer": "id",
        "text": "name description deduplicate_id type state created_by",
        "timestamp": "created updated first_started scheduled_start scheduled_stop",
        "boolean": "active scheduled_start_should_backfill scheduled_stop_should_sunset",
        "texts": "tags",
        "objects": "actions msg_template_ids",
    },
    "campaigns": {
        "integer": "id object_type_id start_hour start_minutes webhook_id",
        "text": "name description deduplicate_id type state created_by event_name event_type "
        "date_attribute frequency timezone filter_object_attributes object_attribute_triggers "
        "filter_relationship_attributes relationship_attribute_triggers",
        "timestamp": "created updated first_started scheduled_start scheduled_stop",
        "boolean": "active use_customer_timezone scheduled_start_should_backfill "
        "scheduled_stop_should_sunset",
        "texts": "tags",
        "integers": "filter_segment_ids trigger_segment_ids",
        "objects": "actions msg_templates",
        "object": "audience",
    },
    "customers": {
        "text": "cio_id id email",
        "boolean": "unsubscribed",
        "objects": "devices",
        "object": "identifiers attributes timestamps",
    },
    "messages": {
        "text": "id deduplicate_id type cio_id customer_id recipient subject trigger_event_id "
        "failure_message",
        "integer": "campaign_id newsletter_id broadcast_id transactional_message_id action_id "
        "parent_action_id content_id msg_template_id message_template_id",
        "timestamp": "created updated",
        "boolean": "forgotten",
        "object": "customer_identifiers metrics tracked_responses",
    },
    "newsletters": {
        "integer": "id subscription_topic_id expires_after",
        "text": "name deduplicate_id type recipient_file_error recipient_file_status",
        "timestamp": "created updated sent_at",
        "texts": "tags",
        "integers": "content_ids recipient_segment_ids",
    },
    "transactional_messages": {
        "integer": "id",
        "text": "name description trigger_name",
        "boolean": "send_to_unsubscribed link_tracking open_tracking hide_message_body "
        "queue_drafts",
        "timestamp": "created_at updated_at",
    },
    "metrics": {
        "text": "source_type resolution timezone channel",
        "integer": "source_id created sent delivered opened human_opened clicked bounced "
        "converted failed unsubscribed http_2xx http_4xx http_5xx",
        "timestamp": "period_start",
        "boolean": "is_partial",
    },
}
"""Columns by stream and kind; there may be more."""

LISTS = {"texts", "integers", "objects"}
"""The kinds that hold many."""

KEYS = {
    "customers": ("cio_id",),
    "metrics": ("source_type", "source_id", "resolution", "period_start"),
}
"""Primary keys other than `id`."""

KINDS = {"campaign": "campaigns", "newsletter": "newsletters", "broadcast": "broadcasts"} | {
    "transactional": "transactional_messages"
}
"""The stream of each kind of sender."""

_COLLECTIONS = {"transactional_messages": "transactional"}


def key(stream: str) -> Key:
    """The columns of the primary key."""
    return KEYS.get(stream, ("id",))


def kinds(stream: str) -> dict[str, str]:
    """The kind of each column."""
    return {name: kind for kind, names in COLUMNS[stream].items() for name in names.split()}


def table(sandbox: Sandbox, stream: str) -> dict[Key, Row]:
    """All rows of a stream by key, as of the sandbox's present."""
    rows = {"customers": _customers, "messages": _messages}.get(stream, _senders)
    return {
        tuple(raw[name] for name in key(stream)): {
            name: _cell(kind, raw.get(name)) for name, kind in kinds(stream).items()
        }
        for raw in rows(sandbox, stream)
    }


def deliveries(sandbox: Sandbox, start: int | None = None) -> int:
    """How many deliveries the API has shown by now; the present second is not over yet."""
    now = sandbox.clock.now()
    first = sandbox.workspace.since if start is None else start
    return sandbox.workspace.count_deliveries(first, int(now), now=now)


def senders(sandbox: Sandbox) -> list[tuple[str, int]]:
    """Everything that sends: kind and id."""
    now = sandbox.clock.now()
    return [
        (kind, sender)
        for kind, stream in KINDS.items()
        for sender in sandbox.workspace.ids(_COLLECTIONS.get(stream, stream), now)
    ]


def _senders(sandbox: Sandbox, stream: str) -> Iterable[Row]:
    found: Iterable[Row] = getattr(sandbox.workspace, _COLLECTIONS.get(stream, stream))(
        sandbox.clock.now()
    )
    return found


def _customers(sandbox: Sandbox, _stream: str) -> Iterable[Row]:
    for person in sandbox.workspace.everyone(sandbox.clock.now()):
        stamps = {name: rfc3339(at) for name, at in person["timestamps"].items()}
        devices = [
            {**device, "last_used": rfc3339(device["last_used"])}
            for device in person["devices"] or []
        ]
        yield {**person, **person["identifiers"], "timestamps": stamps, "devices": devices}


def _messages(sandbox: Sandbox, _stream: str) -> Iterable[Row]:
    now, workspace = sandbox.clock.now(), sandbox.workspace
    for delivery in workspace.newest_first(workspace.since, int(now), now=now):
        raw = workspace.show(delivery, now, tracked=True)
        person = raw["customer_identifiers"]
        raw["updated"] = int(raw["deduplicate_id"].rpartition(":")[2])
        raw["cio_id"] = person and person["cio_id"]
        raw["metrics"] = {name: rfc3339(at) for name, at in raw["metrics"].items()}
        for answer in raw.get("tracked_responses", {}).values():
            answer["ts"] = rfc3339(answer["ts"])
        yield raw


def _cell(kind: str, value: Any) -> Any:
    if kind in LISTS:
        return value or []
    if kind == "timestamp":
        return instant(value) if value else None
    return value


def instant(seconds: float) -> dt.datetime:
    """Unix seconds as a database shows them: in UTC, without saying so."""
    return dt.datetime.fromtimestamp(seconds, dt.timezone.utc).replace(tzinfo=None)


def rfc3339(seconds: float) -> str | None:
    """Unix seconds as they stand in JSON; 0 is no time."""
    return f"{instant(seconds).isoformat()}Z" if seconds else None
