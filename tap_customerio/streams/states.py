"""The states of deliveries: descriptions of their times and of their counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tap_customerio.streams.schema import integer, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_customerio.streams.schema import Schema

STATES = {
    "attempted": "failed temporarily; Customer.io tries again",
    "bounced": "bounced: came back undelivered",
    "clicked": "was first clicked, by a person or a machine",
    "converted": "led to a conversion: the person reached the goal of the sender",
    "created": "was created, even if never sent",
    "deferred": "was deferred: the recipient's server asked for another try later",
    "delivered": "reached the recipient's server or device",
    "drafted": "was saved as a draft, to be sent by hand",
    "dropped": "was dropped by the provider, for example because the address is suppressed",
    "failed": "failed before sending, for example because of an error in the template",
    "human_clicked": "was first clicked by a person (clicks by machines excluded)",
    "human_opened": "was first opened by a person (opens by machines excluded)",
    "link_untracked": "was sent without link tracking, so that clicks are unknown",
    "machine_clicked": "was clicked by a machine, such as a security scanner",
    "open_untracked": "was sent without open tracking, so that opens are unknown",
    "opened": "was first opened, by a person or a machine",
    "prefetch_clicked": "was first clicked by a machine, such as a security scanner",
    "prefetch_opened": "was first opened by a machine, such as Apple Mail Privacy Protection",
    "replied": "got a reply",
    "sent": "was handed over to the delivery provider",
    "spammed": "was marked as spam: a complaint",
    "suppressed": "was not sent because the address is suppressed",
    "topic_unsubscribed": "led the person to unsubscribe from the topic",
    "tracking_consent_denied": "was sent to a person who has denied consent to tracking",
    "tracking_consent_granted": "was sent to a person who has given consent to tracking",
    "undeliverable": "was not sent: no address, unsubscribed, or over a message limit",
    "unsubscribed": "led the person to unsubscribe: an opt-out",
    "untracked": "was sent without tracking",
}
"""What happened to the delivery: completes "When it …"; plural and without "first" for counts."""


def times_of(states: Iterable[str]) -> Schema:
    """Schema of the times at which a delivery reached each state."""
    return timestamp(**{state: f"When it {STATES[state]}." for state in states})


def counts_of(states: Iterable[str]) -> Schema:
    """Schema of the number of deliveries that reached each state."""
    plural = {state: re.sub("^was (first )?", "were ", STATES[state]) for state in states}
    return integer(**{state: f"Deliveries that {text}." for state, text in plural.items()})
