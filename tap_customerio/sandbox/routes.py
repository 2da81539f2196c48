"""What each address answers, given a workspace and a moment."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from tap_customerio.sandbox.buckets import (
    UNITS,
    month_start,
    recent_edges,
    window_edges,
    written,
)
from tap_customerio.sandbox.dice import DAY, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_customerio.sandbox.deliveries import Delivery
    from tap_customerio.sandbox.quirks import Quirks
    from tap_customerio.sandbox.workspace import Workspace

SIX_MONTHS = 183 * DAY
TEN_YEARS = 3660 * DAY
MAX_IDS = 100
CHANNELS = frozenset({
    "email", "in_app", "inbox", "live_notification", "push", "slack", "twilio", "webhook",
    "whatsapp",
})  # fmt: skip
METRICS = frozenset({
    "attempted", "bounced", "clicked", "converted", "delivered", "dropped", "failed", "opened",
    "sent", "spammed", "undeliverable", "unsubscribed",
})  # fmt: skip
ALWAYS_SENT = frozenset({
    "bounced", "clicked", "converted", "created", "delivered", "failed", "opened", "sent",
    "unsubscribed",
})  # fmt: skip


class RefusalError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int) -> None:
        """Refuse with this status."""
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class Ask:
    """A request, and the moment it is about."""

    workspace: Workspace
    quirks: Quirks
    now: float
    settled: float
    """The moment metrics are counted for: the present, or the last minute of a running clock."""
    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def number(self, name: str) -> int | None:
        """A whole number of the query, if it is there."""
        text = self.query.get(name, "")
        if text and not re.fullmatch(r"-?\d{1,15}", text):
            raise RefusalError(400)
        return int(text) if text else None

    def one_of(self, name: str, known: frozenset[str]) -> str | None:
        """A word of the query, if it is there."""
        text = self.query.get(name)
        if text and text not in known:
            raise RefusalError(400)
        return text or None

    def limit(self, highest: int) -> int:
        """The size of a page; too much is cut without a word."""
        limit = self.number("limit") or 0
        return min(limit, highest) if limit > 0 else 50

    def offset(self, prefix: str) -> int:
        """The position in a page token."""
        token = self.query.get("start")
        if not token:
            return 0
        try:
            text = b64decode(token, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise RefusalError(400) from None
        if not re.fullmatch(re.escape(prefix) + r"\d{1,15}", text):
            raise RefusalError(400)
        return int(text.removeprefix(prefix))

    def json(self) -> Row:
        """The body, which must be an object."""
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any])
        except msgspec.MsgspecError:
            raise RefusalError(400) from None


def messages(ask: Ask) -> Row:
    """Deliveries, newest first; positions start again at the first page beyond the last row."""
    start, end = _window(ask)
    limit, skip = ask.limit(1000), ask.offset("v20:")
    drafts = _is_true(ask, "drafts")
    keep = _delivery_filter(ask)
    tracked = _is_true(ask, "get_tracked_responses")

    def page(skip: int) -> list[Delivery]:
        if keep is None:
            found = ask.workspace.newest_first(start, end, now=ask.now, drafts=drafts, skip=skip)
            return list(islice(found, limit + 1))
        found = ask.workspace.newest_first(start, end, now=ask.now, drafts=drafts)
        return list(islice(filter(keep, found), skip, skip + limit + 1))

    rows = page(skip)
    if skip and not rows:
        rows, skip = page(0), 0
    return {
        "messages": [ask.workspace.show(r, ask.now, tracked=tracked) for r in rows[:limit]],
        "next": _token("v20:", skip + limit) if len(rows) > limit else "",
    }


def campaigns(ask: Ask) -> Row:
    """All campaigns; whatever is asked for is ignored."""
    return {"campaigns": ask.workspace.campaigns(ask.now)}


def broadcasts(ask: Ask) -> Row:
    """All API-triggered broadcasts."""
    return {"broadcasts": ask.workspace.broadcasts(ask.now)}


def transactional(ask: Ask) -> Row:
    """All transactional messages, under the key of deliveries."""
    return {"messages": ask.workspace.transactional(ask.now)}


def newsletters(ask: Ask) -> Row:
    """Newsletters by page; `next` is filled after the last row too."""
    limit, offset = ask.limit(100), ask.offset("")
    direction = ask.one_of("sort", frozenset({"asc", "desc"}))
    rows = ask.workspace.newsletters(ask.now)
    page = (rows[::-1] if direction == "desc" else rows)[offset : offset + limit]
    return {"newsletters": page, "next": _token("", offset + len(page)) if page else ""}


def workspaces(ask: Ask) -> Row:
    """The workspace, with counters that change all the time."""
    month = month_start(int(ask.now))
    sent = ask.workspace.count_deliveries(month, int(ask.now) + 1, now=ask.now)
    row = {
        "id": 1001,
        "name": "Sandbox",
        "messages_sent": sent,
        "billable_messages_sent": sent,
        "people": ask.workspace.count_people(ask.now),
        "object_types": 0,
        "objects": 0,
    }
    return {"workspaces": [row]}


def search_people(ask: Ask) -> Row:
    """Identifiers of the people who meet a filter; empty lists are null."""
    try:
        names, following = ask.workspace.search(
            ask.json().get("filter"), now=ask.now, start=ask.offset("0:"), limit=ask.limit(1000)
        )
    except ValueError:
        raise RefusalError(400) from None
    return {
        "identifiers": [name.row() for name in names] or None,
        "ids": [name.id or "" for name in names] or None,
        "next": "" if following is None else _token("0:", following),
    }


def people(ask: Ask) -> Row:
    """Profiles by identifier, in an order of the API's own; unknown people are left out."""
    ids = ask.json().get("ids")
    kind = ask.query.get("id_type", "id")
    if kind not in {"id", "email", "cio_id"} or not isinstance(ids, list):
        raise RefusalError(400)
    if not 1 <= len(ids) <= MAX_IDS or not all(isinstance(text, str) for text in ids):
        raise RefusalError(400)
    found = (ask.workspace.find(kind, text, ask.now) for text in dict.fromkeys(ids))
    return {"customers": sorted(filter(None, found), key=_shuffled)}


