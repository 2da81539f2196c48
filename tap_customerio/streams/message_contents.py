"""What campaigns, broadcasts, newsletters and transactional messages are made of.

Bodies are large: most of these streams are deselected by default.
"""

from __future__ import annotations

from typing import Any

from tap_customerio.streams.lists import ChildStream, Paged
from tap_customerio.streams.recent import recent_senders
from tap_customerio.streams.schema import (
    Schema,
    array_of,
    boolean,
    integer,
    record,
    text,
    timestamp,
)
from tap_customerio.streams.senders import (
    Broadcasts,
    Campaigns,
    Newsletters,
    TransactionalMessages,
)

_MESSAGE: tuple[Schema, ...] = (
    text(
        *("name", "body_amp", "body_plain", "from", "reply_to", "subject", "bcc", "cc"),
        "preheader_text",
        body="Source of the message; can be long HTML.",
        language="Language tag; empty for the default.",
        type="Channel, or kind of step.",
        preprocessor="premailer, none or empty.",
        recipient="Template of the recipient.",
        headers="JSON array as text.",
    ),
    integer(from_id="Sender identity.", reply_to_id="Sender identity of replies."),
    boolean(fake_bcc="Whether BCC is sent as a copy of its own."),
    timestamp("created", "updated"),
)
_LAID_OUT: tuple[Schema, ...] = (*_MESSAGE, text("layout", "deduplicate_id"))
_ACTION: tuple[Schema, ...] = (
    *_LAID_OUT,
    integer(
        parent_action_id="Branching step above.",
        multi_language_branch_action_id="Shared by all language variants of a message.",
        sender_identity_id="Sender of SMS and WhatsApp.",
        recipient_environment_id="As the API sends it.",
    ),
    text(
        *("body_json", "image_url", "editor"),
        sending_state="automatic, draft or off.",
        url="Webhook's target.",
        method="Webhook's HTTP method.",
        request_method="Second spelling of method.",
    ),
    boolean("send_to_unsubscribed", tracked="Link tracking of SMS and WhatsApp."),
)


class CampaignActions(ChildStream):
    """Campaign actions: the steps of each campaign, with the content of those that send."""

    name = "campaign_actions"
    selected_by_default = False
    parent = Campaigns
    path = "actions"
    shape = Paged("actions")
    parent_key = "campaign_id"
    primary_keys = ("campaign_id", "id")
    replication_key = "updated"
    schema = record(integer("id", "campaign_id", "broadcast_id"), *_ACTION, key=primary_keys)


class BroadcastActions(ChildStream):
    """Broadcast actions: the steps of each broadcast, with the content of those that send."""

    name = "broadcast_actions"
    selected_by_default = False
    parent = Broadcasts
    path = "actions"
    shape = Paged("actions")
    parent_key = "broadcast_id"
    primary_keys = ("broadcast_id", "id")
    replication_key = "updated"
    schema = record(integer("id", "broadcast_id", "campaign_id"), *_ACTION, key=primary_keys)


class BroadcastTriggers(ChildStream):
    """Broadcast triggers: each time a broadcast was fired."""

    name = "broadcast_triggers"
    parent = Broadcasts
    path = "triggers"
    shape = Paged("triggers")
    parent_key = "broadcast_id"
    primary_keys = ("broadcast_id", "id")
    schema = record(
        integer("broadcast_id", "id"),
        timestamp("created_at", processed_at="When all recipients were handled."),
        key=primary_keys,
    )

    def changed(self, since: int) -> dict[Any, None] | None:
        """Also those that sent something: a trigger moves no stamp."""
        senders, changed = recent_senders(self.client, since), super().changed(since)
        if senders is None or changed is None:
            return None
        return changed | {
            number: None for number in self.slices() if senders.include("broadcast", number)
        }


class NewsletterVariants(ChildStream):
    """Newsletter variants: the contents of each newsletter, by language and test group."""

    name = "newsletter_variants"
    selected_by_default = False
    parent = Newsletters
    path = "contents"
    shape = Paged("contents")
    parent_key = "newsletter_id"
    primary_keys = ("newsletter_id", "id")
    schema = record(
        integer("newsletter_id", "id", test_group_id="0 outside of a test."),
        *_LAID_OUT,
        key=primary_keys,
    )


class NewsletterTestGroups(ChildStream):
    """Newsletter test groups: the groups of each A/B test, and which of them won."""

    name = "newsletter_test_groups"
    parent = Newsletters
    path = "test_groups"
    shape = Paged("test_groups")
    parent_key = "newsletter_id"
    primary_keys = ("newsletter_id", "id")
    schema = record(
        integer("newsletter_id", "id"),
        text("name", "label"),
        boolean("winner"),
        array_of(integer(""), content_ids="Variants that the group got."),
        key=primary_keys,
    )


class TransactionalVariants(ChildStream):
    """Transactional variants: the contents of each transactional message, by language."""

    name = "transactional_variants"
    selected_by_default = False
    parent = TransactionalMessages
    path = "contents"
    shape = Paged("contents")
    parent_key = "transactional_id"
    primary_keys = ("transactional_id", "id")
    schema = record(integer("transactional_id", "id"), *_MESSAGE, key=primary_keys)
