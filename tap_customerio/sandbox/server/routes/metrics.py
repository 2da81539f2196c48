"""Counts over time: of senders and their parts, of links, and of journeys."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from tap_customerio.sandbox.server.routes.request import (
    BAD_REQUEST,
    NOT_FOUND,
    Answer,
    Ask,
    RefusalError,
)
from tap_customerio.sandbox.server.routes.senders import CHANNELS
from tap_customerio.sandbox.world.buckets import UNITS, recent_edges, window_edges, written
from tap_customerio.sandbox.world.counts import Subject
from tap_customerio.sandbox.world.rng import DAY, Row

TEN_YEARS = 3660 * DAY
UTC = ZoneInfo("UTC")
KINDS = {
    "campaigns": "campaign",
    "newsletters": "newsletter",
    "broadcasts": "broadcast",
    "transactional": "transactional",
}
ALWAYS_SENT = frozenset({
    "bounced", "clicked", "converted", "created", "delivered", "failed", "opened", "sent",
    "unsubscribed",
})  # fmt: skip


def campaign_metrics(ask: Ask) -> Row:
    """Version 2 counts between two moments in any time zone; version 1 counts back from now."""
    subject = _subject(ask, "campaigns")
    if ask.query.get("version") != "2":
        return {"metric": {"series": _series(ask, subject, _recent(ask))}}
    edges, about = _window(ask)
    return {"metric": {"series": _series(ask, subject, edges)}, **about}


def broadcast_metrics(ask: Ask) -> Row:
    """Counts back from now."""
    return {"metric": {"series": _series(ask, _subject(ask, "broadcasts"), _recent(ask))}}


def transactional_metrics(ask: Ask) -> Row:
    """Counts back from now; there is no filter by channel."""
    subject = Subject("transactional", ask.sender("transactional"))
    return {"metric": {"series": _series(ask, subject, _recent(ask))}}


def newsletter_metrics(ask: Ask) -> Row:
    """Counts back from now of a newsletter or of one of its contents, and the channel."""
    subject = _subject(ask, "newsletters")
    channel = ask.workspace.senders.send(subject.sender).channel
    return {"metric": {"type": channel, "series": _series(ask, subject, _recent(ask))}}


def campaign_action_metrics(ask: Ask) -> Row:
    """Counts of an action in either version."""
    subject = _subject(ask, "campaigns")
    if ask.query.get("version") != "2":
        return _by_language(ask, "campaigns", subject, _recent(ask))
    edges, about = _window(ask)
    return {**_by_language(ask, "campaigns", subject, edges), **about}


def broadcast_action_metrics(ask: Ask) -> Row:
    """Counts of an action, back from now."""
    return _by_language(ask, "broadcasts", _subject(ask, "broadcasts"), _recent(ask))


def links_of(collection: str) -> Answer:
    """Clicks by link, back from now, for links with any; a sender's or those of one part of it."""

    def links(ask: Ask) -> Row:
        subject = _subject(ask, collection)
        found = ask.workspace.ledger.links(subject, _recent(ask), ask.settled)
        return {
            "links": [
                {"link": {"id": link, "href": _href(subject, link)}, "metric": {"series": series}}
                for link, series in found.items()
            ]
        }

    return links


def journey_metrics(ask: Ask) -> Row:
    """How far journeys got that began between two moments."""
    campaign = ask.sender("campaigns")
    edges = window_edges(*_bounds(ask, "resolution"), UTC, ask.behaviours)
    return {"journey_metric": ask.workspace.cohorts.series(campaign, edges, ask.settled)}


