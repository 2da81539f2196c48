"""The contents of campaigns, broadcasts, newsletters and transactional messages.

Bodies are large, so most of these streams are deselected by default.
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
        name="Name in the app.",
        body_amp="AMP version of an e-mail's body.",
        body_plain="Plain-text version of an e-mail's body.",
        **{"from": "Name and address of the sender; may contain template code."},
        reply_to="Address for replies; may contain template code.",
        subject="Subject; may contain template code.",
        bcc="Addresses that get a hidden copy; may contain template code.",
        cc="Addresses that get a copy; may contain template code.",
        preheader_text="Text that inboxes show after the subject.",
        body="Source of the message; can be long HTML.",
        language="Language tag; empty for the default.",
        type="Channel of a message; otherwise the kind of step.",
        preprocessor="Tool that prepares the HTML: premailer, none or empty.",
        recipient="Recipient, usually as template code.",
        headers="Extra headers: a JSON array as text.",
    ),
    integer(
        from_id="Sender identity that sends it.",
        reply_to_id="Sender identity that gets the replies.",
    ),
    boolean(fake_bcc="Whether the BCC copy is sent as a separate message."),
    timestamp(created="When it was created.", updated="When it last changed."),
)
_LAID_OUT: tuple[Schema, ...] = (
    *_MESSAGE,
    text(layout="Name of the layout around the body.", deduplicate_id="`<template>:<updated>`."),
)
_ACTION: tuple[Schema, ...] = (
    *_LAID_OUT,
    integer(
        parent_action_id="Branching step that this step belongs to, if any.",
        multi_language_branch_action_id="Branching step above all language variants of a message.",
        sender_identity_id="Sender of SMS and WhatsApp.",
        recipient_environment_id="Undocumented by Customer.io; unchanged from the API.",
    ),
    text(
        body_json="Source of the body in the visual editor, as JSON text.",
        image_url="Picture of a push notification.",
        editor="Editor it was made with.",
        sending_state="automatic, draft or off.",
        url="URL that the webhook calls.",
        method="HTTP method of the webhook.",
        request_method="Same as method; the API uses both names.",
    ),
    boolean(
        send_to_unsubscribed="Whether unsubscribed people get it too.",
        tracked="Whether links in SMS and WhatsApp messages are tracked.",
    ),
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
    schema = record(
        integer(
            id="Action id, as action_id of messages.",
            campaign_id="Campaign that the step belongs to.",
            broadcast_id="Always null: the API sends it only for broadcasts.",
        ),
        *_ACTION,
        key=primary_keys,
    )


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
    schema = record(
        integer(
            id="Action id, as action_id of messages.",
            broadcast_id="Broadcast that the step belongs to.",
            campaign_id="Same as broadcast_id, if the API uses this name.",
        ),
        *_ACTION,
        key=primary_keys,
    )


class BroadcastTriggers(ChildStream):
    """Broadcast triggers: each time a broadcast was triggered."""

    name = "broadcast_triggers"
    parent = Broadcasts
    path = "triggers"
    shape = Paged("triggers")
    parent_key = "broadcast_id"
    primary_keys = ("broadcast_id", "id")
    schema = record(
        integer(broadcast_id="Broadcast that was triggered.", id="Number of this trigger."),
        timestamp(
            created_at="When it was triggered.",
            processed_at="When all recipients had been processed.",
        ),
        key=primary_keys,
    )

    def changed(self, since: int) -> dict[Any, None] | None:
        """Also parents that sent something: a trigger does not change the parent's timestamp."""
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
        integer(
            newsletter_id="Newsletter that the content belongs to.",
            id="Content id, as content_id of messages.",
            test_group_id="A/B test group that gets it; 0 if there is no test.",
        ),
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
        integer(newsletter_id="Newsletter that the test belongs to.", id="Group id."),
        text(name="Name of the group.", label="Letter of the group, such as A."),
        boolean(winner="Whether the group won the A/B test."),
        array_of(integer(""), content_ids="Content variants sent to the group."),
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
    schema = record(
        integer(
            transactional_id="Transactional message that the content belongs to.",
            id="Content id, as content_id of messages.",
        ),
        *_MESSAGE,
        key=primary_keys,
    )
