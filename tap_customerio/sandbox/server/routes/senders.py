"""Deliveries, the lists of what sends them, and the messages inside."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from tap_customerio.sandbox.server.routes.people import person
from tap_customerio.sandbox.server.routes.request import Answer, Ask, sealed, token, unsealed
from tap_customerio.sandbox.world.rng import DAY, Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_customerio.sandbox.world.deliveries import Delivery

SIX_MONTHS = 183 * DAY
CHANNELS = frozenset({
    "email", "in_app", "inbox", "live_notification", "push", "slack", "twilio", "webhook",
    "whatsapp",
})  # fmt: skip
METRICS = frozenset({
    "attempted", "bounced", "clicked", "converted", "delivered", "dropped", "failed", "opened",
    "sent", "spammed", "undeliverable", "unsubscribed",
})  # fmt: skip
ACTIONS_ON_A_PAGE = 10


def messages(ask: Ask) -> Row:
    """Deliveries, newest first; positions start again at the first page beyond the last row."""
    start, end = _window(ask)
    limit, skip = ask.limit(1000), ask.offset("v20:")
    drafts = ask.is_true("drafts")
    keep, lag = _delivery_filter(ask), ask.behaviours.listing_lag
    tracked = ask.is_true("get_tracked_responses")

    def page(skip: int) -> list[Delivery]:
        if keep is None:
            found = ask.workspace.newest_first(
                start, end, now=ask.now, drafts=drafts, skip=skip, lag=lag
            )
            return list(islice(found, limit + 1))
        found = ask.workspace.newest_first(start, end, now=ask.now, drafts=drafts, lag=lag)
        return list(islice(filter(keep, found), skip, skip + limit + 1))

    rows = page(skip)
    if skip and not rows:
        rows, skip = page(0), 0
    return {
        "messages": [ask.workspace.show(r, ask.now, tracked=tracked) for r in rows[:limit]],
        "next": token("v20:", skip + limit) if len(rows) > limit else "",
    }


def messages_of(ask: Ask) -> Row:
    """The same of one person; at the end there is no `next` at all."""
    number, (start, end) = person(ask), _window(ask)
    limit, skip = ask.limit(1000), ask.offset("v20:")
    sent = ask.workspace.newest_first(start, end, now=ask.now, lag=ask.behaviours.listing_lag)
    people = ask.workspace.people
    found = (d for d in sent if d.person is not None and people.heir(d.person, ask.now) == number)
    rows = list(islice(found, skip, skip + limit + 1))
    page: Row = {"messages": [ask.workspace.show(row, ask.now) for row in rows[:limit]]}
    return page | {"next": token("v20:", skip + limit)} if len(rows) > limit else page


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
    return {"newsletters": page, "next": token("", offset + len(page)) if page else ""}


def actions_of(collection: str) -> Answer:
    """Ten actions at a time; whatever is asked for is ignored, but for the page token."""

    def actions(ask: Ask) -> Row:
        sender = ask.sender(collection)
        offset = unsealed(ask, collection, sender)
        rows = ask.workspace.actions(collection, sender, ask.now)
        following = offset + ACTIONS_ON_A_PAGE
        page: Row = {"actions": rows[offset:following]}
        if following < len(rows):
            page["next"] = sealed(following, collection, sender)
        return page

    return actions


def contents_of(collection: str) -> Answer:
    """All contents at once; even a malformed page token is ignored."""

    def contents(ask: Ask) -> Row:
        return {"contents": ask.workspace.contents(collection, ask.sender(collection), ask.now)}

    return contents


def triggers(ask: Ask) -> Row:
    """Every firing of a broadcast."""
    return {"triggers": ask.workspace.triggers(ask.sender("broadcasts"), ask.now)}


def test_groups(ask: Ask) -> Row:
    """The groups of an A/B test, if there is one."""
    return {"test_groups": ask.workspace.test_groups(ask.sender("newsletters"))}


ROUTES: dict[tuple[str, str], Answer] = {
    ("GET", "/v1/messages"): messages,
    ("GET", "/v1/customers/{person}/messages"): messages_of,
    ("GET", "/v1/campaigns"): campaigns,
    ("GET", "/v1/campaigns/{id:int}/actions"): actions_of("campaigns"),
    ("GET", "/v1/newsletters"): newsletters,
    ("GET", "/v1/newsletters/{id:int}/contents"): contents_of("newsletters"),
    ("GET", "/v1/newsletters/{id:int}/test_groups"): test_groups,
    ("GET", "/v1/broadcasts"): broadcasts,
    ("GET", "/v1/broadcasts/{id:int}/actions"): actions_of("broadcasts"),
    ("GET", "/v1/broadcasts/{id:int}/triggers"): triggers,
    ("GET", "/v1/transactional"): transactional,
    ("GET", "/v1/transactional/{id:int}/contents"): contents_of("transactional"),
}


def _window(ask: Ask) -> tuple[int, int]:
    """The half-open window of a list of deliveries: both bounds count, six months at most."""
    present = int(ask.now)
    start, end = ask.number("start_ts"), ask.number("end_ts")
    end = present if end is None else min(end, present)
    earliest = (present if ask.behaviours.forgets_old else end) - SIX_MONTHS
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