def campaign_metrics(ask: Ask) -> Row:
    """Version 2 counts between two moments in any time zone; version 1 counts back from now."""
    if ask.query.get("version") != "2":
        return _recent_metrics(ask, "campaign", "campaigns")
    sender = _sender(ask, "campaigns")
    unit, zone, start, end = _version_2(ask)
    edges = window_edges(start, end, unit, zone, ask.quirks)
    shown = (start, end) if ask.quirks.echoes_window else (edges[0], edges[-1])
    return {
        "metric": {"series": _series(ask, "campaign", sender, edges)},
        "res": unit,
        "start": written(shown[0], zone),
        "end": written(shown[1], zone),
    }


def broadcast_metrics(ask: Ask) -> Row:
    """Counts back from now."""
    return _recent_metrics(ask, "broadcast", "broadcasts")


def transactional_metrics(ask: Ask) -> Row:
    """Counts back from now; there is no filter by channel."""
    return _recent_metrics(ask, "transactional", "transactional")


def newsletter_metrics(ask: Ask) -> Row:
    """Counts back from now, and the channel."""
    answer = _recent_metrics(ask, "newsletter", "newsletters")
    rows = ask.workspace.newsletters(ask.now)
    (channel,) = (row["type"] for row in rows if row["id"] == ask.path["id"])
    return {"metric": {"type": channel, **answer["metric"]}}


