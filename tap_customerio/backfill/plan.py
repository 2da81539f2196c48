"""Estimates slices, requests and time of a backfill from a few requests."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from functools import singledispatch
from typing import TYPE_CHECKING, Any, cast

from tap_customerio import errors
from tap_customerio.api.values import seconds
from tap_customerio.backfill.deliveries import Count, Curve, counts
from tap_customerio.backfill.probing import ProbingClient
from tap_customerio.streams.activities import log_pages
from tap_customerio.streams.folders import FolderStream
from tap_customerio.streams.lists import ChildStream, ListStream
from tap_customerio.streams.messages import Messages
from tap_customerio.streams.segments_and_consents import Activities
from tap_customerio.streams.series import TimeSeries
from tap_customerio.streams.slices import checked
from tap_customerio.windows import BEGINNING, DAY, LONGEST_PERIOD, Window, WindowPlan, rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_customerio.api.client import Client
    from tap_customerio.backfill.job import Job
    from tap_customerio.streams.base import CustomerioStream
    from tap_customerio.tap import TapCustomerio

_PAGE = 1000
_ACTIVITY_PROBES = 20


@dataclass
class Estimate:
    """The estimate for one stream; None for a figure that has no cheap source."""

    stream: str
    slices: int | None = None
    requests: int | None = None
    rows: int | None = None
    notes: list[str] = field(default_factory=list)

    def add(self, other: Estimate) -> None:
        """Add the estimate for another share."""
        self.slices = _sum(self.slices, other.slices)
        self.requests = _sum(self.requests, other.requests)
        self.rows = _sum(self.rows, other.rows)
        self.notes += [note for note in other.notes if note not in self.notes]


def _sum(one: int | None, two: int | None) -> int | None:
    return None if one is None or two is None else one + two


@dataclass
class Plan:
    """The estimate for all streams, at `rate` requests a second; it took `probes` requests."""

    job: Job
    estimates: Sequence[Estimate]
    rate: float
    shared: int
    probes: int

    @classmethod
    def of(cls, tap: TapCustomerio, job: Job, client: ProbingClient) -> Plan:
        """Send the probes; requests that several streams need count as shared.

        Raises:
            TapError: Nothing can be estimated, for example with a wrong key.
        """
        names = [name for name in job.streams if name not in tap.sync_run.progress.done]
        streams: list[Any] = [tap.streams[name] for name in names]
        tap.use(client)
        before = client.requests.total()
        if any(stream.has_time_range or stream.replication_key is None for stream in streams):
            _ = client.present
        # Probes are not part of the run, unless the run sends the same requests.
        streams.sort(key=lambda stream: isinstance(stream, Messages | Activities))
        probing = [stream for stream in streams if isinstance(stream, Messages | Activities)]
        found = {s.name: _estimated(s) for s in streams if s not in probing}
        for stream in probing:
            if isinstance(stream, Messages):
                stream.read_sources()
        shared, sent = client.requests.total() - before, client.sent.total()
        found |= {stream.name: _estimated(stream) for stream in probing}
        estimates = [found[name] for name in names]
        return cls(job, estimates, client.limiter.rate, shared, client.sent.total() - sent)

    @classmethod
    def of_all(cls, job: Job, taps: Sequence[TapCustomerio], jobs: Sequence[Job]) -> Plan:
        """The plan of a backfill in shares; probes are sent once.

        Each share requests the shared lists again when it runs.

        Raises:
            TapError: Nothing can be estimated, for example with a wrong key.
        """
        reach = Window(
            min(job.shard_range.start for job in jobs), max(job.shard_range.end for job in jobs)
        )
        client = ProbingClient(taps[0].settings, reach)
        plans = [cls.of(tap, job, client.afresh()) for tap, job in zip(taps, jobs, strict=True)]
        found: dict[str, Estimate] = {}
        for estimate in (estimate for plan in plans for estimate in plan.estimates):
            found.setdefault(estimate.stream, Estimate(estimate.stream, 0, 0, 0)).add(estimate)
        shared, probes = (sum(getattr(p, name) for p in plans) for name in ("shared", "probes"))
        return cls(job, list(found.values()), plans[0].rate, shared, probes)

    @property
    def requests(self) -> int:
        """The sum of all known requests."""
        return self.shared + sum(estimate.requests or 0 for estimate in self.estimates)

    def seconds(self, requests: int) -> int:
        """Seconds for these requests at the rate limit."""
        return math.ceil(requests / self.rate)

    def as_json(self) -> dict[str, Any]:
        """The plan as a JSON object."""
        edges = {"from": self.job.shard_range.start, "to": self.job.shard_range.end}
        return {
            **{name: rfc3339(moment) for name, moment in edges.items()},
            "shard": self.job.identity["shard"],
            "requests": self.requests,
            "seconds": self.seconds(self.requests),
            "requests_per_second": round(self.rate, 2),
            "shared_requests": self.shared,
            "probes": self.probes,
            "complete": all(estimate.requests is not None for estimate in self.estimates),
            "streams": [vars(estimate) for estimate in self.estimates],
        }


def _estimated(stream: CustomerioStream) -> Estimate:
    """The estimate, or the reason why there is none."""
    stream.queue()  # checks the state
    try:
        estimate = _estimate(stream)
        shortfall = stream.shortfall()
    except errors.FatalError:
        raise
    except errors.TapError as problem:
        return Estimate(stream.name, notes=[str(problem)])
    estimate.notes += [] if shortfall is None else [shortfall]
    return estimate


@singledispatch
def _estimate(stream: CustomerioStream) -> Estimate:
    return Estimate(
        stream.name, notes=["Not estimated: the stream has no time range and is read whole."]
    )


@_estimate.register(ListStream)
@_estimate.register(FolderStream)  # Python 3.10 does not accept a union in the annotation
def _(stream: ListStream | FolderStream) -> Estimate:
    return Estimate(stream.name, 1, 0, len(stream.listing(stream.client)))


@_estimate.register(ChildStream)
@_estimate.register(TimeSeries)
def _(stream: ChildStream | TimeSeries) -> Estimate:
    slices = sum(1 for _ in map(checked, stream.slices()))
    return Estimate(stream.name, slices, slices)


@_estimate.register
def _(stream: Activities) -> Estimate:
    """Read like the stream, for at most a day, and scale to the other days."""
    since = max(stream.settings.start or BEGINNING, stream.client.present - stream.kept)
    if not list(stream.slices()):
        return Estimate(stream.name, 0, 0, 0)
    pages, oldest = 0, stream.client.present
    for page in log_pages(stream.client):
        pages += 1
        stamps = [stamp for row in page if (stamp := seconds(row, "timestamp"))]
        oldest = min([oldest, max(stamps, default=oldest)])
        if not page.more or oldest < since:
            return Estimate(stream.name, 1, pages)
        if pages >= _ACTIVITY_PROBES and stream.client.present - oldest >= DAY:
            break
    span = max(stream.client.present - oldest, 1)
    return Estimate(stream.name, 1, pages * (stream.client.present - since) // span)


@_estimate.register
def _(stream: Messages) -> Estimate:
    """Simulate the stream's windows on a curve of the delivery counts."""
    first = next(iter(stream.slices()), None)
    if first is None:
        return Estimate(stream.name, 0, 0, 0)
    client, settings = cast("ProbingClient", stream.client), stream.settings
    window = Window(first.start, min(settings.end or client.present, client.present))
    reach = Window(client.reach.start, min(client.reach.end, client.present))
    counted = counts(client, reach, settings.concurrency)
    recent, notes = client.present - LONGEST_PERIOD, []
    if not _still_there(client, counted, Window(window.start, min(window.end, recent))):
        counted = [count for count in counted if count.window.start >= recent]
        notes = [errors.sync.too_old(rfc3339(recent))]
    curve = Curve(counted)
    ahead = 1 if settings.concurrency == 1 else settings.concurrency + 2
    slices, requests = _walked(curve, window, ahead)
    requests += slices if settings.include_drafts else 0
    return Estimate(stream.name, slices, requests, round(curve.within(window)), notes)


