"""Counts over time, for everything that sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tap_customerio import problems
from tap_customerio.schema import boolean, integer, record, text, timestamp
from tap_customerio.streams.base import CustomerioStream
from tap_customerio.streams.sends import (
    Broadcasts,
    Campaigns,
    Newsletters,
    TransactionalMessages,
)
from tap_customerio.windows import (
    BEGINNING,
    DAY,
    EASTERN,
    V1_REACH,
    Window,
    bucket_after,
    bucket_start,
    buckets,
    parse,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers.types import Record

    from tap_customerio.client import Answer
    from tap_customerio.streams.base import ListStream, Rows

_SOURCES: dict[str, type[ListStream]] = {
    "campaign": Campaigns,
    "newsletter": Newsletters,
    "broadcast": Broadcasts,
    "transactional": TransactionalMessages,
}
_STRETCH = 3_600 * DAY
_FEWEST_STEPS = 2
_HTTP_CLASSES = ("2xx", "3xx", "4xx", "5xx")


class Source(NamedTuple):
    """One sending object whose metrics are read."""

    kind: str
    id: int
    path: str
    window: Window


class Metrics(CustomerioStream):
    """Metrics: counts of deliveries and what became of them, per sending object and time bucket.

    Counts are booked on the bucket in which the delivery was created, and grow for months.
    Buckets in which every count is 0 are left out.
    """

    name = "metrics"
    primary_keys = ("source_type", "source_id", "resolution", "period_start")
    replication_key = "period_start"
    schema = record(
        text(source_type="campaign, newsletter, broadcast or transactional."),
        integer(source_id="Id within its type."),
        text(
            resolution="Width of the bucket: hours, days, weeks (from Sunday) or months.",
            timezone="Zone in which it was cut: metrics_timezone for campaigns, else US Eastern.",
        ),
        timestamp(period_start="First instant of the bucket."),
        boolean(is_partial="Whether the bucket was still running when it was read."),
        text(channel="Channel of a newsletter; null for the others."),
        integer(
            "attempted",
            "bounced",
            "converted",
            "created",
            "deferred",
            "delivered",
            "drafted",
            "failed",
            "human_clicked",
            "human_opened",
            "link_untracked",
            "machine_clicked",
            "open_untracked",
            "prefetch_clicked",
            "prefetch_opened",
            "replied",
            "sent",
            "spammed",
            "suppressed",
            "topic_unsubscribed",
            "tracking_consent_denied",
            "tracking_consent_granted",
            "undeliverable",
            "unsubscribed",
            "untracked",
            clicked="All clicks, those of machines included.",
            opened="All opens, those of machines included.",
        ),
        integer(**{f"http_{kind}": f"Webhook answers {kind}." for kind in _HTTP_CLASSES}),
        key=primary_keys,
    )

    def slices(self) -> Iterator[Source]:
        """One per sending object, and per ten years, the most that version 2 gives at once."""
        self._started = self.client.present
        self._end = min(self.settings.end or self._started, self._started)
        self._start = self._first_instant()
        self._warned = False
        for kind, stream in _SOURCES.items():
            for row in stream.listing(self.client):
                yield from self._stretches(kind, row, f"{stream.path}/{int(row['id'])}/metrics")

    def pages(self, piece: Source) -> Iterable[Rows]:
        """The rows of one sending object; none if it was deleted meanwhile."""
        read = self._version_2 if piece.kind == "campaign" else self._version_1
        try:
            yield read(piece)
        except problems.Gone:
            self.logger.warning("%s %s was deleted meanwhile; left out.", piece.kind, piece.id)

    def record(self, raw: dict[str, Any], piece: Source) -> Record:  # noqa: ARG002
        """The row: what is asked for is decided before asking."""
        return self.read(raw)

    def finish_all(self) -> None:
        """The bookmark is the end of the range read; look-back is taken off when it is used."""
        self.advance(
            self._end,
            resolution=self.settings.metrics_resolution,
            timezone=self.settings.metrics_timezone,
        )

    def _first_instant(self) -> int:
        """Where to read from: the bookmark less the look-back, but not before start_date."""
        start = self.settings.start or BEGINNING
        bookmark = self.bookmark()
        state = self.stream_state
        read_as = (state.get("resolution"), state.get("timezone"))
        asked_as = (self.settings.metrics_resolution, self.settings.metrics_timezone)
        if bookmark is None:
            return start
        if read_as != asked_as:
            self.logger.info("metrics_resolution or metrics_timezone changed: reading all again.")
            return start
        return max(start, bookmark - self.settings.metrics_lookback_days * DAY)

    def _stretches(self, kind: str, row: dict[str, Any], path: str) -> Iterator[Source]:
        start = max(self._start, int(row.get("created") or row.get("created_at") or BEGINNING))
        if kind != "campaign":
            if start < self._end:
                yield Source(kind, int(row["id"]), path, Window(start, self._end))
            return
        resolution, zone = self.settings.metrics_resolution, self.settings.zone
        start = bucket_start(start, resolution, zone)
        while start < self._end:
            end = bucket_start(start + _STRETCH, resolution, zone)
            end = min(end, self._bucket_end(self._end - 1))
            yield Source(kind, int(row["id"]), path, Window(start, end))
            start = end

    def _bucket_end(self, moment: int) -> int:
        resolution, zone = self.settings.metrics_resolution, self.settings.zone
        return bucket_after(bucket_start(moment, resolution, zone), resolution, zone)

    def _version_2(self, source: Source) -> Rows:
        """Ask with both ends on bucket borders, so that it is right however the API cuts them."""
        settings = self.settings
        params = {
            "version": "2",
            "res": settings.metrics_resolution,
            "start": source.window.start,
            "end": source.window.end,
            "tz": settings.metrics_timezone,
        }
        answer = self.client.fetch("GET", source.path, params=params)
        first = _echoed_start(answer.get("start"), source.window.start)
        cut = buckets(first, source.window.end, settings.metrics_resolution, settings.zone)
        return list(self._rows(source, answer, list(cut), settings.metrics_timezone))

    def _version_1(self, source: Source) -> Rows:
        """Count back from the running bucket, which is the last; the answer has no dates."""
        resolution = self.settings.metrics_resolution
        oldest = bucket_start(source.window.start, resolution, EASTERN)
        wanted = sum(1 for _ in buckets(oldest, self.client.present + 1, resolution, EASTERN))
        steps = max(_FEWEST_STEPS, min(wanted, V1_REACH[resolution]))
        if wanted > steps:
            self._warn_of_reach(resolution)
        params = {"period": resolution, "steps": steps}
        answer = self.client.fetch("GET", source.path, params=params)
        length = max((len(values) for values in _series(answer).values()), default=0)
        running = bucket_start(answer.at, resolution, EASTERN)
        first = bucket_after(running, resolution, EASTERN, 1 - length)
        cut = list(buckets(first, answer.at + 1, resolution, EASTERN))
        return list(self._rows(source, answer, cut, EASTERN.key))

    def _warn_of_reach(self, resolution: str) -> None:
        if not self._warned:
            self._warned = True
            self.logger.warning(
                "The API keeps no more than the last %d %s of newsletter, broadcast and "
                "transactional metrics: earlier buckets of the asked range cannot be had. A "
                "coarser metrics_resolution reaches further back.",
                V1_REACH[self.settings.metrics_resolution],
                resolution,
            )

    def _rows(
        self, source: Source, answer: Answer, cut: list[Window], zone: str
    ) -> Iterator[dict[str, Any]]:
        """One row per bucket within the window that counts anything."""
        series = _series(answer)
        channel = (answer.get("metric") or {}).get("type")
        for index, bucket in enumerate(cut):
            counts = {name: values[index] for name, values in series.items() if index < len(values)}
            asked = bucket.end > source.window.start and bucket.start < source.window.end
            if asked and any(counts.values()):
                yield {
                    "source_type": source.kind,
                    "source_id": source.id,
                    "resolution": self.settings.metrics_resolution,
                    "timezone": zone,
                    "period_start": bucket.start,
                    "is_partial": bucket.end > answer.at,
                    "channel": channel,
                    **counts,
                }


def _series(answer: Answer) -> dict[str, list[int]]:
    """Counts by column: one list per metric, the oldest bucket first."""
    series = (answer.get("metric") or {}).get("series") or {}
    return {
        f"http_{name}" if name in _HTTP_CLASSES else name: values or []
        for name, values in series.items()
    }


def _echoed_start(text: Any, asked: int) -> int:
    """Start of the first bucket: what the answer says, such as "2025-01-01 00:00:00 +0000 UTC"."""
    try:
        stamp, clock, offset = str(text).split()[:3]
        return min(asked, parse(f"{stamp}T{clock}{offset[:3]}:{offset[3:]}"))
    except ValueError:
        return asked
