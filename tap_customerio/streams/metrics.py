"""Counts over time for everything that sends messages."""

from __future__ import annotations

import math
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, ClassVar

from tap_customerio import errors
from tap_customerio.api.client import quoted
from tap_customerio.api.values import identifier, whole_number, within
from tap_customerio.streams.schema import boolean, integer, record, text, timestamp
from tap_customerio.streams.senders import SENDER_STREAMS, Campaigns, sender_parts
from tap_customerio.streams.series import HTTP_CLASSES, TimeSeries
from tap_customerio.streams.states import STATES, counts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_customerio.api.responses import ParsedResponse
    from tap_customerio.streams.lists import ListStream
    from tap_customerio.streams.schema import Schema
    from tap_customerio.streams.series import Counted, Series

_BUCKET = ("resolution", "timezone", "period_start")
_KEY = ("source_type", "source_id", *_BUCKET)
_SOURCE = (
    text(source_type="campaign, newsletter, broadcast or transactional."),
    integer(source_id="Id of the sender; unique only together with source_type."),
)
_PERIOD = (
    text(
        resolution="Width of the bucket: hours, days, weeks (from Sunday) or months.",
        timezone="Time zone of the bucket.",
    ),
    timestamp(period_start="Start of the bucket."),
    boolean(is_partial="Whether the bucket was still running when it was read."),
)
_COUNTS = (
    counts_of(state for state in sorted(STATES) if state != "dropped"),
    integer(**{f"http_{kind}": f"Webhook responses {kind}." for kind in HTTP_CLASSES}),
)


class _Deliveries(TimeSeries):
    """Counts of deliveries, all of the same shape."""

    counted = "metric"
    zoned = True
    restricted_by = (*TimeSeries.restricted_by, "metrics_timezone")

    def series(
        self, response: ParsedResponse, place: str
    ) -> Iterable[tuple[dict[str, Any], Series]]:
        """The one series of the response."""
        metric = response.object(self.counted)
        counts = metric.get("series", "")
        if not isinstance(counts, dict | None):
            raise errors.sync.bad_value(self.name, "series", "object")
        yield {"channel": metric.get("type")}, self.columns(counts or {}, place)


class Metrics(_Deliveries):
    """Metrics: counts of deliveries by state, per sender and time bucket.

    Counts belong to the bucket in which the delivery was created, and grow for months.
    Campaigns use metrics_timezone, the others US Eastern time.
    """

    name = "metrics"
    counted_back = "newsletters, broadcasts and transactional messages"
    primary_keys = _KEY
    schema: ClassVar[Schema] = record(
        *_SOURCE,
        *_PERIOD,
        text(channel="Channel of a newsletter; null for the others."),
        *_COUNTS,
        key=_KEY,
    )

    def counted_of(self, kind: str, number: Any, row: dict[str, Any]) -> Iterator[Counted]:  # noqa: ARG002
        """The sender itself."""
        names = {"source_type": kind, "source_id": number}
        yield (
            f"{SENDER_STREAMS[kind].path}/{quoted(number)}/metrics",
            names,
            "2" if kind == "campaign" else "1",
        )


class ActionMetrics(_Deliveries):
    """Action metrics: the counts of `metrics` by action or newsletter variant."""

    name = "action_metrics"
    counted_back = "newsletters and broadcasts"
    primary_keys = ("source_type", "source_id", "part_id", *_BUCKET)
    schema: ClassVar[Schema] = record(
        *_SOURCE,
        integer(
            part_id="Action of the campaign or broadcast (`action_id` of messages), or content "
            "variant of the newsletter (`content_id`)."
        ),
        *_PERIOD,
        text(channel="Channel of a newsletter; null for the others."),
        *_COUNTS,
        key=primary_keys,
    )

    senders: ClassVar[Mapping[str, type[ListStream]]] = {
        kind: SENDER_STREAMS[kind] for kind in ("campaign", "broadcast", "newsletter")
    }

    def counted_of(self, kind: str, number: Any, row: dict[str, Any]) -> Iterator[Counted]:
        """The parts listed in the sender's own row."""
        sender = SENDER_STREAMS[kind]
        for place, part_row in sender_parts(row):
            part = identifier(part_row)
            if part is None:
                self.outcome.lose_row(f"{sender.name}.{place}[].id", str(number))
                continue
            names = {"source_type": kind, "source_id": number, "part_id": part}
            path = f"{sender.path}/{quoted(number)}/{place}/{quoted(part)}/metrics"
            yield path, names, "2" if kind == "campaign" else "1"


