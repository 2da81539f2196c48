"""Counts in time buckets: what to ask for, and when what comes was counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple
from zoneinfo import ZoneInfo

from tap_customerio import problems
from tap_customerio.reader import seconds, within
from tap_customerio.streams.base import CustomerioStream
from tap_customerio.streams.sends import last_send
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
    parse,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers.types import Record

    from tap_customerio.answers import Answer
    from tap_customerio.streams.base import Rows

_STRETCH = 3_600 * DAY
_FEWEST_STEPS = 2
_MOST_BUCKETS = 10_000
_OFF_BY = 31 * DAY
HTTP_CLASSES = ("2xx", "3xx", "4xx", "5xx")
_UTC = ZoneInfo("UTC")

Series = dict[str, list[int]]


class Source(NamedTuple):
    """One thing whose counts are read: where, in what range, and what names it in the records."""

    path: str
    window: Window
    names: dict[str, Any]
    version: Literal["1", "2", "journeys"]


class TimeSeries(CustomerioStream):
    """Counts per source and time bucket; buckets that count nothing are left out."""

    vanishing = True
    ranged = True
    is_mirror = False
    replication_key = "period_start"
    counted: ClassVar[str]
    """Member of the answer that holds the counts."""
    counted_back: ClassVar[str] = ""
    """Whose counts have only version 1."""

    def sources(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], str]]:
        """Path, row of the sender, names, and version of each thing that counts."""
        raise NotImplementedError

    def series(self, answer: Answer) -> Iterable[tuple[dict[str, Any], Series]]:
        """What more names the counts, and the counts, the oldest bucket first."""
        raise NotImplementedError

    def slices(self) -> Iterator[Source]:
        """One per source, and per ten years, the most that the API gives at once."""
        self._end = min(self.settings.end or self.client.present, self.client.present)
        self._start = self._first_instant()
        self._warned = False
        for path, sender, names, version in self.sources():
            created = seconds(self.name, sender, "created")
            created = created or seconds(self.name, sender, "created_at") or BEGINNING
            start, end = (self._border(moment, version) for moment in (self._start, self._end))
            start = max(start, created)
            stretches: Iterable[Window]
            if version == "1":
                stretches = [Window(self._within_reach(start), end)]
            else:
                stretches = self._stretches(Window(start, end))
            for window in stretches:
                if window.start < min(window.end, last_send(self.name, sender)):
                    yield Source(path, window, names, version)  # type: ignore[arg-type]

    def shortfall(self) -> str | None:
        """Version 1 counts back from now, and not far."""
        if not self.counted_back or (self.settings.start or BEGINNING) >= self._reach():
            return None
        resolution = self.settings.metrics_resolution
        return problems.counted_back(self.counted_back, V1_REACH[resolution], resolution)

    def pages(self, piece: Source) -> Iterable[Rows]:
        """The rows of one source."""
        yield self._version_1(piece) if piece.version == "1" else self._between_dates(piece)

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

    def zone(self, version: str) -> ZoneInfo:
        """Version 2 takes any zone; version 1 knows only Eastern time; journeys seem to be UTC."""
        return {"1": EASTERN, "2": self.settings.zone}.get(version, _UTC)

    def _first_instant(self) -> int:
        """Where to read from: the bookmark less the look-back, but not before start_date."""
        start = self.settings.start or BEGINNING
        bookmark = self.bookmark(self.last)
        read_as = (self.last.get("resolution"), self.last.get("timezone"))
        asked_as = (self.settings.metrics_resolution, self.settings.metrics_timezone)
        if bookmark is None:
            return start
        if read_as != asked_as:
            self.logger.info("metrics_resolution or metrics_timezone changed: reading all again.")
            return start
        return max(start, bookmark - self.settings.metrics_lookback_days * DAY)

    def _border(self, moment: int, version: str) -> int:
        """Where another run goes on, the bucket belongs to the one in which it begins."""
        if moment not in self.tap.cuts:
            return moment
        return bucket_from(moment, self.settings.metrics_resolution, self.zone(version))

    def _reach(self) -> int:
        """First instant that version 1 counts back to."""
        resolution = self.settings.metrics_resolution
        running = bucket_start(self.client.present, resolution, EASTERN)
        return bucket_after(running, resolution, EASTERN, 1 - V1_REACH[resolution])

    def _within_reach(self, start: int) -> int:
        """The earliest instant from `start` on whose bucket version 1 still has."""
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
        """Ask with both ends on bucket borders, so that it is right however the API cuts them."""
        resolution, zone = self.settings.metrics_resolution, self.zone(source.version)
        start = bucket_start(source.window.start, resolution, zone)
        last = bucket_start(source.window.end - 1, resolution, zone)
        end = bucket_after(last, resolution, zone)
        params: dict[str, Any] = {"start": start, "end": end}
        if source.version == "2":
            params |= {"version": "2", "res": resolution, "tz": zone.key}
        else:
            params |= {"resolution": resolution}
        answer = self.client.fetch("GET", source.path, params=params, expect=self.counted)
        first = _echoed_start(answer.get("start"), start)
        if first < start - _OFF_BY:
            raise problems.bad_value(self.name, "start", "time near the one asked for")
        return list(self._rows(source, answer, list(buckets(first, end, resolution, zone))))

    def _version_1(self, source: Source) -> Rows:
        """Count back from the running bucket, which is the last; the answer has no dates."""
        resolution = self.settings.metrics_resolution
        oldest = bucket_start(source.window.start, resolution, EASTERN)
        wanted = sum(1 for _ in buckets(oldest, self.client.present + 1, resolution, EASTERN))
        steps = max(_FEWEST_STEPS, min(wanted, V1_REACH[resolution]))
        params = {"period": resolution, "steps": steps}
        answer = self.client.fetch("GET", source.path, params=params, expect=self.counted)
        length = max(
            (len(counts) for _, series in self.series(answer) for counts in series.values()),
            default=0,
        )
        if length > _MOST_BUCKETS:
            raise problems.bad_value(self.name, "series", "list of what was asked for")
        running = bucket_start(answer.at, resolution, EASTERN)
        first = bucket_after(running, resolution, EASTERN, 1 - length)
        return list(
            self._rows(source, answer, list(buckets(first, answer.at + 1, resolution, EASTERN)))
        )

    def _warn_of_reach(self) -> None:
        if not self._warned:
            self._warned = True
            self.logger.warning("%s", self.shortfall())

    def _rows(self, source: Source, answer: Answer, cut: list[Window]) -> Iterator[dict[str, Any]]:
        """One row per bucket within the window that counts anything."""
        for names, series in self.series(answer):
            for index, bucket in enumerate(cut):
                counts = {
                    name: values[index] for name, values in series.items() if index < len(values)
                }
                asked = bucket.end > source.window.start and bucket.start < source.window.end
                if asked and any(counts.values()):
                    yield {
                        **counts,
                        **source.names,
                        **names,
                        "resolution": self.settings.metrics_resolution,
                        "timezone": self.zone(source.version).key,
                        "period_start": bucket.start,
                        "is_partial": bucket.end > answer.at,
                    }

    def columns(self, parent: dict[str, Any], name: str) -> Series:
        """Counts by column: no column begins with a digit, which some targets do not take."""
        if name not in parent:
            raise problems.bad_value(self.name, name, "object")
        found = {}
        for column, counts in within(self.name, parent, name).items():
            if not isinstance(counts, list | None):
                raise problems.bad_value(self.name, column, "list")
            found[f"http_{column}" if column in HTTP_CLASSES else column] = counts or []
        return found


def _echoed_start(said: Any, asked: int) -> int:
    """Start of the first bucket: what the answer says, such as "2025-01-01 00:00:00 +0000 UTC"."""
    try:
        date, clock, offset = str(said).split()[:3]
        return min(asked, parse(f"{date}T{clock}{offset[:3]}:{offset[3:]}"))
    except ValueError:
        return asked
