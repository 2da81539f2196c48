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
        **{"from": "Sender's name and address; template."},
        reply_to="Address that replies go to; template.",
        subject="Template of the subject.",
        bcc="Addresses that get a hidden copy; template.",
        cc="Addresses that get a copy; template.",
        preheader_text="Text that inboxes show after the subject.",
        body="Source of the message; can be long HTML.",
        language="Language tag; empty for the default.",
        type="Channel, or kind of step.",
        preprocessor="premailer, none or empty.",
        recipient="Template of the recipient.",
        headers="JSON array as text.",
    ),
    integer(from_id="Sender identity.", reply_to_id="Sender identity of replies."),
    boolean(fake_bcc="Whether BCC is sent as a copy of its own."),
    timestamp(created="When it was created.", updated="When it last changed."),
)
_LAID_OUT: tuple[Schema, ...] = (
    *_MESSAGE,
    text(layout="Layout around the body.", deduplicate_id="`<template>:<updated>`."),
)
_ACTION: tuple[Schema, ...] = (
    *_LAID_OUT,
    integer(
        parent_action_id="Branching step above.",
        multi_language_branch_action_id="Shared by all language variants of a message.",
        sender_identity_id="Sender of SMS and WhatsApp.",
        recipient_environment_id="As the API sends it.",
    ),
    text(
        body_json="Source of the body in the visual editor, as JSON text.",
        image_url="Picture of a push notification.",
        editor="Editor it was made with.",
        sending_state="automatic, draft or off.",
        url="Webhook's target.",
        method="Webhook's HTTP method.",
        request_method="Second spelling of method.",
    ),
    boolean(
        send_to_unsubscribed="Whether it goes to unsubscribed people too.",
        tracked="Link tracking of SMS and WhatsApp.",
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
            broadcast_id="Null: the API sends it for broadcasts only.",
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
            campaign_id="The broadcast again, where the API names it so.",
        ),
        *_ACTION,
        key=primary_keys,
    )


class BroadcastTriggers(ChildStream):
    """Broadcast triggers: each time a broadcast was fired."""

    name = "broadcast_triggers"
    parent = Broadcasts
    path = "triggers"
    shape = Paged("triggers")
    parent_key = "broadcast_id"
    primary_keys = ("broadcast_id", "id")
    schema = record(
        integer(broadcast_id="Broadcast that was fired.", id="Number of the firing."),
        timestamp(
            created_at="When it was fired.", processed_at="When all recipients were handled."
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
            test_group_id="Group of the A/B test that got it; 0 outside of a test.",
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
    schema = record(
        integer(
            transactional_id="Transactional message that the content belongs to.",
            id="Content id, as content_id of messages.",
        ),
        *_MESSAGE,
        key=primary_keys,
    )
