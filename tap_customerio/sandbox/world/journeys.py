"""The states of a delivery after its creation, by channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.sandbox.world.rng import DAY, Words

if TYPE_CHECKING:
    from collections.abc import Callable

Events = list[tuple[str, int]]
"""The states of a delivery, with their unix seconds."""

Journey = tuple[Events, str | None]
"""The states, and the reason of a failure, if any."""

LATEST_OPEN = 182 * DAY
LATEST_CONVERSION = 90 * DAY
FAILURES = frozenset({"bounced", "dropped", "failed", "undeliverable"})


def happens(word: int, percent: float) -> bool:
    """Whether an event with this probability happens."""
    return word < percent * 655.36


def late(word: int) -> int:
    """A random delay: mostly minutes, often days, and sometimes almost six months."""
    return int(60 * 2.0 ** (18 * (word / 65_536) ** 4))


def email(created: int, words: Words) -> Journey:
    """An e-mail: sent, delivered, opened by machines and people, clicked, converted."""
    sent = created + 1 + words[5] % 8
    if happens(words[4], 3):
        return _lost_email(sent, words)
    held_up = words[7] if happens(words[6], 2) else 0
    arrived = sent + 1 + words[6] % 40 + held_up
    events = [("sent", sent), ("delivered", arrived)]
    if happens(words[8], 47):
        _open(events, created, arrived, words)
    return events, None


def push(created: int, words: Words) -> Journey:
    """A push notification, which devices may reject."""
    sent = created + 1 + words[5] % 3
    if happens(words[4], 6):
        return [("sent", sent), ("bounced", sent + 2)], "the device token is not registered"
    events = [("sent", sent)]
    if happens(words[6], 70):
        events.append(("delivered", sent + words[6] % 300))
    if happens(words[8], 14):
        _engage(events, created, sent, words)
    return events, None


def in_app(created: int, words: Words) -> Journey:
    """An in-app message, seen when the person opens the app again."""
    events = [("sent", created + 1)]
    if happens(words[8], 40):
        _engage(events, created, created + 1, words)
    return events, None


def text(created: int, words: Words) -> Journey:
    """A text message: no opens, few clicks."""
    sent = created + 1 + words[5] % 5
    if happens(words[4], 4):
        return [("attempted", created + 1), ("failed", sent)], "the number is not in service"
    if happens(words[4], 6):
        return [("sent", sent), ("undeliverable", sent + words[6] % 900)], "handset unreachable"
    events = [("sent", sent), ("delivered", sent + words[6] % 120)]
    if happens(words[8], 5):
        _click(events, sent + late(words[9]), created, words)
    return events, None


def whatsapp(created: int, words: Words) -> Journey:
    """A WhatsApp message, with read receipts."""
    events, failure = text(created, words)
    if failure is None and happens(words[10], 60):
        seen = min(created + 10 + late(words[11]), created + LATEST_OPEN)
        events.append(("opened", seen))
    return events, failure


def webhook(created: int, words: Words) -> Journey:
    """A request to a server, retried before it fails."""
    attempted = created + words[5] % 4
    if not happens(words[4], 7):
        return [("attempted", attempted), ("sent", attempted + words[6] % 3)], None
    status = 503 if words[4] % 3 else 404
    failed = attempted + words[6] % 7200
    return [("attempted", attempted), ("failed", failed)], f"{status} from the endpoint"


def slack(created: int, words: Words) -> Journey:
    """A post to a Slack channel."""
    attempted = created + words[5] % 2
    if happens(words[4], 1):
        return [("attempted", attempted), ("failed", attempted + 1)], "channel_not_found"
    return [("attempted", attempted), ("sent", attempted + 1)], None


JOURNEYS: dict[str, Callable[[int, Words], Journey]] = {
    "email": email,
    "push": push,
    "in_app": in_app,
    "twilio": text,
    "whatsapp": whatsapp,
    "webhook": webhook,
    "slack": slack,
}


def _lost_email(sent: int, words: Words) -> Journey:
    """Most undelivered e-mails bounce; the others fail in other ways."""
    lost: dict[int, Journey] = {
        0: ([("dropped", sent)], "the address is suppressed"),
        1: ([("attempted", sent), ("failed", sent + 60)], "the template could not be rendered"),
        2: ([("undeliverable", sent)], "the mailbox is full"),
    }
    bounced = [("sent", sent), ("bounced", sent + words[6] % 600)]
    return lost.get(words[7] % 8, (bounced, "550 5.1.1 no such mailbox"))


def _open(events: Events, created: int, arrived: int, words: Words) -> None:
    """Mail programs load images first: a machine's open, perhaps followed by a human's."""
    if not happens(words[9], 35):
        _engage(events, created, arrived, words)
        return
    prefetched = arrived + words[10] % 256
    events.append(("prefetch_opened", prefetched))
    if happens(words[11], 30):
        _engage(events, created, prefetched, words, opened=prefetched)
        return
    events.append(("opened", prefetched))
    if happens(words[12], 3):
        names = ("clicked", "prefetch_clicked", f"link:{1 + words[12] % 5}")
        events += [(name, prefetched + 1) for name in names]


def _engage(
    events: Events, created: int, arrived: int, words: Words, *, opened: int | None = None
) -> None:
    """A person opens, perhaps clicks, and perhaps converts."""
    seen = min(arrived + 5 + late(words[10]), created + LATEST_OPEN)
    events += [("opened", opened or seen), ("human_opened", seen)]
    if happens(words[13], 30):
        _click(events, seen + late(words[12]) // 4, created, words)
    if happens(words[14], 6):
        converted = seen + late(words[15])
        if converted <= created + LATEST_CONVERSION:
            events.append(("converted", converted))
    elif happens(words[14], 7):
        events.append(("unsubscribed", seen + words[15] % 600))
    elif happens(words[14], 7.2):
        events.append(("spammed", seen + words[15] % 600))


def _click(events: Events, at: int, created: int, words: Words) -> None:
    link = 1 + words[13] % 5
    clicked = min(at, created + LATEST_OPEN)
    names = ("clicked", "human_clicked", f"link:{link}", f"human_link:{link}")
    events += [(name, clicked) for name in names]
