"""Base class for counts in time buckets: what to request, and the bucket of each count."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple
from zoneinfo import ZoneInfo

from tap_customerio import errors
from tap_customerio.api.values import seconds
from tap_customerio.streams.base import CustomerioStream
from tap_customerio.streams.recent import recent_senders
from tap_customerio.streams.senders import SENDER_STREAMS, last_send
from tap_customerio.streams.slices import attempted, checked
from tap_customerio.windows import (
    BEGINNING,
    DAY,
    EASTERN,
    V1_REACH,
    Window,
    bucket_after,
    bucket_from,
    bucket_start,
    buckets,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Record

    from tap_customerio.api.responses import ParsedResponse
    from tap_customerio.streams.base import Rows
    from tap_customerio.streams.lists import ListStream
    from tap_customerio.streams.recent import RecentSenders

_STRETCH = 3_600 * DAY
_FEWEST_STEPS = 2
_MOST_BUCKETS = 10_000
_OFF_BY = 31 * DAY
HTTP_CLASSES = ("2xx", "3xx", "4xx", "5xx")
_UTC = ZoneInfo("UTC")
_WORD = re.compile(r"[A-Za-z0-9_+/-]+")
_WORDS_OF_TIME = (3, 4)

Series = dict[str, list[Any]]
Version = Literal["1", "2", "journeys"]
Counted = tuple[str, dict[str, Any], Version]


class Source(NamedTuple):
    """A source of counts: its path, its range, and the members that identify it in records."""

    path: str
    window: Window
    names: dict[str, Any]
    version: Version

    @property
    def place(self) -> str:
        """Its names, for logs."""
        return "/".join(map(str, self.names.values()))


class TimeSeries(CustomerioStream):
    """Counts per source and time bucket; empty buckets are left out."""

    skip_missing_parents = True
    reads_changes = True
    restricted_by: ClassVar[tuple[str, ...]] = (
        "start_date",
        "metrics_resolution",
        "metrics_lookback_days",
    )
    has_time_range = True
    is_mirror = False
    replication_key = "period_start"
    counted: ClassVar[str]
    """Member of the response with the counts."""
    counted_back: ClassVar[str] = ""
    """Senders whose counts have only version 1."""
    zoned: ClassVar[bool] = False
    """Whether campaigns use metrics_timezone."""

    senders: ClassVar[Mapping[str, type[ListStream]]] = SENDER_STREAMS
    """Lists of senders, by source_type."""

    def counted_of(self, kind: str, number: Any, row: dict[str, Any]) -> Iterator[Counted]:
        """Path, names and API version of each countable part of one sender."""
        raise NotImplementedError

    def series(
        self, response: ParsedResponse, place: str
    ) -> Iterable[tuple[dict[str, Any], Series]]:
        """The series of a response, each with its names; counts are oldest first."""
        raise NotImplementedError

    def slices(self) -> list[Source | errors.TapError]:
        """One slice per source and ten years, the most that the API returns at once."""
        return list(self._slices(None))

    def changed(self, since: int) -> list[Source | errors.TapError] | None:
        """Sources that sent something; full reads pick up later changes of older deliveries."""
        if self.bookmark(self.last) is None:
            return None
        recent = recent_senders(self.client, since)
        return None if recent is None else list(self._slices(recent))

    def _slices(self, recent: RecentSenders | None) -> Iterator[Source | errors.TapError]:
        self._recent = recent
        self._end = min(self.settings.end or self.client.present, self.client.present)
        self._start = self._first_instant()
        self._warned = False
        for kind, senders in self.senders.items():
            for found in attempted(partial(self._listed, senders)):
                if isinstance(found, errors.TapError):
                    yield found
                else:
                    yield from attempted(partial(self._sources, kind, *found))

    def shortfall(self) -> str | None:
        """Warn that version 1 counts back from the present, with a limit."""
        if not self.counted_back or (self.settings.start or BEGINNING) >= self._reach():
            return None
        resolution = self.settings.metrics_resolution
        return errors.sync.counted_back(self.counted_back, V1_REACH[resolution], resolution)

    def existing(self, slices: list[Source]) -> Callable[[Source], bool]:  # noqa: ARG002
        """Return a test of whether a source is still listed."""
        paths = {checked(source).path for source in self.slices()}
        return lambda slice_: slice_.path in paths

    def pages(self, slice_: Source) -> Iterable[Rows]:
        """Yield the rows of one source."""
        yield self._version_1(slice_) if slice_.version == "1" else self._between_dates(slice_)

    def record(self, raw: dict[str, Any], slice_: Source) -> Record | None:  # noqa: ARG002
        """Return the row unchanged; the range is applied to the request."""
        return self.read(raw)

    def finish_all(self) -> None:
        """Move the bookmark to the end of the range; look-back is subtracted at the next start."""
        bookmark = self.bookmark(self.last)
        if self._former_bucketing(self.last) and bookmark is not None and self._end < bookmark:
            self.write_state()  # a partial read: the next run continues from the same bookmark
            return
        self.advance(
            self._end,
            resolution=self.settings.metrics_resolution,
            timezone=self.settings.metrics_timezone,
        )

    def is_outdated(self, state: Mapping[str, Any]) -> bool:
        """Whether the settings ask for other buckets than those of the last read."""
        return "resolution" in state and bool(self._former_bucketing(state))

    def zone(self, version: str) -> ZoneInfo:
        """Version 2 takes any zone; version 1 uses US Eastern time; journeys seem to use UTC."""
        return {"1": EASTERN, "2": self.settings.zone}.get(version, _UTC)

    def _first_instant(self) -> int:
        """Where to read from: the bookmark minus the look-back, but not before start_date."""
        start = self.settings.start or BEGINNING
        bookmark = self.bookmark(self.last)
        if bookmark is None:
            return start
        if former := self._former_bucketing(self.last):
            self._warn_of_former(former)
            return start
        return max(start, bookmark - self.settings.metrics_lookback_days * DAY)

    def _former_bucketing(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Resolution and zone of the buckets in the state, if they differ from the settings."""
        settings = self.settings
        zone = {"timezone": settings.metrics_timezone} if self.zoned else {}
        wanted = {"resolution": settings.metrics_resolution, **zone}
        former = {name: state.get(name) for name in wanted}
        return {name: value for name, value in former.items() if value != wanted[name]}

    def _warn_of_former(self, former: dict[str, Any]) -> None:
        """Quote only words that are valid settings in SQL: a state may hold anything."""
        if all(_WORD.fullmatch(str(value)) for value in former.values()):
            warning = errors.sync.former_buckets(self.name, former, self.counted_back)
            self.logger.warning("%s", warning)
        else:
            text = "Stream %s: the state does not say which buckets were read: reading all again."
            self.logger.info(text, self.name)

    def _listed(self, senders: type[ListStream]) -> Iterator[tuple[Any, dict[str, Any]]]:
        yield from self.with_ids(senders.listing(self.client), senders.name)

    def _may_have_changed(self, kind: str, number: Any, counted: Counted) -> bool:
        """Whether to read a source; the API returns hourly counts for a short time only."""
        _, names, version = counted
        if self._recent is None or (version == "1" and self.settings.metrics_resolution == "hours"):
            return True
        return self._recent.include(kind, number, names.get("part_id"))

    def _sources(self, kind: str, number: Any, row: dict[str, Any]) -> Iterator[Source]:
        created = seconds(row, "created") or seconds(row, "created_at") or BEGINNING
        if created > self.client.present:  # an impossible time
            created = BEGINNING
        for counted in self.counted_of(kind, number, row):
            if not self._may_have_changed(kind, number, counted):
                continue
            path, names, version = counted
            start, end = (self._border(moment, version) for moment in (self._start, self._end))
            start = max(start, created)
            stretches: Iterable[Window]
            if version == "1":
                stretches = [Window(self._within_reach(start), end)]
            else:
                stretches = self._stretches(Window(start, end))
            for window in stretches:
                if window.start < min(window.end, last_send(row)):
                    yield Source(path, window, names, version)

    def _border(self, moment: int, version: str) -> int:
        """With an end_date, the last bucket belongs to the run in which the bucket begins."""
        if moment not in self.sync_run.shard_edges:
            return moment
        return bucket_from(moment, self.settings.metrics_resolution, self.zone(version))

    def _reach(self) -> int:
        """The first instant that version 1 counts back to."""
        resolution = self.settings.metrics_resolution
        running = bucket_start(self.client.present, resolution, EASTERN)
        return bucket_after(running, resolution, EASTERN, 1 - V1_REACH[resolution])

    def _within_reach(self, start: int) -> int:
        """The earliest instant from `start` on whose bucket version 1 still returns."""
        if start < self._reach():
            self._warn_of_reach()
        return max(start, self._reach())

    def _stretches(self, whole: Window) -> Iterator[Window]:
        start = whole.start
        while start < whole.end:
            end = min(start + _STRETCH, whole.end)
            yield Window(start, end)
            start = end

    def _between_dates(self, source: Source) -> Rows:
        """Request with both ends on bucket borders, where all ways of rounding agree."""
        resolution, zone = self.settings.metrics_resolution, self.zone(source.version)
        start = bucket_start(source.window.start, resolution, zone)
        last = bucket_start(source.window.end - 1, resolution, zone)
        end = bucket_after(last, resolution, zone)
        params: dict[str, Any] = {"start": start, "end": end}
        if source.version == "2":
            params |= {"version": "2", "res": resolution, "tz": zone.key}
        else:
            params |= {"resolution": resolution}
        response = self.client.fetch("GET", source.path, params=params, expect=self.counted)
        first = self._stated_start(response, start, end, zone)
        windows = list(buckets(first, end, resolution, zone))
        return list(self._rows(source, response, self.series(response, source.place), windows))

    def _version_1(self, source: Source) -> Rows:
        """Count back from the bucket at the response's time; the response has no dates."""
        resolution = self.settings.metrics_resolution
        response = self._count_back(source)
        found = list(self.series(response, source.place))
        length = max((len(counts) for _, each in found for counts in each.values()), default=0)
        if length > _MOST_BUCKETS:
            raise errors.sync.bad_value(self.name, "series", "list of the requested length")
        running = bucket_start(response.at, resolution, EASTERN)
        first = bucket_after(running, resolution, EASTERN, 1 - length)
        windows = list(buckets(first, response.at + 1, resolution, EASTERN))
        for _, series in found:
            series.update({name: _filled(counts, length) for name, counts in series.items()})
        return list(self._rows(source, response, found, windows))

    def _count_back(self, source: Source) -> ParsedResponse:
        """Request the number of buckets; repeat if a bucket ended during the request.

        Such counts may be from before or after the border, and the response does not say which.
        """
        resolution = self.settings.metrics_resolution
        oldest = bucket_start(source.window.start, resolution, EASTERN)
        while True:
            asked = self.client.now
            wanted = sum(1 for _ in buckets(oldest, asked + 1, resolution, EASTERN))
            steps = max(_FEWEST_STEPS, min(wanted, V1_REACH[resolution]))
            params = {"period": resolution, "steps": steps}
            response = self.client.fetch("GET", source.path, params=params, expect=self.counted)
            running = bucket_start(response.at, resolution, EASTERN)
            if running <= bucket_start(asked, resolution, EASTERN):
                return response

    def _stated_start(self, response: ParsedResponse, asked: int, end: int, zone: ZoneInfo) -> int:
        """Start of the first bucket: the start in the response, or else the requested start.

        Raises:
            TapError: The stated start is far from the requested one.
        """
        said = response.get("start")
        if isinstance(said, str) and len(words := said.split()) in _WORDS_OF_TIME:
            date, clock, offset = words[:3]  # "2025-01-01 00:00:00 +0000 UTC"
            said = f"{date}T{clock}{offset[:3]}:{offset[3:]}"
        first = seconds({"start": said}, "start")
        if first is None:
            return asked
        if not asked - _OFF_BY <= first < end:
            raise errors.sync.bad_value(self.name, "start", "time near the requested one")
        # The docs do not say which day weeks begin with, so the response decides.
        resolution = self.settings.metrics_resolution
        return bucket_start(first, "days" if resolution == "weeks" else resolution, zone)

    def _warn_of_reach(self) -> None:
        if not self._warned:
            self._warned = True
            self.logger.warning("%s", self.shortfall())

    def _rows(
        self,
        source: Source,
        response: ParsedResponse,
        found: Iterable[tuple[dict[str, Any], Series]],
        windows: list[Window],
    ) -> Iterator[dict[str, Any]]:
        """One row per bucket within the window that has a count."""
        for names, series in found:
            for index, bucket in enumerate(windows):
                counts = {
                    name: values[index] for name, values in series.items() if index < len(values)
                }
                asked = bucket.end > source.window.start and bucket.start < source.window.end
                if asked and any(map(_counts, counts.values())):
                    yield {
                        **counts,
                        **source.names,
                        **names,
                        "resolution": self.settings.metrics_resolution,
                        "timezone": self.zone(source.version).key,
                        "period_start": bucket.start,
                        "is_partial": bucket.end > response.at,
                    }

    def columns(self, series: dict[str, Any], place: str) -> Series:
        """Counts by column; no column begins with a digit, which some targets reject."""
        found = {}
        for name, counts in series.items():
            column = f"http_{name}" if name in HTTP_CLASSES else name
            if isinstance(counts, list):
                found[column] = counts
            elif counts not in (None, "", "nil", {}) and column in self.schema["properties"]:
                self.outcome.unreadable.add(column, place)
        return found


def _counts(value: Any) -> bool:
    """Whether a count, as a number or text, is anything but zero."""
    return bool(value.strip("0. ") if isinstance(value, str) else value)


def _filled(counts: list[int], length: int) -> list[int]:
    """Pad counts to end with the last bucket; no counts stay empty."""
    return [0] * (length - len(counts)) + counts if counts else counts
