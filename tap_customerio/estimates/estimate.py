"""What each class of stream costs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import singledispatch
from typing import TYPE_CHECKING

from tap_customerio import errors
from tap_customerio.estimates.deliveries import Curve, listed
from tap_customerio.estimates.samples import Samples, workspace_size
from tap_customerio.estimates.simulation import simulated
from tap_customerio.streams.activities import PAGE_SIZE
from tap_customerio.streams.folders import FolderStream
from tap_customerio.streams.lists import ChildStream, ListStream, Paged
from tap_customerio.streams.messages import Messages
from tap_customerio.streams.objects import (
    CustomerRelationships,
    ObjectRelationships,
    Objects,
    ObjectTypes,
)
from tap_customerio.streams.people import HYDRATED, SEARCHED, Customers
from tap_customerio.streams.segments_and_consents import Activities, SubscriptionPreferences
from tap_customerio.streams.series import TimeSeries
from tap_customerio.windows import BEGINNING, Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_customerio.streams.base import CustomerioStream

_LOG_REQUESTS = 2
"""After a search, two requests check the activity log for people who left meanwhile."""

_AT_LEAST = "At least: lists of several pages take more requests."
_AT_MOST = "At most: this is the size of the account's largest workspace."
_FILTERED = "Not estimated: the number of people who match customers_filter is unknown."


@dataclass
class Estimate:
    """The estimate for one stream, without the lists that streams share.

    A figure that has no cheap source is None; `more` marks requests and rows as lower bounds.
    """

    stream: str
    slices: int | None = None
    requests: int | None = None
    rows: int | None = None
    more: bool = False
    notes: list[str] = field(default_factory=list)

    def add(self, other: Estimate) -> None:
        """Add the estimate for another shard."""
        self.slices = _sum(self.slices, other.slices)
        self.requests = _sum(self.requests, other.requests)
        self.rows = _sum(self.rows, other.rows)
        self.more |= other.more
        self.notes += [note for note in other.notes if note not in self.notes]

    @property
    def is_complete(self) -> bool:
        """Whether all requests are counted."""
        return self.requests is not None and not self.more


def _sum(one: int | None, two: int | None) -> int | None:
    return None if one is None or two is None else one + two


def notes_of(estimates: Iterable[Estimate]) -> dict[str, list[str]]:
    """Notes, each once, with the streams that they concern."""
    notes: dict[str, list[str]] = {}
    for estimate in estimates:
        for note in estimate.notes:
            notes.setdefault(note, []).append(estimate.stream)
    return notes


def estimate_stream(stream: CustomerioStream, samples: Samples) -> Estimate:
    """The estimate, or the reason why there is none.

    Raises:
        FatalError: No stream can be estimated.
    """
    stream.queue()  # checks the state
    try:
        estimate = _estimate(stream, samples)
        shortfall = stream.shortfall()
    except errors.FatalError:
        raise
    except errors.TapError as error:
        return Estimate(stream.name, notes=[str(error)])
    estimate.notes += [] if shortfall is None else [shortfall]
    return estimate


@singledispatch
def _estimate(stream: CustomerioStream, samples: Samples) -> Estimate:  # noqa: ARG001
    return _per_slice(stream, more=True)


def _per_slice(stream: CustomerioStream, *, more: bool) -> Estimate:
    """One request per slice; without those that cannot be listed.

    Raises:
        TapError: No slice can be listed.
    """
    slices, failures = 0, dict[str, errors.TapError]()
    for slice_ in stream.slices():
        if isinstance(slice_, errors.TapError):
            failures[str(slice_)] = slice_
        else:
            slices += 1
    if failures and not slices:
        raise next(iter(failures.values()))
    gaps = [errors.sync.left_out("some of its requests", error) for error in failures]
    notes = gaps + ([_AT_LEAST] if more else [])
    return Estimate(stream.name, slices, slices, more=bool(notes), notes=notes)


@_estimate.register(ListStream)
@_estimate.register(FolderStream)  # Python 3.10 does not accept a union in the annotation
def _(stream: ListStream | FolderStream, samples: Samples) -> Estimate:  # noqa: ARG001
    return Estimate(stream.name, 1, 0, len(stream.listing(stream.client)))


@_estimate.register
def _(stream: ChildStream, samples: Samples) -> Estimate:  # noqa: ARG001
    return _per_slice(stream, more=isinstance(stream.shape, Paged))


@_estimate.register
def _(stream: TimeSeries, samples: Samples) -> Estimate:  # noqa: ARG001
    return _per_slice(stream, more=False)


@_estimate.register
def _(stream: Customers, samples: Samples) -> Estimate:  # noqa: ARG001
    return _of_people(stream, HYDRATED)


@_estimate.register(CustomerRelationships)
@_estimate.register(SubscriptionPreferences)
def _(stream: CustomerRelationships | SubscriptionPreferences, samples: Samples) -> Estimate:  # noqa: ARG001
    return _of_people(stream, 1)


def _of_people(stream: CustomerioStream, people_per_request: int) -> Estimate:
    """The people search, and the requests for each group of people."""
    if stream.settings.customers_filter:
        return Estimate(stream.name, notes=[_FILTERED])
    people, is_upper_bound = workspace_size(stream.client, "people")
    slices = math.ceil(people / people_per_request)
    requests = max(1, math.ceil(people / SEARCHED)) + _LOG_REQUESTS + slices
    rows = people if stream.primary_keys == ("cio_id",) else None
    notes = [_AT_MOST] if is_upper_bound else []
    return Estimate(stream.name, slices, requests, rows, notes=notes)


@_estimate.register(Objects)
@_estimate.register(ObjectRelationships)
def _(stream: Objects | ObjectRelationships, samples: Samples) -> Estimate:  # noqa: ARG001
    """A search per type, and one request per object."""
    number, is_upper_bound = workspace_size(stream.client, "objects")
    searches = len(ObjectTypes.listing(stream.client))
    rows = number if isinstance(stream, Objects) else None
    notes = [_AT_MOST] if is_upper_bound else []
    return Estimate(stream.name, number, searches + number, rows, notes=notes)


@_estimate.register
def _(stream: Activities, samples: Samples) -> Estimate:
    if not list(stream.slices()):
        return Estimate(stream.name, 0, 0, 0)
    since = max(stream.settings.start or BEGINNING, stream.client.present - stream.kept)
    log = samples.activities
    entries = PAGE_SIZE * len(log.newest)
    if log.is_short(since):
        return Estimate(stream.name, 1, notes=[errors.sync.short_log(entries, log.span)])
    notes = [errors.sync.rough_log(entries, log.span)] if log.is_rough(since) else []
    return Estimate(stream.name, 1, log.pages_since(since), notes=notes)


@_estimate.register
def _(stream: Messages, samples: Samples) -> Estimate:
    """Simulate the stream's windows on a curve of the delivery counts."""
    first = next(iter(stream.slices()), None)
    if first is None:
        return Estimate(stream.name, 0, 0, 0)
    client, settings = stream.client, stream.settings
    window = Window(first.start, min(settings.end or client.present, client.present))
    sampled, gaps = samples.deliveries
    counted, notes = listed(client, sampled, window)
    curve = Curve(counted)
    ahead = 1 if settings.concurrency == 1 else settings.concurrency + 2
    slices, requests = simulated(curve, window, ahead)
    requests += slices if settings.include_drafts else 0
    rows = round(curve.within(window))
    return Estimate(stream.name, slices, requests, rows, more=bool(gaps), notes=[*gaps, *notes])
