"""Deliveries, lists of senders, and message contents."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from tap_customerio.sandbox.server.routes.people import person
from tap_customerio.sandbox.server.routes.request import (
    ApiRequest,
    Handler,
    sealed,
    token,
    unsealed,
)
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


def messages(request: ApiRequest) -> Row:
    """Deliveries, newest first; a position beyond the last row returns the first page."""
    start, end = _window(request)
    limit, skip = request.limit(1000), request.offset("v20:")
    drafts = request.is_true("drafts")
    keep, lag = _delivery_filter(request), request.behaviours.listing_lag
    tracked = request.is_true("get_tracked_responses")

    def page(skip: int) -> list[Delivery]:
        if keep is None:
            found = request.workspace.newest_first(
                start, end, now=request.now, drafts=drafts, skip=skip, lag=lag
            )
            return list(islice(found, limit + 1))
        found = request.workspace.newest_first(start, end, now=request.now, drafts=drafts, lag=lag)
        return list(islice(filter(keep, found), skip, skip + limit + 1))

    rows = page(skip)
    if skip and not rows:
        rows, skip = page(0), 0
    return {
        "messages": [request.workspace.show(r, request.now, tracked=tracked) for r in rows[:limit]],
        "next": token("v20:", skip + limit) if len(rows) > limit else "",
    }


def messages_of(request: ApiRequest) -> Row:
    """Deliveries of one person; the last page has no `next`."""
    number, (start, end) = person(request), _window(request)
    limit, skip = request.limit(1000), request.offset("v20:")
    sent = request.workspace.newest_first(
        start, end, now=request.now, lag=request.behaviours.listing_lag
    )
    people = request.workspace.people
    found = (
        d
        for d in sent
        if d.person is not None and people.delivery_owner(d.person, request.now) == number
    )
    rows = list(islice(found, skip, skip + limit + 1))
    page: Row = {"messages": [request.workspace.show(row, request.now) for row in rows[:limit]]}
    return page | {"next": token("v20:", skip + limit)} if len(rows) > limit else page


def campaigns(request: ApiRequest) -> Row:
    """All campaigns; parameters are ignored."""
    return {"campaigns": request.workspace.campaigns(request.now)}


def broadcasts(request: ApiRequest) -> Row:
    """All API-triggered broadcasts."""
    return {"broadcasts": request.workspace.broadcasts(request.now)}


def transactional(request: ApiRequest) -> Row:
    """All transactional messages, under the key of deliveries."""
    return {"messages": request.workspace.transactional(request.now)}


def newsletters(request: ApiRequest) -> Row:
    """Newsletters by page; `next` is set after the last row, too."""
    limit, offset = request.limit(100), request.offset("")
    direction = request.one_of("sort", frozenset({"asc", "desc"}))
    rows = request.workspace.newsletters(request.now)
    page = (rows[::-1] if direction == "desc" else rows)[offset : offset + limit]
    return {"newsletters": page, "next": token("", offset + len(page)) if page else ""}


def actions_of(collection: str) -> Handler:
    """Ten actions at a time; parameters other than the page token are ignored."""

    def actions(request: ApiRequest) -> Row:
        sender = request.sender(collection)
        offset = unsealed(request, collection, sender)
        rows = request.workspace.actions(collection, sender, request.now)
        following = offset + ACTIONS_ON_A_PAGE
        page: Row = {"actions": rows[offset:following]}
        if following < len(rows):
            page["next"] = sealed(following, collection, sender)
        return page

    return actions


def contents_of(collection: str) -> Handler:
    """All contents at once; even a malformed page token is ignored."""

    def contents(request: ApiRequest) -> Row:
        return {
            "contents": request.workspace.contents(
                collection, request.sender(collection), request.now
            )
        }

    return contents


def triggers(request: ApiRequest) -> Row:
    """All triggers of a broadcast."""
    return {"triggers": request.workspace.triggers(request.sender("broadcasts"), request.now)}


def test_groups(request: ApiRequest) -> Row:
    """The groups of an A/B test, if there is one."""
    return {"test_groups": request.workspace.test_groups(request.sender("newsletters"))}


ROUTES: dict[tuple[str, str], Handler] = {
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


def _window(request: ApiRequest) -> tuple[int, int]:
    """The half-open window of a list of deliveries: both bounds inclusive, at most six months."""
    present = int(request.now)
    start, end = request.number("start_ts"), request.number("end_ts")
    end = present if end is None else min(end, present)
    earliest = (present if request.behaviours.forgets_old else end) - SIX_MONTHS
    return earliest if start is None else max(start, earliest), end + 1


def _delivery_filter(request: ApiRequest) -> Callable[[Delivery], bool] | None:
    """A predicate from the request's filters; None without filters."""
    channel, metric = request.one_of("type", CHANNELS), request.one_of("metric", METRICS)
    campaign, newsletter = request.number("campaign_id"), request.number("newsletter_id")
    action = request.number("action_id")
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
            and (metric is None or _reached(delivery, metric, request.now))
        )

    return keep


def _reached(delivery: Delivery, metric: str, now: float) -> bool:
    return any(name == metric and at <= now for name, at in delivery.journey()[0])
