"""The states of deliveries: descriptions of their times and of their counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.streams.schema import integer, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_customerio.streams.schema import Schema

STATES = {
    "attempted": "met a temporary failure and waited for another try",
    "bounced": "came back undelivered: a bounce",
    "clicked": "first had a link clicked, by a person or a machine",
    "converted": "led to a conversion: the person reached the goal of the sender",
    "created": "came into being, whether or not anything went out",
    "deferred": "met a delay at the recipient's server, which was to take it later",
    "delivered": "reached the recipient's server or device",
    "drafted": "became a draft that waits to be sent by hand",
    "dropped": "got dropped by the provider, for example because the address is suppressed",
    "failed": "failed before leaving, for example because of an error in the template",
    "human_clicked": "first had a link clicked by a person, machines left out",
    "human_opened": "first had an open by a person, machines left out",
    "link_untracked": "went out with link tracking off, so that clicks are unknown",
    "machine_clicked": "had a link clicked by a machine, such as a security scanner",
    "open_untracked": "went out with open tracking off, so that opens are unknown",
    "opened": "first had an open, by a person or a machine",
    "prefetch_clicked": "first had a link followed by a machine, such as a security scanner",
    "prefetch_opened": "first had an open by a machine, such as Apple's mail privacy",
    "replied": "got a reply",
    "sent": "left for the provider",
    "spammed": "got marked as spam: a complaint",
    "suppressed": "stayed unsent because the address is suppressed",
    "topic_unsubscribed": "led the person to unsubscribe from the topic",
    "tracking_consent_denied": "went to a person who has denied consent to tracking",
    "tracking_consent_granted": "went to a person who has given consent to tracking",
    "undeliverable": "could not go out: no address, unsubscribed, or over a message limit",
    "unsubscribed": "led the person to unsubscribe: an opt-out",
    "untracked": "went out without tracking",
}
"""Texts that complete "it" and "deliveries that"."""


def times_of(states: Iterable[str]) -> Schema:
    """Schema of the times at which a delivery reached each state."""
    return timestamp(**{state: f"When it {STATES[state]}." for state in states})


def counts_of(states: Iterable[str]) -> Schema:
    """Schema of the number of deliveries that reached each state."""
    return integer(**{state: f"Deliveries that {STATES[state]}." for state in states})
