"""The rows of every stream, from the sandbox's own data, without the tap's code."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tap_customerio.sandbox import Workspace
from tap_customerio.sandbox.world.workspace_lists import IP_ADDRESSES, PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, Any]
Rows = Callable[[Workspace, float], Iterable[Row]]

DAY = 86_400
UTC = ZoneInfo("UTC")
EASTERN = ZoneInfo("America/New_York")
REACH = dt.timedelta(days=45)
"""The number of days, with today, that the API counts in US Eastern time."""


def instant(seconds: float) -> dt.datetime:
    """Unix seconds as in a database: UTC, without a time zone."""
    return dt.datetime.fromtimestamp(seconds, dt.timezone.utc).replace(tzinfo=None)


def rfc3339(seconds: float) -> str | None:
    """Unix seconds as in JSON; 0 is no time."""
    return f"{instant(seconds).isoformat()}Z" if seconds else None


def _each(
    parents: Rows, parent_key: str, children: Callable[[Workspace, Any, float], Iterable[Row]]
) -> Rows:
    """The rows of every parent, with its id."""

    def rows(workspace: Workspace, now: float) -> Iterator[Row]:
        for parent in parents(workspace, now):
            for row in children(workspace, parent["id"], now):
                yield {**row, parent_key: parent["id"]}

    return rows


def _plain(name: str) -> Rows:
    """The rows of a list that returns everything."""
    return lambda workspace, now: workspace.plain(name, now)


def _once(usage: Callable[[Workspace, Any, float], Row]) -> Callable[..., Iterable[Row]]:
    """The only row of every parent."""
    return lambda workspace, parent, now: [usage(workspace, parent, now)]


def _customers(workspace: Workspace, now: float) -> Iterator[Row]:
    for person in workspace.everyone(now):
        stamps = {name: rfc3339(at) for name, at in person["timestamps"].items()}
        devices = [
            {**device, "last_used": rfc3339(device["last_used"])}
            for device in person["devices"] or []
        ]
        created = person["attributes"].get("created_at", person["timestamps"]["cio_id"])
        own = {"created_at": int(created), "timestamps": stamps, "devices": devices}
        yield {**person, **person["identifiers"], **own}


def _messages(workspace: Workspace, now: float) -> Iterator[Row]:
    for delivery in workspace.newest_first(workspace.since, int(now), now=now):
        raw = workspace.show(delivery, now, tracked=True)
        person = raw["customer_identifiers"]
        raw["updated"] = int(raw["deduplicate_id"].rpartition(":")[2])
        raw["cio_id"] = person and person["cio_id"]
        raw |= {"source_type": delivery.outlet.kind, "source_id": delivery.outlet.id}
        metrics = {name: rfc3339(at) for name, at in raw["metrics"].items()}
        raw["metrics"] = {name: at for name, at in metrics.items() if "link:" not in name}
        raw["links"] = [
            _link(name, metrics[name]) for name in sorted(metrics.keys() - raw["metrics"])
        ]
        for answer in raw.get("tracked_responses", {}).values():
            answer["ts"] = rfc3339(answer["ts"])
        yield raw


def _link(name: str, at: str | None) -> Row:
    kind, _, number = name.partition("link:")
    return {"link_id": number, "state": f"{kind}clicked", "at": at}


def _activities(workspace: Workspace, now: float) -> Iterable[Row]:
    """The last thirty days."""
    return workspace.activities(int(now) - 30 * DAY, int(now) + 1, now=now)


def _metrics(workspace: Workspace, now: float) -> Iterable[Row]:
    """A row for every day on which a sender sent something."""
    return _distinct(_sent(workspace, now), ("source_type", "source_id", "period_start"))


def _action_metrics(workspace: Workspace, now: float) -> Iterable[Row]:
    """The same for each action or content, except those of transactional messages."""
    sent = (row for row in _sent(workspace, now) if row["source_type"] != "transactional")
    return _distinct(sent, ("source_type", "source_id", "part_id", "period_start"))


def _link_metrics(workspace: Workspace, now: float) -> Iterable[Row]:
    """A row for every link of a sender and every day with clicked deliveries."""
    clicked = (
        {**row, "link_id": state.removeprefix("link:")}
        for row in _sent(workspace, now, lambda _kind: EASTERN)
        for state in row["states"]
        if state.startswith("link:")
    )
    return _distinct(clicked, ("source_type", "source_id", "link_id", "period_start"))


def _sent(
    workspace: Workspace,
    now: float,
    zone: Callable[[str], ZoneInfo] = lambda kind: UTC if kind == "campaign" else EASTERN,
) -> Iterator[Row]:
    """Every delivery that can be read: sender, day, and outcome."""
    for delivery in workspace.newest_first(workspace.since, int(now) + 1, now=now):
        outlet = delivery.outlet
        day, today = (_day(at, zone(outlet.kind)) for at in (delivery.created, now))
        if zone(outlet.kind) is UTC or day > today - REACH:
            yield {
                "source_type": outlet.kind,
                "source_id": outlet.id,
                "part_id": outlet.content if outlet.action is None else outlet.action,
                "resolution": "days",
                "timezone": zone(outlet.kind).key,
                "period_start": day.timestamp(),
                "states": workspace.show(delivery, now)["metrics"],
            }


def _journey_metrics(workspace: Workspace, now: float) -> Iterator[Row]:
    """A row for every day on which journeys through a campaign began."""
    for campaign in workspace.ids("campaigns", now):
        for start in range(workspace.since, int(now) + 1, DAY):
            counts = workspace.journey_counts(campaign, start, start + DAY, now)
            if any(counts.values()):
                cut = {"resolution": "days", "timezone": "UTC", "period_start": start}
                yield {"campaign_id": campaign, **cut}


def _segment_counts(workspace: Workspace, now: float) -> Iterator[Row]:
    for segment in workspace.segments(now):
        yield {"segment_id": segment["id"], "observed_at": int(now)}


def _opt_outs(workspace: Workspace, now: float) -> Iterator[Row]:
    for person in workspace.opt_outs(now):
        yield {**person, "cio_id": person["cio_id"].removeprefix("cio_")}


def _preferences(workspace: Workspace, now: float) -> Iterator[Row]:
    for number in workspace.people.numbers(now):
        yield workspace.preferences(number, now)["identifiers"]


def _customer_relationships(workspace: Workspace, now: float) -> Iterator[Row]:
    for number in workspace.people.numbers(now):
        cio_id = workspace.people.name(number, now).cio_id
        for thing in workspace.relationships(number, now):
            yield {**thing, **thing["identifiers"], "cio_id": cio_id}


def _objects(workspace: Workspace, _now: float) -> Iterator[Row]:
    for kind in workspace.object_types():
        for thing in workspace.objects(kind["id"]):
            yield {**thing, **thing["identifiers"]}


def _object_relationships(workspace: Workspace, now: float) -> Iterator[Row]:
    for thing in _objects(workspace, now):
        place = thing["object_type_id"], thing["object_id"]
        for person in workspace.object_relationships(*place, now):
            yield {**thing, **person}


def _suppressions(workspace: Workspace, now: float) -> Iterator[Row]:
    """The suppressions of all sending domains."""
    for kind in ("bounces", "blocks", "spam_reports", "invalid_emails"):
        for row in workspace.suppressions(kind, now):
            yield {**row, "suppression_type": kind, "domain": "*"}


def _collection_contents(workspace: Workspace, collection: int, _now: float) -> Iterable[Row]:
    content = workspace.collection_content(collection)
    rows = content if isinstance(content, list) else [content]
    return [{"row_number": place} for place, _ in enumerate(rows)]


def _files(collection: str) -> Rows:
    return lambda workspace, now: workspace.files(collection, now)


def _distinct(rows: Iterable[Row], names: tuple[str, ...]) -> Iterable[Row]:
    """One row for each combination of the values of these columns."""
    return {tuple(row[name] for name in names): row for row in rows}.values()


def _day(at: float, zone: ZoneInfo) -> dt.datetime:
    """The midnight before a time, if the day has one."""
    local = dt.datetime.fromtimestamp(at, zone)
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


SENDER_STREAMS: dict[str, Rows] = {
    "campaign": Workspace.campaigns,
    "newsletter": Workspace.newsletters,
    "broadcast": Workspace.broadcasts,
    "transactional": Workspace.transactional,
}
ROWS: dict[str, Rows] = {
    **{name: _plain(name) for name in PLAIN},
    "action_metrics": _action_metrics,
    "activities": _activities,
    "asset_folders": _files("asset_folders"),
    "assets": _files("assets"),
    "broadcast_actions": _each(
        Workspace.broadcasts, "broadcast_id", lambda w, id_, now: w.actions("broadcasts", id_, now)
    ),
    "broadcast_triggers": _each(Workspace.broadcasts, "broadcast_id", Workspace.triggers),
    "broadcasts": Workspace.broadcasts,
    "campaign_actions": _each(
        Workspace.campaigns, "campaign_id", lambda w, id_, now: w.actions("campaigns", id_, now)
    ),
    "campaigns": Workspace.campaigns,
    "collection_contents": _each(Workspace.collections, "collection_id", _collection_contents),
    "customer_relationships": _customer_relationships,
    "customers": _customers,
    "design_studio_components": _files("design_studio_components"),
    "design_studio_emails": _files("design_studio_emails"),
    "design_studio_folders": _files("design_studio_folders"),
    "esp_suppressions": _suppressions,
    "ip_addresses": lambda _w, _now: [{"ip_address": address} for address in IP_ADDRESSES],
    "journey_metrics": _journey_metrics,
    "link_metrics": _link_metrics,
    "messages": _messages,
    "metrics": _metrics,
    "newsletter_test_groups": _each(
        Workspace.newsletters, "newsletter_id", lambda w, id_, _now: w.test_groups(id_)
    ),
    "newsletter_variants": _each(
        Workspace.newsletters,
        "newsletter_id",
        lambda w, id_, now: w.contents("newsletters", id_, now),
    ),
    "newsletters": Workspace.newsletters,
    "object_relationships": _object_relationships,
    "object_types": lambda w, _now: w.object_types(),
    "objects": _objects,
    "opt_outs": _opt_outs,
    "segment_counts": _segment_counts,
    "segment_memberships": _each(Workspace.segments, "segment_id", Workspace.members),
    "segment_usage": _each(Workspace.segments, "segment_id", _once(Workspace.segment_usage)),
    "segments": Workspace.segments,
    "sender_identities": Workspace.sender_identities,
    "sender_usage": _each(
        Workspace.sender_identities, "sender_identity_id", _once(Workspace.sender_usage)
    ),
    "subscription_channels": lambda w, _now: w.subscription_channels(),
    "subscription_preferences": _preferences,
    "subscription_topics": lambda w, _now: w.subscription_topics(),
    "transactional_messages": Workspace.transactional,
    "transactional_variants": _each(
        Workspace.transactional,
        "transactional_id",
        lambda w, id_, now: w.contents("transactional", id_, now),
    ),
    "workspaces": lambda _w, _now: [{"id": 1001}],  # the only one; its id is only in the path
}
