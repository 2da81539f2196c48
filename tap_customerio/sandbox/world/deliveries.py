"""Deliveries, generated on request from their day and code."""

from __future__ import annotations

from binascii import b2a_base64
from typing import TYPE_CHECKING, NamedTuple

from tap_customerio.sandbox.world.journeys import FAILURES, JOURNEYS, Journey
from tap_customerio.sandbox.world.payloads import workflow_key
from tap_customerio.sandbox.world.people import People, has_email, phone
from tap_customerio.sandbox.world.rng import DAY, Rng, Row, Words
from tap_customerio.sandbox.world.schedule import (
    DRAFT,
    NEWSLETTERS,
    SECOND_BITS,
    SOURCE_BITS,
    SOURCES,
)

if TYPE_CHECKING:
    from tap_customerio.sandbox.world.senders import Outlet, Senders

_url_safe = bytes.maketrans(b"+/", b"-_")
NO_PERSON = (None, None, None)
_ID_BEGINS = b"v\x04\x8a"


class Delivery(NamedTuple):
    """The fixed facts of a delivery, from its creation on."""

    id: str
    words: Words
    created: int
    outlet: Outlet
    person: int | None
    is_draft: bool

    def journey(self) -> Journey:
        """All its future states."""
        if self.is_draft:
            return [("drafted", self.created + self.words[5] % 8)], None
        channel = self.outlet.channel
        if self.person is None or (channel == "email" and not has_email(self.person)):
            return [("undeliverable", self.created + 1)], "the message has no recipient"
        return JOURNEYS[channel](self.created, self.words)


class Deliveries:
    """Generates deliveries, and their rows at any time."""

    def __init__(self, rng: Rng, senders: Senders, people: People) -> None:
        self._rng = rng
        self._senders = senders
        self._people = people

    def make(self, day: int, code: int) -> Delivery:
        """The delivery with this code."""
        words, raw = self._rng.delivery(day, code)
        source = code >> SOURCE_BITS & SOURCES - 1
        if source in NEWSLETTERS:
            outlets = self._senders.send_outlets(source)
        else:
            outlets = self._senders.drafting if source == DRAFT else self._senders.outlets
        outlet = outlets[words[3] * len(outlets) >> 16]
        # Lengths differ, so that ids end in "", "=" or "==", like base64.
        encoded = b2a_base64(_ID_BEGINS + raw[: 22 + words[0] % 3], newline=False)
        delivery_id = encoded.translate(_url_safe).decode()
        created = day * DAY + (code >> SECOND_BITS)
        person = self._people.someone(words[0] << 16 | words[1], words[2], created)
        return Delivery(delivery_id, words, created, outlet, person, source == DRAFT)

    def row(self, delivery: Delivery, now: float, *, tracked: bool = False) -> Row:
        """The delivery as the API shows it at `now`."""
        events, failure = delivery.journey()
        metrics = {name: at for name, at in events if at <= now}
        newest = max(metrics.values()) if metrics else delivery.created
        outlet, words = delivery.outlet, delivery.words
        sends_actions = outlet.kind in {"campaign", "broadcast"}
        named_by = workflow_key(outlet.kind, outlet.id) if sends_actions else ""
        person = delivery.person
        person = None if person is None else self._people.delivery_owner(person, now)
        is_erased = person is not None and self._people.history.is_forgotten(person, now)
        is_forgotten = is_erased or words[1] % 512 == 0
        customer_id, identifiers, recipient = (
            NO_PERSON if is_erased else self._whom(delivery, person)
        )
        row = {
            "id": delivery.id,
            "deduplicate_id": f"{delivery.id}:{newest}",
            "msg_template_id": outlet.template,
            "action_id": outlet.action,
            "parent_action_id": outlet.parent_action,
            "transactional_message_id": outlet.id if outlet.kind == "transactional" else None,
            "campaign_id": outlet.id if named_by == "campaign_id" else None,
            "broadcast_id": outlet.id if named_by == "broadcast_id" else None,
            "newsletter_id": outlet.id if outlet.kind == "newsletter" else None,
            "content_id": outlet.content,
            "trigger_event_id": f"01{delivery.id[8:32].upper()}" if outlet.by_event else None,
            "customer_id": customer_id,
            "customer_identifiers": identifiers,
            "recipient": None if is_forgotten else recipient,
            "subject": None if is_forgotten else outlet.subject,
            "type": outlet.channel,
            "created": delivery.created,
            "metrics": metrics,
            "failure_message": failure if failure and not FAILURES.isdisjoint(metrics) else None,
            "forgotten": is_forgotten,
        }
        if tracked and outlet.channel == "in_app" and "clicked" in metrics and words[13] % 2:
            row["tracked_responses"] = {"nps_9": {"id": 9, "ts": metrics["clicked"]}}
        return row

    def _whom(
        self, delivery: Delivery, person: int | None
    ) -> tuple[str | None, Row | None, str | None]:
        """Custom id and identifiers of the person, and the recipient's address."""
        if delivery.person is None or person is None:
            return NO_PERSON
        sent_to = self._people.name(delivery.person, delivery.created)
        recipient = _recipient(delivery.outlet.channel, delivery.person, sent_to.email)
        name = self._people.name(person, delivery.created)
        return name.id, name.row(), recipient


def _recipient(channel: str, person: int, email: str | None) -> str | None:
    if channel == "email":
        return email
    if channel == "webhook":
        return "https://hooks.example.org/cio"
    if channel == "slack":
        return "#customers"
    if channel in {"twilio", "whatsapp"}:
        return phone(person)
    return f"tok-{person}" if channel == "push" else None
