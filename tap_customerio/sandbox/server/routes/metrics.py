"""Counts over time: of senders and their parts, of links, and of journeys."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from tap_customerio.sandbox.server.routes.request import (
    BAD_REQUEST,
    NOT_FOUND,
    ApiRequest,
    Handler,
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


def campaign_metrics(request: ApiRequest) -> Row:
    """Version 2 counts between two times in any time zone; version 1 counts back from now."""
    subject = _subject(request, "campaigns")
    if request.query.get("version") != "2":
        return {"metric": {"series": _series(request, subject, _recent(request))}}
    edges, about = _window(request)
    return {"metric": {"series": _series(request, subject, edges)}, **about}


def broadcast_metrics(request: ApiRequest) -> Row:
    """Counts back from now."""
    return {
        "metric": {"series": _series(request, _subject(request, "broadcasts"), _recent(request))}
    }


def transactional_metrics(request: ApiRequest) -> Row:
    """Counts back from now; there is no filter by channel."""
    subject = Subject("transactional", request.sender("transactional"))
    return {"metric": {"series": _series(request, subject, _recent(request))}}


def newsletter_metrics(request: ApiRequest) -> Row:
    """Counts back from now, of a newsletter or one of its contents, by channel."""
    subject = _subject(request, "newsletters")
    channel = request.workspace.senders.send(subject.sender).channel
    return {"metric": {"type": channel, "series": _series(request, subject, _recent(request))}}


def campaign_action_metrics(request: ApiRequest) -> Row:
    """Counts of an action in either version."""
    subject = _subject(request, "campaigns")
    if request.query.get("version") != "2":
        return _by_language(request, "campaigns", subject, _recent(request))
    edges, about = _window(request)
    return {**_by_language(request, "campaigns", subject, edges), **about}


def broadcast_action_metrics(request: ApiRequest) -> Row:
    """Counts of an action, back from now."""
    return _by_language(request, "broadcasts", _subject(request, "broadcasts"), _recent(request))


def links_of(collection: str) -> Handler:
    """Clicks by link, back from now, of a sender or one part; omits links without clicks."""

    def links(request: ApiRequest) -> Row:
        subject = _subject(request, collection)
        found = request.workspace.counts.links(subject, _recent(request), request.settled)
        return {
            "links": [
                {"link": {"id": link, "href": _href(subject, link)}, "metric": {"series": series}}
                for link, series in found.items()
            ]
        }

    return links


def journey_metrics(request: ApiRequest) -> Row:
    """States of the journeys that began between two moments."""
    campaign = request.sender("campaigns")
    edges = window_edges(*_bounds(request, "resolution"), UTC, request.behaviours)
    return {"journey_metric": request.workspace.journeys.series(campaign, edges, request.settled)}


ROUTES: dict[tuple[str, str], Handler] = {
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


def _subject(request: ApiRequest, collection: str) -> Subject:
    """The sender in the path, or a part of it, in the requested channel."""
    sender = request.sender(collection)
    part = request.path.get("part")
    parts = None if part is None else _parts(request, collection, sender, part)
    channel = request.one_of("type", CHANNELS)
    return Subject(KINDS[collection], sender, channel, parts)


def _parts(request: ApiRequest, collection: str, sender: int, part: int) -> frozenset[int]:
    """An action or content, or all languages behind a shared id."""
    parts = request.workspace.parts(collection, sender)
    found = parts.get(part)
    if found is None:
        raise RefusalError(NOT_FOUND)
    return found


def _by_language(request: ApiRequest, collection: str, subject: Subject, edges: list[int]) -> Row:
    """Counts of an action and, if it has several languages, of each language."""
    row: Row = {"metric": {"series": _series(request, subject, edges)}}
    variants = request.workspace.variants(collection, subject.sender, request.path["part"])
    if variants:
        row["language_variants"] = {
            str(action): {
                "default": language == "",
                "language": language,
                "series": _series(request, subject._replace(parts=frozenset({action})), edges),
            }
            for action, language in variants.items()
        }
    return row


def _recent(request: ApiRequest) -> list[int]:
    """Version 1's buckets."""
    unit = request.one_of("period", frozenset(UNITS.values())) or "days"
    steps = request.number("steps")
    if steps is not None and steps < 0:
        raise RefusalError(BAD_REQUEST)
    return recent_edges(request.settled, unit, steps)


def _window(request: ApiRequest) -> tuple[list[int], Row]:
    """Version 2's buckets, and the response's members about them."""
    start, end, unit = _bounds(request, "res")
    try:
        zone = ZoneInfo(request.query.get("tz") or "UTC")
    except (KeyError, ValueError, OSError):
        raise RefusalError(BAD_REQUEST) from None
    edges = window_edges(start, end, unit, zone, request.behaviours)
    shown = (start, end) if request.behaviours.echoes_window else (edges[0], edges[-1])
    return edges, {"res": unit, "start": written(shown[0], zone), "end": written(shown[1], zone)}


def _bounds(request: ApiRequest, resolution: str) -> tuple[int, int, str]:
    """Start, end and width of the buckets, validated."""
    unit = UNITS.get(request.query.get(resolution, ""))
    start, end = request.number("start"), request.number("end")
    if unit is None or start is None or end is None or not 0 <= end - start <= TEN_YEARS:
        raise RefusalError(BAD_REQUEST)
    return start, end, unit


def _series(request: ApiRequest, subject: Subject, edges: list[int]) -> dict[str, list[int]]:
    """Counts per bucket; of the metrics that are always zero, only some are included."""
    series = request.workspace.counts.series(subject, edges, request.settled)
    return {name: counts for name, counts in series.items() if name in ALWAYS_SENT or any(counts)}


def _href(subject: Subject, link: int) -> str:
    """The URL of a link; the first one holds template code."""
    path = "{{customer.home}}" if link == 1 else f"page-{link}"
    return f"https://www.example.org/{path}?utm_campaign={subject.kind}-{subject.sender}"