ROUTES: dict[tuple[str, str], Answer] = {
    ("GET", "/v1/campaigns/{id:int}/metrics"): campaign_metrics,
    ("GET", "/v1/campaigns/{id:int}/journey_metrics"): journey_metrics,
    ("GET", "/v1/campaigns/{id:int}/actions/{part:int}/metrics"): campaign_action_metrics,
    ("GET", "/v1/campaigns/{id:int}/actions/{part:int}/metrics/links"): links_of("campaigns"),
    ("GET", "/v1/newsletters/{id:int}/metrics"): newsletter_metrics,
    ("GET", "/v1/newsletters/{id:int}/contents/{part:int}/metrics"): newsletter_metrics,
    ("GET", "/v1/newsletters/{id:int}/contents/{part:int}/metrics/links"): links_of("newsletters"),
    ("GET", "/v1/broadcasts/{id:int}/metrics"): broadcast_metrics,
    ("GET", "/v1/broadcasts/{id:int}/actions/{part:int}/metrics"): broadcast_action_metrics,
    ("GET", "/v1/broadcasts/{id:int}/actions/{part:int}/metrics/links"): links_of("broadcasts"),
    ("GET", "/v1/transactional/{id:int}/metrics"): transactional_metrics,
    **{
        ("GET", f"/v1/{collection}/{{id:int}}/metrics/links"): links_of(collection)
        for collection in KINDS
    },
}


def _subject(ask: Ask, collection: str) -> Subject:
    """The sender in the path, or the part of it that is named there, in the channel asked for."""
    sender = ask.sender(collection)
    part = ask.path.get("part")
    parts = None if part is None else _parts(ask, collection, sender, part)
    channel = ask.one_of("type", CHANNELS)
    return Subject(KINDS[collection], sender, channel, parts)


def _parts(ask: Ask, collection: str, sender: int, part: int) -> frozenset[int]:
    """An action or content, or all the languages behind the id that they share."""
    parts = ask.workspace.parts(collection, sender)
    found = parts.get(part)
    if found is None:
        raise RefusalError(NOT_FOUND)
    return found


def _by_language(ask: Ask, collection: str, subject: Subject, edges: list[int]) -> Row:
    """Counts of an action, and where it stands for several languages those of each as well."""
    answer: Row = {"metric": {"series": _series(ask, subject, edges)}}
    variants = ask.workspace.variants(collection, subject.sender, ask.path["part"])
    if variants:
        answer["language_variants"] = {
            str(action): {
                "default": language == "",
                "language": language,
                "series": _series(ask, subject._replace(parts=frozenset({action})), edges),
            }
            for action, language in variants.items()
        }
    return answer


def _recent(ask: Ask) -> list[int]:
    """Version 1's buckets."""
    unit = ask.one_of("period", frozenset(UNITS.values())) or "days"
    steps = ask.number("steps")
    if steps is not None and steps < 0:
        raise RefusalError(BAD_REQUEST)
    return recent_edges(ask.settled, unit, steps)


def _window(ask: Ask) -> tuple[list[int], Row]:
    """Version 2's buckets, and what an answer says about them."""
    start, end, unit = _bounds(ask, "res")
    try:
        zone = ZoneInfo(ask.query.get("tz") or "UTC")
    except (KeyError, ValueError, OSError):
        raise RefusalError(BAD_REQUEST) from None
    edges = window_edges(start, end, unit, zone, ask.behaviours)
    shown = (start, end) if ask.behaviours.echoes_window else (edges[0], edges[-1])
    return edges, {"res": unit, "start": written(shown[0], zone), "end": written(shown[1], zone)}


def _bounds(ask: Ask, resolution: str) -> tuple[int, int, str]:
    """Beginning, end and width of the buckets, all checked."""
    unit = UNITS.get(ask.query.get(resolution, ""))
    start, end = ask.number("start"), ask.number("end")
    if unit is None or start is None or end is None or not 0 <= end - start <= TEN_YEARS:
        raise RefusalError(BAD_REQUEST)
    return start, end, unit


def _series(ask: Ask, subject: Subject, edges: list[int]) -> dict[str, list[int]]:
    """Counts per bucket; of the metrics that are zero throughout, only some are sent."""
    series = ask.workspace.ledger.series(subject, edges, ask.settled)
    return {name: counts for name, counts in series.items() if name in ALWAYS_SENT or any(counts)}


def _href(subject: Subject, link: int) -> str:
    """Where a link leads; the first one holds template code."""
    path = "{{customer.home}}" if link == 1 else f"page-{link}"
    return f"https://www.example.org/{path}?utm_campaign={subject.kind}-{subject.sender}"