ROUTES: dict[tuple[str, str], Callable[[Ask], Row]] = {
    ("GET", "/v1/messages"): messages,
    ("GET", "/v1/campaigns"): campaigns,
    ("GET", "/v1/campaigns/{id:int}/metrics"): campaign_metrics,
    ("GET", "/v1/newsletters"): newsletters,
    ("GET", "/v1/newsletters/{id:int}/metrics"): newsletter_metrics,
    ("GET", "/v1/broadcasts"): broadcasts,
    ("GET", "/v1/broadcasts/{id:int}/metrics"): broadcast_metrics,
    ("GET", "/v1/transactional"): transactional,
    ("GET", "/v1/transactional/{id:int}/metrics"): transactional_metrics,
    ("GET", "/v1/workspaces"): workspaces,
    ("POST", "/v1/customers"): search_people,
    ("POST", "/v1/customers/attributes"): people,
}


def _window(ask: Ask) -> tuple[int, int]:
    """The half-open window of a list of deliveries: both bounds count, six months at most."""
    present = int(ask.now)
    start, end = ask.number("start_ts"), ask.number("end_ts")
    end = present if end is None else min(end, present)
    earliest = (present if ask.quirks.forgets_old else end) - SIX_MONTHS
    return earliest if start is None else max(start, earliest), end + 1


def _delivery_filter(ask: Ask) -> Callable[[Delivery], bool] | None:
    """What a delivery must be like, or None if any will do."""
    channel, metric = ask.one_of("type", CHANNELS), ask.one_of("metric", METRICS)
    campaign, newsletter = ask.number("campaign_id"), ask.number("newsletter_id")
    action = ask.number("action_id")
    senders = [("campaign", campaign), ("newsletter", newsletter)]
    wanted = [(kind, sender) for kind, sender in senders if sender is not None]
    if not wanted and channel is None and metric is None and action is None:
        return None

    def keep(delivery: Delivery) -> bool:
        outlet = delivery.outlet
        return (
            all((outlet.kind, outlet.id) == sender for sender in wanted)
            and channel in {None, outlet.channel}
            and action in {None, outlet.action}
            and (metric is None or _reached(delivery, metric, ask.now))
        )

    return keep


def _reached(delivery: Delivery, metric: str, now: float) -> bool:
    return any(name == metric and at <= now for name, at in delivery.journey()[0])


def _recent_metrics(ask: Ask, kind: str, collection: str) -> Row:
    sender = _sender(ask, collection)
    unit = ask.one_of("period", frozenset(UNITS.values())) or "days"
    steps = ask.number("steps")
    if steps is not None and steps < 0:
        raise RefusalError(400)
    edges = recent_edges(ask.settled, unit, steps)
    return {"metric": {"series": _series(ask, kind, sender, edges)}}


def _version_2(ask: Ask) -> tuple[str, ZoneInfo, int, int]:
    """Width, zone and window, all checked."""
    unit = UNITS.get(ask.query.get("res", ""))
    start, end = ask.number("start"), ask.number("end")
    if unit is None or start is None or end is None or not 0 <= end - start <= TEN_YEARS:
        raise RefusalError(400)
    try:
        return unit, ZoneInfo(ask.query.get("tz") or "UTC"), start, end
    except (KeyError, ValueError, OSError):
        raise RefusalError(400) from None


def _sender(ask: Ask, collection: str) -> int:
    sender: int = ask.path["id"]
    if sender not in ask.workspace.ids(collection, ask.now):
        raise RefusalError(404)
    return sender


def _series(ask: Ask, kind: str, sender: int, edges: list[int]) -> dict[str, list[int]]:
    """Counts per bucket; of the metrics that are zero throughout, only some are sent."""
    channel = None if kind == "transactional" else ask.one_of("type", CHANNELS)
    series = ask.workspace.metric_series(kind, sender, edges, ask.settled, channel=channel)
    return {name: counts for name, counts in series.items() if name in ALWAYS_SENT or any(counts)}


def _is_true(ask: Ask, name: str) -> bool:
    return ask.query.get(name) in {"true", "1"}


def _token(prefix: str, offset: int) -> str:
    return b64encode(f"{prefix}{offset}".encode()).decode()


def _shuffled(profile: Row) -> bytes:
    cio_id: str = profile["identifiers"]["cio_id"]
    return blake2b(cio_id.encode(), digest_size=8).digest()
