"""The sandbox's data as rows of a database, without the tap's code."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from e2e.rows import ROWS, SENDER_STREAMS, instant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from e2e.rows import Row

    from tap_customerio.sandbox import Sandbox

Key = tuple[Any, ...]

STREAMS = tuple(ROWS)
"""All streams."""

COLUMNS: dict[str, dict[str, str]] = {
    "asset_folders": {
        "integer": "id parent_folder_id",
        "text": "name",
        "timestamp": "created updated",
    },
    "assets": {
        "integer": "id size parent_folder_id",
        "text": "name path",
        "timestamp": "created updated",
    },
    "broadcast_triggers": {"integer": "broadcast_id id", "timestamp": "created_at processed_at"},
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
    "collections": {
        "integer": "id rows bytes",
        "text": "name",
        "texts": "schema",
        "timestamp": "created_at updated_at",
    },
    "customers": {
        "text": "cio_id id email",
        "timestamp": "created_at",
        "boolean": "unsubscribed",
        "objects": "devices",
        "object": "identifiers attributes timestamps",
    },
    "design_studio_components": {
        "text": "id name parent_folder_id",
        "timestamp": "created updated",
    },
    "design_studio_emails": {
        "text": "id name parent_folder_id",
        "boolean": "is_template is_linked has_translations",
        "timestamp": "created updated",
    },
    "design_studio_folders": {
        "text": "id name parent_folder_id",
        "timestamp": "created updated",
    },
    "messages": {
        "text": "id deduplicate_id type cio_id customer_id recipient subject trigger_event_id "
        "failure_message source_type",
        "integer": "source_id campaign_id newsletter_id broadcast_id transactional_message_id "
        "action_id parent_action_id content_id msg_template_id message_template_id",
        "timestamp": "created updated",
        "boolean": "forgotten",
        "object": "customer_identifiers metrics tracked_responses",
        "objects": "links",
    },
    "newsletter_test_groups": {
        "integer": "newsletter_id id",
        "text": "name label",
        "boolean": "winner",
        "integers": "content_ids",
    },
    "newsletters": {
        "integer": "id subscription_topic_id expires_after",
        "text": "name deduplicate_id type recipient_file_error recipient_file_status",
        "timestamp": "created updated sent_at",
        "texts": "tags",
        "integers": "content_ids recipient_segment_ids",
    },
    "opt_outs": {"text": "cio_id customer_id", "objects": "optouts"},
    "segment_memberships": {"integer": "segment_id", "text": "cio_id id email"},
    "segment_usage": {
        "integer": "segment_id",
        "integers": "campaigns draft_newsletters sent_newsletters",
    },
    "segments": {
        "integer": "id progress",
        "text": "name description state type deduplicate_id",
        "timestamp": "created_at updated_at",
        "texts": "tags",
        "object": "conditions",
    },
    "sender_identities": {
        "integer": "id",
        "text": "name email phone address template_type deduplicate_id",
        "boolean": "auto_generated hidden",
    },
    "sender_usage": {
        "integer": "sender_identity_id",
        "integers": "campaigns draft_newsletters sent_newsletters",
    },
    "snippets": {"text": "name value", "timestamp": "updated_at"},
    "subscription_channels": {
        "integer": "id",
        "text": "name description type",
        "boolean": "subscribed_by_default",
    },
    "subscription_topics": {
        "integer": "id",
        "text": "identifier name description",
        "boolean": "subscribed_by_default",
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
"""Some columns by stream and type, for streams whose rows resemble the sandbox's."""

LISTS = {"texts", "integers", "objects"}
"""The types of arrays."""

