"""Senders: campaigns, broadcasts, transactional messages and newsletters."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from tap_customerio.sandbox.world import payloads
from tap_customerio.sandbox.world.payloads import Send
from tap_customerio.sandbox.world.rng import DAY, Rng, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_customerio.sandbox.world.change_log import ChangeLog

WEEK = 7 * DAY
CHANNELS = ("email", "push", "in_app", "email", "twilio", "webhook", "slack", "whatsapp")
NEWSLETTER_CHANNELS = ("email", "email", "email", "push", "email", "in_app", "email", "webhook")
STEPS_IN_TABLE = 8192
TRANSACTIONAL_CHANNELS = ("email", "email", "email", "email", "twilio")
BRANCHING_STEP = 3


class Outlet(NamedTuple):
    """One message of one sender, with the common facts of its deliveries."""

    kind: str
    id: int
    channel: str
    template: int
    subject: str | None
    action: int | None = None
    parent_action: int | None = None
    content: int | None = None
    by_event: bool = False


class Senders:
    """All senders, and the API's lists of them."""

    def __init__(  # noqa: PLR0913, PLR0917 - one argument per kind of sender
        self,
        rng: Rng,
        change_log: ChangeLog,
        since: int,
        per_day: int,
        campaigns: int,
        newsletters: int,
        broadcasts: int,
        transactional: int,
    ) -> None:
        self._rng = rng
        self._since = since
        self._per_day = per_day
        self.campaigns = range(1, campaigns + 1)
        # Campaigns and broadcasts share one sequence of ids.
        self.broadcasts = range(campaigns + 1, campaigns + broadcasts + 1)
        self.transactional = range(1, transactional + 1)
        self._first_send = self._latest_send(since) - newsletters + 1
        self.sends_newsletters = newsletters > 0
        self._change_log = change_log
        self.outlets = self._table()
        self.drafting = [o for o in self.outlets if o.kind == "campaign"] or self.outlets
        self.send = lru_cache(maxsize=4096)(self._send)
        self.send_outlets = lru_cache(maxsize=256)(self._send_outlets)

    def ids(self, collection: str, now: float) -> Sequence[int]:
        """The ids of a collection at `now`."""
        if collection != "newsletters":
            ids: range = getattr(self, collection)
            return ids
        latest = self._latest_send(int(now)) if self.sends_newsletters else self._first_send - 1
        return range(self._first_send, latest + 1)

    def rows(self, collection: str, now: float) -> list[Row]:
        """A collection as the API lists it."""
        make = getattr(self, f"_{collection}_row")
        return [make(sender, now) for sender in self.ids(collection, now)]

    def send_on(self, day: int) -> Send | None:
        """The newsletter that is sent on this day, if any."""
        send = self.send(day // 7)
        goes_out = send.sent_at is not None and send.sent_at // DAY == day
        return send if goes_out and self.sends_newsletters else None

    def steps(self, kind: str, sender: int) -> list[tuple[int, str]]:
        """Ids and types of the steps of a campaign or broadcast; drafts have none."""
        if kind == "campaign" and payloads.state(sender) == "draft":
            return []
        count = 1 + self._rng.draw(kind, sender)[0] % 5
        channels = ["email", *(CHANNELS[(sender + step) % 8] for step in range(1, count))]
        if payloads.trigger(sender) == "webhook" and kind == "campaign":
            channels += ["webhook", "attribute_update"]
        return [(sender * 10 + step, channel) for step, channel in enumerate(channels)]

    def born(self, kind: str, sender: int) -> int:
        """Creation time of a sender, always before the workspace began."""
        words = self._rng.draw("born", kind, sender)
        return min(1_672_531_200 + words[0] * 900, self._since - words[1])

    def _table(self) -> list[Outlet]:
        """Outlets, repeated in proportion to their share of the deliveries."""
        weighed = list(self._weighed())
        total = sum(weight for weight, _ in weighed)
        return [
            outlet
            for weight, outlet in weighed
            for _ in range(max(1, round(STEPS_IN_TABLE * weight / total)))
        ]

    def _weighed(self) -> Iterator[tuple[float, Outlet]]:
        for place, campaign in enumerate(self.campaigns):
            actions = [o for o in self._action_outlets("campaign", campaign) if o.channel]
            for step, outlet in enumerate(actions):
                yield (70 / (place + 3)) / (1 + 2 * step), outlet
        for broadcast in self.broadcasts:
            for outlet in self._action_outlets("broadcast", broadcast):
                yield 3, outlet
        for place, message in enumerate(self.transactional):
            channel = TRANSACTIONAL_CHANNELS[place % 5]
            content = 500 + message
            subject = payloads.subject(channel, payloads.transactional_name(place))
            yield (
                20 / (place + 2),
                Outlet("transactional", message, channel, content, subject, content=content),
            )

    def _action_outlets(self, kind: str, sender: int) -> Iterator[Outlet]:
        by_event = kind == "campaign" and payloads.trigger(sender) == "event"
        for step, (action, channel) in enumerate(self.steps(kind, sender)):
            if channel == "attribute_update":
                continue
            subject = payloads.subject(channel, f"{payloads.name_of(kind, sender)} {step + 1}")
            parent = sender * 10 + 9 if step == BRANCHING_STEP else None
            template = 1000 + action
            yield Outlet(
                kind, sender, channel, template, subject, action, parent, by_event=by_event
            )

    def _latest_send(self, now: int) -> int:
        week = now // WEEK
        return week if self._send(week).created <= now else week - 1

    def _send(self, week: int) -> Send:
        """The newsletter of a week: created early in it, sent later in it, or never."""
        words = self._rng.draw("newsletter", week)
        created = week * WEEK + words[0] * 2
        day = week * 7 + 3 + words[1] % 4
        hour = 8 + words[2] % 9
        sent_at = day * DAY + hour * 3600 + words[3] % 3600
        size = self._per_day * (65_536 + 2 * words[4]) // 65_536
        contents = tuple(week * 10 + place for place in range(1 + words[5] % 3))
        channel = NEWSLETTER_CHANNELS[words[6] % 8]
        return Send(week, channel, created, sent_at if words[7] % 8 else None, size, contents)

    def _send_outlets(self, week: int) -> list[Outlet]:
        send = self.send(week)
        subject = payloads.subject(send.channel, payloads.name_of("newsletter", week))
        return [
            Outlet("newsletter", week, send.channel, content, subject, content=content)
            for content in send.contents
        ]

    def _life(self, collection: str, sender: int, now: float) -> tuple[int, int]:
        """Creation and last change of a sender; few change often."""
        born = self.born(collection, sender)
        days = (400, 5, 900, 150, 1200, 700)[(sender + len(collection)) % 6]
        changes = (int(now) - born) // (days * DAY)
        natural = born + changes * days * DAY
        return born, self._change_log.latest(collection, sender, now, natural)

    def _campaigns_row(self, sender: int, now: float) -> Row:
        created, updated = self._life("campaigns", sender, now)
        actions = self.steps("campaign", sender)
        return payloads.campaign(sender, created, updated, actions)

    def _broadcasts_row(self, sender: int, now: float) -> Row:
        created, updated = self._life("broadcasts", sender, now)
        actions = self.steps("broadcast", sender)
        return payloads.broadcast(sender, created, updated, actions)

    def _transactional_row(self, sender: int, now: float) -> Row:
        created, updated = self._life("transactional", sender, now)
        return payloads.transactional(sender, created, updated)

    def _newsletters_row(self, sender: int, now: float) -> Row:
        send = self.send(sender)
        finished = send.created + 1800
        natural = finished if finished <= now else send.created
        updated = self._change_log.latest("newsletters", sender, now, natural)
        sent = send.sent_at if send.sent_at is not None and send.sent_at <= now else None
        return payloads.newsletter(send, updated, sent)
