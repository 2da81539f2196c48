"""Senders: campaigns, newsletters, broadcasts, transactional messages."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.api.values import number, seconds
from tap_customerio.streams.lists import ListStream
from tap_customerio.streams.schema import (
    array_of,
    boolean,
    integer,
    nested,
    object_of,
    record,
    text,
    timestamp,
)
from tap_customerio.windows import BEGINNING, DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_customerio.api.client import Client

_ACTION = nested(integer(id="Action id."), text(type="Kind of step: email, webhook, push …"))
_SCHEDULE = (
    timestamp(
        scheduled_start="Scheduled start; null if not scheduled.",
        scheduled_stop="Scheduled stop; null if not scheduled.",
    ),
    boolean(
        scheduled_start_should_backfill="Whether people who already match enter at the start.",
        scheduled_stop_should_sunset=(
            "Whether people already in the campaign may finish after the stop."
        ),
    ),
)


class Campaigns(ListStream):
    """Campaigns: automated workflows that send messages to people who enter them."""

    name = "campaigns"
    path = "/v1/campaigns"
    records_key = "campaigns"
    replication_key = "updated"
    schema = record(
        integer(
            id="Campaign id.",
            object_type_id="Object- and relationship-triggered campaigns only: object type.",
        ),
        text(
            name="Name in the app.",
            description="What it is for, as its creator wrote it.",
            deduplicate_id="`<id>:<updated>`.",
            type="Trigger, such as segment, event or date; Customer.io plans to remove it.",
            state="running, draft or stopped.",
            created_by="Who created it; may be personal data.",
            event_name="Event-triggered campaigns only: event that starts it.",
            event_type="Event-triggered campaigns only: event, page or screen.",
            date_attribute="Date-triggered campaigns only: the attribute with the date.",
            frequency="Date-triggered campaigns only: once, monthly or yearly.",
            timezone="Date-triggered campaigns only: IANA time zone of the start.",
            filter_object_attributes="Filter on object attributes, as JSON text.",
            filter_relationship_attributes="Filter on relationship attributes, as JSON text.",
            object_attribute_triggers="Triggers on object attributes, as JSON text.",
            relationship_attribute_triggers="Triggers on relationship attributes, as JSON text.",
        ),
        timestamp(
            created="When it was created.",
            updated="Last change of the campaign itself; changes of its actions do not count.",
            first_started="When it was first started; null if never.",
        ),
        boolean(
            active="Whether people can enter.",
            use_customer_timezone="Date-triggered campaigns only: uses each person's time zone.",
        ),
        integer(
            start_hour="Date-triggered campaigns only: hour of the start, 0 to 23.",
            start_minutes="Date-triggered campaigns only: minute of the start, 0 to 59.",
            webhook_id="Webhook-triggered campaigns only: id of the webhook.",
        ),
        array_of(_ACTION, actions="Every step of the workflow, in short form."),
        array_of(text(""), tags="Labels given in the app."),
        array_of(
            integer(""),
            filter_segment_ids="Segments that restrict the audience.",
            trigger_segment_ids="Segments whose members enter.",
        ),
        object_of(
            nested(
                integer(type="0 or 1."),
                text(person_filters="JSON text.", relationship_filters="JSON text."),
            ),
            audience="Who enters an object- or relationship-triggered campaign.",
        ),
        *_SCHEDULE,
        array_of(_ACTION, msg_templates="Message templates, in short form; deprecated."),
    )


class Newsletters(ListStream):
    """Newsletters: messages sent once to an audience ("one-time sends" in the app)."""

    name = "newsletters"
    path = "/v1/newsletters"
    records_key = "newsletters"
    page_size = 100
    replication_key = "updated"
    schema = record(
        integer(id="Newsletter id."),
        text(
            name="Name in the app.",
            deduplicate_id="`<id>:<updated>`.",
            type="Channel: email, push, in_app …",
        ),
        array_of(integer(""), content_ids="Content variants (languages, A/B tests)."),
        timestamp(
            created="When it was created.",
            updated="When it last changed.",
            sent_at="When sending began; null until then.",
        ),
        array_of(text(""), tags="Labels given in the app."),
        array_of(integer(""), recipient_segment_ids="Segments whose members get it."),
        integer(
            subscription_topic_id="Topic whose subscribers get it, if any.",
            expires_after="How long an in-app message is shown, in an undocumented unit.",
        ),
        text(
            recipient_file_error="Why the file of recipients could not be read.",
            recipient_file_status="Progress of reading the file of recipients.",
        ),
    )


class Broadcasts(ListStream):
    """Broadcasts: campaigns that are triggered by an API call."""

    name = "broadcasts"
    path = "/v1/broadcasts"
    records_key = "broadcasts"
    replication_key = "updated"
    schema = record(
        integer(id="Broadcast id; campaigns seem to share its numbering (undocumented)."),
        text(
            name="Name in the app.",
            description="What it is for, as its creator wrote it.",
            deduplicate_id="`<id>:<updated>`.",
            type="triggered_broadcast; the API has returned no other value so far.",
            state="running, draft or stopped.",
            created_by="Who created it; may be personal data.",
        ),
        timestamp(
            created="When it was created.",
            updated="Last change of the broadcast itself; changes of its actions do not count.",
            first_started="When it was first started; null if never.",
        ),
        boolean(active="Whether API calls can trigger it."),
        array_of(_ACTION, actions="Every step of the workflow, in short form."),
        array_of(_ACTION, msg_template_ids="Message templates, in short form; deprecated."),
        array_of(text(""), tags="Labels given in the app."),
        *_SCHEDULE,
    )


class TransactionalMessages(ListStream):
    """Transactional messages: templates for receipts, password resets and the like."""

    name = "transactional_messages"
    path = "/v1/transactional"
    records_key = "messages"
    replication_key = "updated_at"
    schema = record(
        integer(id="Transactional message id."),
        text(
            name="Name in the app.",
            description="What it is for, as its creator wrote it.",
            trigger_name="Name that API calls may use in place of the id.",
        ),
        boolean(
            send_to_unsubscribed="Whether unsubscribed people get it too.",
            link_tracking="Whether clicks are tracked.",
            open_tracking="Whether opens are tracked.",
            hide_message_body="Whether bodies are not stored after sending.",
            queue_drafts="Whether messages are created as drafts instead of being sent.",
        ),
        timestamp(created_at="When it was created.", updated_at="When it last changed."),
    )


SENDER_STREAMS: dict[str, type[ListStream]] = {
    "campaign": Campaigns,
    "newsletter": Newsletters,
    "broadcast": Broadcasts,
    "transactional": TransactionalMessages,
}


def sender_names(client: Client, source_type: str) -> dict[int, str] | errors.TapError:
    """Names of all senders of a type by id, made once per run; the error if they cannot be read.

    Raises:
        FatalError: No other list can be read either.
    """
    return client.once(f"names of {source_type} senders", lambda: _names(client, source_type))


def _names(client: Client, source_type: str) -> dict[int, str] | errors.TapError:
    try:
        rows = SENDER_STREAMS[source_type].listing(client)
    except errors.FatalError:
        raise
    except errors.TapError as error:
        return error
    return {found: str(row.get("name") or "") for row in rows if (found := number(row.get("id")))}


MESSAGES = {
    *("email", "in_app", "inbox", "live_notification", "push", "slack", "sms", "twilio"),
    *("webhook", "whatsapp"),
}
"""Types of actions that send messages; only those have counts."""

_LONGEST_SEND = 30 * DAY


def last_send(sender: dict[str, Any]) -> int:
    """When its last delivery may have been created; later counts belong to earlier deliveries.

    A newsletter is sent once, but time zones, send limits and tests delay part of it.
    """
    if sender.get("state") == "draft" and not sender.get("first_started"):
        return BEGINNING
    if "sent_at" in sender:
        stamps = [seconds(sender, name, sys.maxsize) or 0 for name in ("sent_at", "updated")]
        return max(stamps) + _LONGEST_SEND
    return sys.maxsize


def sender_parts(sender: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Path segment and row of each part that the sender's own row lists."""
    for content in _listed(sender, "content_ids"):
        yield "contents", {"id": content}
    for action in _listed(sender, "actions"):
        if not isinstance(action, dict):
            yield "actions", {}
        elif str(action.get("type")) in MESSAGES:
            yield "actions", action


def _listed(sender: dict[str, Any], name: str) -> list[Any]:
    """A list inside a row; any other value means that parts cannot be requested."""
    value = sender.get(name)
    if isinstance(value, list):
        return value
    return [] if value in (None, "", "nil", {}) else [None]
