"""Counts over time, drawn in the terminal."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click
from rich.bar import Bar
from rich.text import Text

from tap_customerio import errors
from tap_customerio.console import table
from tap_customerio.streams.schema import json_type
from tap_customerio.streams.series import TimeSeries
from tap_customerio.streams.slices import checked
from tap_customerio.windows import bucket_after, bucket_start, buckets, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, RenderableType

    from tap_customerio.settings import Settings
    from tap_customerio.streams.base import CustomerioStream

Sums = dict[str, Counter[str]]

_BUCKETS = 30
_WIDEST_BAR = 60
_NARROWEST_BAR = 4
_BETWEEN = 3


def start_of(settings: Settings, present: int) -> str:
    """The default start of a chart, for thirty buckets."""
    resolution, zone = settings.metrics_resolution, settings.zone
    running = bucket_start(present, resolution, zone)
    return rfc3339(bucket_after(running, resolution, zone, 1 - _BUCKETS))


def show_chart(
    console: Console, stream: CustomerioStream, counts: Sequence[str], *, as_json: bool
) -> None:
    """Draw the sums of a stream's counts, one line per bucket.

    Raises:
        TapError: The stream has no such counts.
    """
    if not isinstance(stream, TimeSeries):
        raise errors.commands.no_chart(stream.name)
    kinds = stream.schema["properties"].items()
    known = [name for name, kind in kinds if json_type(kind) == "integer" and name[-3:] != "_id"]
    for name in counts:
        if name not in known:
            where = f"'tap-customerio fields {stream.name}'"
            raise errors.names.unknown(f"count in {stream.name}", name, known, where)
    sums = _empty(stream.settings, stream.client.present)
    with console.status(f"Reading {stream.name} …") as status:
        for done, rows in enumerate(_series(stream), start=1):
            status.update(f"Read {done} series of {stream.name} …")
            for row in rows:
                place = sums.setdefault(_label(row["period_start"], row), Counter())
                place.update({name: row[name] or 0 for name in counts})
    if as_json:
        for label, sum_ in sorted(sums.items()):
            click.echo(json.dumps({"period": label, **{name: sum_[name] for name in counts}}))
    else:
        _draw(console, counts, sums)


def _series(stream: TimeSeries) -> Iterable[list[dict[str, Any]]]:
    """Records of each source, read in parallel."""

    def read(slice_: Any) -> list[dict[str, Any]]:
        try:
            found = [stream.record(row, slice_) for rows in stream.pages(slice_) for row in rows]
        except errors.NotFoundError:  # deleted since it was listed
            return []
        return [dict(record) for record in found if record is not None]

    pool = ThreadPoolExecutor(stream.settings.concurrency)
    try:
        yield from pool.map(read, map(checked, stream.slices()))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _empty(settings: Settings, present: int) -> Sums:
    """Every bucket of the range, with zero counts."""
    resolution, zone = settings.metrics_resolution, settings.zone
    end = min(settings.end or present, present)
    first = bucket_start(settings.start or end, resolution, zone)
    bucketing = {"resolution": resolution, "timezone": settings.metrics_timezone}
    return {
        _label(rfc3339(bucket.start), bucketing): Counter()
        for bucket in buckets(first, end, resolution, zone)
    }


def _label(start: str, bucketing: dict[str, Any]) -> str:
    """The bucket's first day in its own time zone; for hours, the UTC hour."""
    if bucketing["resolution"] == "hours":
        return start[:13].replace("T", " ") + ":00"
    local = dt.datetime.fromtimestamp(parse(start), ZoneInfo(bucketing["timezone"]))
    return local.date().isoformat()


def _draw(console: Console, counts: Sequence[str], sums: Sums) -> None:
    """Draw one line per bucket, with bars if they fit."""
    total = sum(sums.values(), Counter[str]())
    most = {name: max(1, *(each[name] for each in sums.values())) for name in counts}
    numbers = sum(max(len(name), len(f"{total[name]:,}")) for name in counts)
    free = console.width - max(map(len, sums)) - numbers - _BETWEEN * (2 * len(counts) + 1)
    width = min(_WIDEST_BAR, free // len(counts))
    shown = table("from")
    for name in counts:
        shown.add_column(name, justify="right")
        if width >= _NARROWEST_BAR:
            shown.add_column()
    for label, each in [*sorted(sums.items()), ("all", total)]:
        cells: list[RenderableType] = []
        for name in counts:
            cells.append(f"{each[name]:,}")
            if width >= _NARROWEST_BAR:
                cells.append("" if each is total else _bar(console, each[name] / most[name], width))
        shown.add_row(label, *cells, style="bold" if each is total else None)
    console.print(shown)


def _bar(console: Console, share: float, width: int) -> RenderableType:
    if console.options.ascii_only:
        return Text("#" * round(width * share))
    return Bar(1, 0, share, width=width)