KEYS = {
    "action_metrics": "source_type source_id part_id resolution timezone period_start",
    "broadcast_actions": "broadcast_id id",
    "broadcast_triggers": "broadcast_id id",
    "campaign_actions": "campaign_id id",
    "collection_contents": "collection_id row_number",
    "customer_relationships": "cio_id object_type_id cio_object_id",
    "customers": "cio_id",
    "esp_suppressions": "suppression_type domain email",
    "ip_addresses": "ip_address",
    "journey_metrics": "campaign_id resolution timezone period_start",
    "link_metrics": "source_type source_id link_id resolution timezone period_start",
    "metrics": "source_type source_id resolution timezone period_start",
    "newsletter_test_groups": "newsletter_id id",
    "newsletter_variants": "newsletter_id id",
    "object_relationships": "object_type_id cio_object_id cio_id",
    "objects": "object_type_id cio_object_id",
    "opt_outs": "cio_id",
    "segment_counts": "segment_id observed_at",
    "segment_memberships": "segment_id cio_id",
    "segment_usage": "segment_id",
    "sender_usage": "sender_identity_id",
    "snippets": "name",
    "subscription_preferences": "cio_id",
    "transactional_variants": "transactional_id id",
}
"""Primary keys other than `id`."""

KEY_KINDS = {
    "text": "cio_id cio_object_id domain email ip_address link_id name resolution source_type "
    "suppression_type timezone",
    "timestamp": "observed_at period_start",
}
"""The types of key columns that are no integers, except `id`."""

TEXT_IDS = {
    *("activities", "messages"),
    *("design_studio_components", "design_studio_emails", "design_studio_folders"),
}
"""The streams whose `id` is text."""

ON_REQUEST = {
    *("broadcast_actions", "campaign_actions", "collection_contents", "customer_relationships"),
    *("newsletter_variants", "reporting_webhooks", "subscription_preferences"),
    "transactional_variants",
}
"""Streams that are off by default: large, private, or with a request for each person."""


def key(stream: str) -> dict[str, str]:
    """The columns of the primary key, and their types."""
    known = {name: kind for kind, names in KEY_KINDS.items() for name in names.split()}
    known["id"] = "text" if stream in TEXT_IDS else "integer"
    return {name: known.get(name, "integer") for name in KEYS.get(stream, "id").split()}


def kinds(stream: str) -> dict[str, str]:
    """The type of each column."""
    return {name: kind for kind, names in COLUMNS[stream].items() for name in names.split()}


def table(sandbox: Sandbox, stream: str) -> dict[Key, Row]:
    """All rows of a stream by key, at the sandbox's current time."""
    return {
        tuple(_cell(kind, raw[name]) for name, kind in key(stream).items()): {
            name: _cell(kind, raw.get(name)) for name, kind in kinds(stream).items()
        }
        for raw in _rows(sandbox, stream)
    }


def keys(sandbox: Sandbox, streams: Iterable[str]) -> dict[str, Counter[Key]]:
    """The keys of the rows of each of these streams, at the sandbox's current time."""
    return {
        stream: Counter(
            tuple(_cell(kind, raw[name]) for name, kind in key(stream).items())
            for raw in _rows(sandbox, stream)
        )
        for stream in streams
    }


def counts(sandbox: Sandbox, streams: Iterable[str]) -> dict[str, int]:
    """The number of rows of each of these streams, at the sandbox's current time."""
    return {stream: sum(1 for _ in _rows(sandbox, stream)) for stream in streams}


def deliveries(sandbox: Sandbox, start: int | None = None) -> int:
    """The number of deliveries that the API lists by now, without the current second."""
    now = sandbox.clock.now()
    first = sandbox.workspace.since if start is None else start
    return sandbox.workspace.count_deliveries(first, int(now), now=now)


def senders(sandbox: Sandbox) -> list[tuple[str, int]]:
    """All senders: type and id."""
    workspace, now = sandbox.workspace, sandbox.clock.now()
    return [
        (kind, row["id"]) for kind, rows in SENDER_STREAMS.items() for row in rows(workspace, now)
    ]


def _rows(sandbox: Sandbox, stream: str) -> Iterable[Row]:
    return ROWS[stream](sandbox.workspace, sandbox.clock.now())


def _cell(kind: str, value: Any) -> Any:
    """A value in a column of its type; the API writes some numbers as text."""
    if kind in LISTS:
        return [int(item) for item in value or []] if kind == "integers" else value or []
    if kind == "timestamp":
        return instant(value) if value else None
    return int(value) if kind == "integer" and value is not None else value
