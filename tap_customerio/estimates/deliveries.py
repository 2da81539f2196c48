"""The number of deliveries over time, from the API's counts."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_customerio import errors
from tap_customerio.api.client import quoted
from tap_customerio.api.values import count_of, identifier, seconds, within
from tap_customerio.streams.senders import SENDER_STREAMS, last_send
from tap_customerio.streams.slices import attempted
from tap_customerio.windows import (
    DAY,
    EASTERN,
    HOUR,
    LONGEST_PERIOD,
    V1_REACH,
    Window,
    bucket_after,
    bucket_start,
    buckets,
    rfc3339,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor, Future

    from tap_customerio.api.client import Client
    from tap_customerio.windows import Resolution

_MOST_DAYS = 3_600
_MOST_DELIVERIES = 10**12
"""Maximum of one count; larger ones are errors of the API."""


class Count(NamedTuple):
    """The number of deliveries created within a window."""

    window: Window
    number: float


class Curve:
    """Deliveries created before a moment; a count is spread evenly over its window."""

    def __init__(self, counts: Iterable[Count]) -> None:
        """Add up all counts."""
        slopes: dict[int, float] = defaultdict(float)
        for window, number in counts:
            slopes[window.start] += number / window.width
            slopes[window.end] -= number / window.width
        self._moments = sorted(slopes)
        rates = [max(0.0, rate) for rate in accumulate(slopes[at] for at in self._moments)]
        widths = [after - at for at, after in pairwise(self._moments)]
        grown = [rate * width for rate, width in zip(rates, widths, strict=False)]
        self._totals = list(accumulate(grown, initial=0.0)) if self._moments else []

    def until(self, moment: int) -> float:
        """The number created before a moment."""
        place = bisect_right(self._moments, moment)
        if place in {0, len(self._moments)}:
            return self._totals[-1] if place and self._totals else 0.0
        start, end = self._moments[place - 1 : place + 1]
        low, high = self._totals[place - 1 : place + 1]
        return low + (high - low) * (moment - start) / (end - start)

    def within(self, window: Window) -> float:
        """The number created in a window."""
        return self.until(window.end) - self.until(window.start)

    def back_from(self, moment: int, number: float) -> int:
        """The start of a window that ends at a moment and holds this many deliveries."""
        wanted = self.until(moment) - number
        place = bisect_left(self._totals, wanted)
        if place in {0, len(self._totals)}:
            return self._moments[0] if self._moments else moment
        start, end = self._moments[place - 1 : place + 1]
        low, high = self._totals[place - 1 : place + 1]
        return start + int((end - start) * (wanted - low) / (high - low))


class Counted(NamedTuple):
    """Counts of deliveries, and the reasons why some are missing."""

    counts: list[Count]
    gaps: list[str]


def counts(client: Client, window: Window, workers: int, most: int) -> Counted:
    """Counts of all senders within a window; one or two requests per sender.

    If a type has more than `most` senders, a sample of this size represents all.

    Raises:
        TapError: No sender can be counted.
    """
    found: list[Count] = []
    failures: dict[str, errors.TapError] = {}
    with ThreadPoolExecutor(workers) as pool:
        submitted = {
            kind: list(attempted(partial(_submitted, pool, client, kind, window, most)))
            for kind in SENDER_STREAMS
        }
        for kind, reads in submitted.items():
            for read in reads:
                for item in [read] if isinstance(read, errors.TapError) else attempted(read):
                    if isinstance(item, errors.TapError):
                        failures.setdefault(kind, item)
                    else:
                        found.append(item)
    if failures and not found:
        raise next(iter(failures.values()))
    names = {kind: SENDER_STREAMS[kind].name.replace("_", " ") for kind in failures}
    missing = {kind: f"deliveries of {names[kind]}" for kind in failures}
    return Counted(found, [errors.sync.left_out(missing[k], str(p)) for k, p in failures.items()])


def _submitted(
    pool: Executor, client: Client, kind: str, window: Window, most: int
) -> Iterator[Callable[[], Iterator[Count]]]:
    """Request the counts of senders of a type; yields functions that wait for them."""
    for weight, row in _sample(SENDER_STREAMS[kind].listing(client), kind, window, most):
        future = pool.submit(_counts_of, client, kind, row, window)
        yield partial(_weighted, future, weight)


def _weighted(future: Future[list[Count]], weight: float) -> Iterator[Count]:
    for count in future.result():
        yield Count(count.window, count.number * weight)


def listed(client: Client, counted: list[Count], window: Window) -> tuple[list[Count], list[str]]:
    """The counts of deliveries that the API still lists, with a note if it lacks the old ones."""
    recent = client.present - LONGEST_PERIOD
    if _still_there(client, counted, Window(window.start, min(window.end, recent))):
        return counted, []
    left = [count for count in counted if count.window.start >= recent]
    return left, [errors.sync.too_old(rfc3339(recent))]


def _still_there(client: Client, counted: Iterable[Count], window: Window) -> bool:
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


def _sample(
    rows: list[dict[str, Any]], kind: str, window: Window, most: int
) -> Iterator[tuple[float, dict[str, Any]]]:
    """Senders that may have sent something within the window, and how many each represents."""
    able = [
        row
        for row in rows
        if identifier(row) is not None
        and (seconds(row, "created") or seconds(row, "created_at") or 0) < window.end
        and last_send(row) > window.start
        and (
            kind != "newsletter"
            or window.start - DAY <= (seconds(row, "sent_at") or 0) < window.end
        )
    ]
    sampled = able[:: math.ceil(len(able) / most) or 1]
    return ((len(able) / len(sampled), row) for row in sampled)


def _counts_of(client: Client, kind: str, row: dict[str, Any], window: Window) -> list[Count]:
    path = f"{SENDER_STREAMS[kind].path}/{quoted(identifier(row))}/metrics"
    with suppress(errors.NotFoundError):
        if kind == "campaign":
            return list(_between_dates(client, path, window))
        found = list(_counted_back(client, path, window))
        if kind == "newsletter":
            sent = seconds(row, "sent_at") or 0
            return [Count(Window(sent, sent + HOUR), sum(count.number for count in found))]
        return found
    return []


def _between_dates(client: Client, path: str, window: Window) -> Iterator[Count]:
    end = window.end + -window.end % DAY
    for start in range(window.start - window.start % DAY, end, _MOST_DAYS * DAY):
        stretch = Window(start, min(start + _MOST_DAYS * DAY, end))
        bounds = {"start": stretch.start, "end": stretch.end}
        params = {"version": "2", "res": "days", "tz": "UTC", **bounds}
        created = _created(client.fetch("GET", path, params=params))
        for day, count in zip(stretch.cut(stretch.width // DAY), created):  # noqa: B905 - the API may add a bucket
            yield Count(day, count)


def _counted_back(client: Client, path: str, window: Window) -> Iterator[Count]:
    resolution = _finest(client.present, window.start)
    params = {"period": resolution, "steps": V1_REACH[resolution]}
    response = client.fetch("GET", path, params=params)
    created = _created(response)
    running = bucket_start(response.at, resolution, EASTERN)
    first = bucket_after(running, resolution, EASTERN, 1 - len(created))
    for bucket, count in zip(buckets(first, response.at + 1, resolution, EASTERN), created):  # noqa: B905
        yield Count(Window(bucket.start, min(bucket.end, response.at + 1)), count)


def _finest(present: int, start: int) -> Resolution:
    """The smallest buckets that still reach back to `start`."""
    for resolution in ("days", "weeks"):
        running = bucket_start(present, resolution, EASTERN)
        if bucket_after(running, resolution, EASTERN, 1 - V1_REACH[resolution]) <= start:
            return resolution
    return "months"


def _created(metrics: Any) -> list[int]:
    numbers = within(within({"metric": metrics.get("metric")}, "metric"), "series").get("created")
    counted = map(count_of, numbers if isinstance(numbers, list) else ())
    return [min(number or 0, _MOST_DELIVERIES) for number in counted]