def _still_there(client: Client, counted: Sequence[Count], window: Window) -> bool:
    """Whether the API still lists deliveries of the stretch with the highest count."""
    old = [count for count in counted if _holds(window, count.window)]
    busiest = max(old, key=lambda count: count.number, default=None)
    if busiest is None or not busiest.number:
        return True
    start, end = busiest.window
    params = {"start_ts": start, "end_ts": end - 1, "limit": 1}
    return bool(client.fetch("GET", "/v1/messages", params=params).get("messages"))


def _holds(outer: Window, inner: Window) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _walked(curve: Curve, whole: Window, ahead: int) -> tuple[int, int]:
    """Slices and requests; `ahead` windows are cut before results can adjust their width."""
    plan = WindowPlan(*whole)
    waiting: deque[Window] = deque()
    slices = requests = 0
    for window in plan:
        waiting.append(window)
        if len(waiting) >= ahead:
            more = _read(plan, curve, waiting.popleft())
            slices, requests = slices + more[0], requests + more[1]
    for window in waiting:
        more = _read(plan, curve, window)
        slices, requests = slices + more[0], requests + more[1]
    return slices, requests


def _read(plan: WindowPlan, curve: Curve, window: Window) -> tuple[int, int]:
    """Slices and requests of one window, with the splits of the stream."""
    rows = curve.within(window)
    pages = max(1, math.ceil(round(rows) / _PAGE))
    for number in range(1, pages):
        oldest = max(curve.back_from(window.end, number * _PAGE), window.start)
        if rest := plan.rest(window, oldest, number):
            parts = [_read(plan, curve, slice_) for slice_ in rest if slice_.width]
            return 1 + sum(part[0] for part in parts), number + sum(part[1] for part in parts)
    plan.learn(window, round(rows))
    return 1, pages