class LinkMetrics(TimeSeries):
    """Link metrics: clicks on each link, per sender and time bucket."""

    name = "link_metrics"
    counted_back = "links"
    counted = "links"
    primary_keys = ("source_type", "source_id", "link_id", *_BUCKET)
    schema: ClassVar[Schema] = record(
        *_SOURCE,
        text(
            link_id="Number of the link, as link_id in `links` of messages.",
            href="URL of the link; may contain template code.",
        ),
        *_PERIOD,
        integer(
            clicked="Deliveries in which the link was clicked, by a person or a machine.",
            human_clicked="Deliveries in which a person clicked the link.",
            machine_clicked="Deliveries in which a machine clicked the link.",
        ),
        key=primary_keys,
    )

    def counted_of(self, kind: str, number: Any, row: dict[str, Any]) -> Iterator[Counted]:  # noqa: ARG002
        """The links of the sender."""
        names = {"source_type": kind, "source_id": number}
        yield f"{SENDER_STREAMS[kind].path}/{quoted(number)}/metrics/links", names, "1"

    def series(
        self, response: ParsedResponse, place: str
    ) -> Iterable[tuple[dict[str, Any], Series]]:
        """One series per link; entries with the same id are added up."""
        links: dict[str, tuple[dict[str, Any], Series]] = {}
        for row in response.objects(self.counted):
            link, counts = within(row, "link"), within(row, "metric").get("series", "")
            number = identifier(link)
            if number is None:
                self.outcome.lose_row("link_id", place)
            elif not isinstance(counts, dict | None):
                self.outcome.lose_row("series", f"{place}/{number}")
            else:
                start: tuple[dict[str, Any], Series] = ({"link_id": number, "href": None}, {})
                names, sums = links.setdefault(str(number), start)
                names["href"] = names["href"] or link.get("href")
                for column, each in self.columns(counts or {}, f"{place}/{number}").items():
                    sums[column] = _added(sums.get(column), each)
        return links.values()


class JourneyMetrics(TimeSeries):
    """Journey metrics: journeys of each campaign by the time they began, and their outcomes."""

    name = "journey_metrics"
    counted = "journey_metric"
    primary_keys = ("campaign_id", *_BUCKET)
    schema: ClassVar[Schema] = record(
        integer(campaign_id="Campaign that the journeys go through."),
        *_PERIOD,
        integer(
            activated="Started journeys that passed their first step.",
            messaged="Started journeys with at least one message.",
            converted="Started journeys that reached the campaign's goal (conversions).",
            finished="Started journeys that went through all steps.",
            exited_early="Started journeys that left before the last step.",
            started="Journeys that began in the bucket; the other counts are outcomes of these.",
            never_activated="Started journeys that ended before their first step.",
        ),
        key=primary_keys,
    )

    senders: ClassVar[Mapping[str, type[ListStream]]] = {"campaign": Campaigns}

    def counted_of(self, kind: str, number: Any, row: dict[str, Any]) -> Iterator[Counted]:  # noqa: ARG002
        """The campaign."""
        path = f"{Campaigns.path}/{quoted(number)}/journey_metrics"
        yield path, {"campaign_id": number}, "journeys"

    def series(
        self, response: ParsedResponse, place: str
    ) -> Iterable[tuple[dict[str, Any], Series]]:
        """The one series of the response."""
        counts = response.get(self.counted)
        if not isinstance(counts, dict | None):
            raise errors.sync.bad_value(self.name, self.counted, "object")
        yield {}, self.columns(counts or {}, place)


def _added(one: list[Any] | None, other: list[Any]) -> list[Any]:
    """Sums by bucket, aligned at the last bucket."""
    if not one or not other:
        return one or other
    pairs = zip_longest(reversed(one), reversed(other), fillvalue=0)
    return [_sum(*pair) for pair in pairs][::-1]


def _sum(one: Any, other: Any) -> int | float:
    """The sum; an unreadable number if one of the counts is unreadable."""
    try:
        return (whole_number(one) or 0) + (whole_number(other) or 0)
    except (TypeError, ValueError, OverflowError):
        return math.nan
