"""The command that compares loaded deliveries with Customer.io's own counts."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta, timezone
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import click

from tap_customerio import errors
from tap_customerio.commands.console import make_console
from tap_customerio.commands.warehouse import Warehouse, warehouse_options
from tap_customerio.windows import (
    BEGINNING,
    DAY,
    LONGEST_PERIOD,
    V1_REACH,
    bucket_after,
    bucket_start,
)
from tap_customerio.wording import counted as numbered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_customerio.windows import Resolution

    Sender = tuple[str, int]
    Key = tuple[Sender, "Bucketing", int]

_SLOT = 900  # offsets of time zones are multiples of a quarter of an hour
_SETTLING = 2 * DAY
_SLACK = timedelta(days=2)

_FINEST: list[Resolution] = [*V1_REACH]
_UNKNOWN = "unknown"
_COUNTED = """
    select source_type, source_id, resolution, timezone, period_start, sent, is_partial
    from {metrics}
    where source_type is not null and source_id is not null and timezone is not null
        and resolution in ('hours', 'days', 'weeks', 'months')
"""
_OF_TYPE = "select source_id from {metrics} where source_type = '{kind}'"
_LOADED = """
    select
        coalesce(source_type, case
            when nullif(newsletter_id, 0) is not null then 'newsletter'
            when nullif(transactional_message_id, 0) is not null then 'transactional'
            when nullif(broadcast_id, 0) is not null then 'broadcast'
            when campaign_id in ({broadcasts}) and campaign_id in ({campaigns}) then '{unknown}'
            when campaign_id in ({broadcasts}) then 'broadcast'
            when campaign_id in ({campaigns}) then 'campaign'
            when nullif(source_id, 0) is not null then '{unknown}'
            when nullif(campaign_id, 0) is not null then 'campaign'
        end),
        coalesce(
            nullif(source_id, 0), nullif(newsletter_id, 0), nullif(transactional_message_id, 0),
            nullif(broadcast_id, 0), nullif(campaign_id, 0)
        ),
        cast(floor(extract(epoch from created) / 900) as bigint),
        count(metrics ->> 'sent')
    from {messages}
    group by 1, 2, 3
"""
"""Senders are derived as in int_customerio__messages of the dbt package."""
_AMBIGUOUS = "({broadcasts}) intersect ({campaigns})"
_CREATED = "select min(created), max(created) from {messages}"
_NEWEST = """
    select max(case when updated > created and updated < {future} then updated else created end)
    from {messages}
    union all
    select max(period_start) from {metrics}
"""
_IMPOSSIBLE = "select (select count(*) from {every}) - (select count(*) from {messages})"
_MAY_LACK = {
    "source_type": "varchar",
    **dict.fromkeys(
        (
            *("source_id", "newsletter_id", "transactional_message_id", "broadcast_id"),
            "campaign_id",
        ),
        "bigint",
    ),
    "updated": "timestamp",
}
"""Columns of messages that an older tap did not write, or that were not selected."""


class Bucketing(NamedTuple):
    """Resolution and time zone of a sender's counts."""

    resolution: Resolution
    zone: ZoneInfo

    def start(self, moment: int) -> int:
        """First second of the bucket that holds a moment."""
        return bucket_start(moment, self.resolution, self.zone)

    def end(self, start: int) -> int:
        """First second after the bucket with this start."""
        return bucket_after(start, self.resolution, self.zone)

    def day(self, moment: int) -> str:
        """The date in the zone."""
        return datetime.fromtimestamp(moment, self.zone).date().isoformat()


_UTC_DAYS = Bucketing("days", ZoneInfo("UTC"))


class Stretch(NamedTuple):
    """A stretch of time in which one resolution and zone of a sender's counts is used."""

    bucketing: Bucketing
    start: int
    end: float

    def includes(self, start: int) -> bool:
        """Whether the bucket with this start is within it."""
        return start >= self.start and self.bucketing.end(start) <= self.end


class Bucket(NamedTuple):
    """Counts of a sender's bucket on both sides."""

    sender: Sender
    bucketing: Bucketing
    start: int
    counted: int
    loaded: int
    is_uncertain: bool

    @property
    def end(self) -> int:
        """First second after it."""
        return self.bucketing.end(self.start)

    def is_certain(self, first: int, newest: int, last: int) -> bool:
        """Whether counts must agree, for deliveries created from `first` to `newest`.

        Loading may begin and end within a bucket; `last` is the time of the last change.
        """
        if self.is_uncertain or self.end > last - _SETTLING or self.start < last - LONGEST_PERIOD:
            return False
        edges = self.bucketing.start(first), self.bucketing.start(newest)
        return self.start > edges[0] and self.start != edges[1]


class Month(NamedTuple):
    """The result for a month."""

    counted: int
    loaded: int
    uncounted: int
    unknown_sender: int
    missing: list[Bucket]

    def sentence(self, name: str) -> str:
        """The result as a sentence."""
        text = f"{name}: {self.counted:,} sent by Customer.io, {self.loaded:,} loaded"
        if self.missing:
            text += f", {sum(each.counted - each.loaded for each in self.missing):,} missing"
        if self.uncounted:
            text += f"; {self.uncounted:,} more loaded, which Customer.io's counts do not cover"
        if self.unknown_sender:
            text += f"; {self.unknown_sender:,} more loaded, sent by a campaign or a broadcast"
        return f"{text}."


@click.command()
@warehouse_options()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.pass_context
def verify(ctx: click.Context, url: str, schema: str, *, as_json: bool) -> None:
    """Compare the loaded deliveries with Customer.io's own counts, month by month.

    Reads the tables messages and metrics. Exit code 1: deliveries are missing. These differences do
    not count as missing: in the two days before the newest change or count, up to the first day of
    loaded deliveries, on their last day, and more than 180 days ago.

    Example: tap-customerio verify --warehouse duckdb:///warehouse.duckdb
    """
    warehouse = Warehouse(url, schema)
    try:
        tables = _tables(warehouse)
        months = compare(warehouse, tables)
        [(impossible,)] = warehouse.query(_IMPOSSIBLE, **tables)
    finally:
        warehouse.close()
    if impossible:
        what = numbered(impossible, "loaded delivery", "loaded deliveries")
        click.echo(
            f"Left out: {what} created before 2012, in the future or without a time.", err=True
        )
    if as_json:
        click.echo(json.dumps({name: _as_json(month) for name, month in months.items()}))
    else:
        _show(months)
    ctx.exit(any(month.missing for month in months.values()))


def compare(warehouse: Warehouse, tables: dict[str, str]) -> dict[str, Month]:
    """Counted and loaded deliveries, by month.

    Raises:
        TapError: There is nothing to compare.
    """
    [(first, newest)] = warehouse.query(_CREATED, **tables)
    rows = warehouse.query(_COUNTED, **tables)
    if first is None or not rows:
        raise errors.commands.nothing_to_verify()
    known = warehouse.query(_NEWEST, **tables)
    last = max(_seconds(moment) for (moment,) in known if moment)
    counted, running = _counts(rows)
    stretches = _stretches(counted, running)
    loaded, uncounted = _loaded(warehouse.query(_LOADED, **tables), stretches)
    ambiguous = {number for (number,) in warehouse.query(_AMBIGUOUS, **tables)}
    buckets = [
        Bucket(*key, counted[key], loaded[key], key in running or _is_among(ambiguous, key[0]))
        for key in {**counted, **loaded}
        if any(key[1] == each.bucketing and each.includes(key[2]) for each in stretches[key[0]])
    ]
    missing = list(_missing(buckets, _seconds(first), _seconds(newest), last))
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for each in buckets:
        sums[each.bucketing.day(each.start)[:7]].update(counted=each.counted, loaded=each.loaded)
    for (sender, bucketing, start), number in uncounted.items():
        is_known = sender[0] != _UNKNOWN and not _is_among(ambiguous, sender)
        what = "uncounted" if is_known else "unknown_sender"
        sums[bucketing.day(start)[:7]][what] += number
    return {
        name: Month(
            month["counted"],
            month["loaded"],
            month["uncounted"],
            month["unknown_sender"],
            [each for each in missing if each.bucketing.day(each.start).startswith(name)],
        )
        for name, month in sorted(sums.items())
    }


def _tables(warehouse: Warehouse) -> dict[str, str]:
    """Table expressions for the queries, and the values in them."""
    future = (datetime.now(timezone.utc) + _SLACK).date()
    every = warehouse.rows_of("messages", _MAY_LACK)
    metrics = _possible(warehouse.rows_of("metrics"), "period_start", future)
    tables = {"every": every, "messages": _possible(every, "created", future), "metrics": metrics}
    for table, kind in (("broadcasts", "broadcast"), ("campaigns", "campaign")):
        tables[table] = _OF_TYPE.format(metrics=metrics, kind=kind)
        if "id" in warehouse.columns(table):
            tables[table] += f" union all select id from {warehouse.rows_of(table)}"  # noqa: S608
    return {**tables, "unknown": _UNKNOWN, "future": f"date '{future}'"}


def _possible(rows: str, column: str, future: date) -> str:
    """Rows with a possible time; one impossible time would make all others look old or missing."""
    beginning = datetime.fromtimestamp(BEGINNING, timezone.utc).date()
    condition = f"{column} >= date '{beginning}' and {column} < date '{future}'"
    return f"(select * from {rows} where {condition}) as possible"  # noqa: S608


def _counts(rows: Iterable[tuple[Any, ...]]) -> tuple[Counter[Key], set[Key]]:
    """Sent deliveries by bucket, and the buckets that had not ended."""
    counted: Counter[Key] = Counter()
    running = set()
    for kind, number, resolution, zone, start, sent, is_partial in rows:
        bucketing = Bucketing(resolution, ZoneInfo(zone))
        key = ((kind, number), bucketing, bucketing.start(_seconds(start)))
        counted[key] += sent or 0
        if is_partial:
            running.add(key)
    return counted, running


def _stretches(counted: Iterable[Key], running: set[Key]) -> dict[Sender, list[Stretch]]:
    """The stretches of each sender, as in the macro `stretches` of the dbt package.

    From its first bucket on, the resolution that reaches furthest counts (the finest, if several
    do): to the end of its last bucket that was over, or the start of a running one. Before that,
    the next one counts. A coarser bucket that reaches into finer ones counts if it was over when it
    was read: then the finer ones count from its end.
    """
    starts: dict[Sender, dict[Bucketing, list[int]]] = defaultdict(lambda: defaultdict(list))
    for sender, bucketing, start in counted:
        starts[sender][bucketing].append(start)
    found: dict[Sender, list[Stretch]] = defaultdict(list)
    for sender, buckets in starts.items():
        end = math.inf
        for bucketing, start in _beginnings(sender, buckets, running):
            found[sender].append(Stretch(bucketing, start, end))
            end = min(end, start)
    return found


def _beginnings(
    sender: Sender, buckets: dict[Bucketing, list[int]], running: set[Key]
) -> list[tuple[Bucketing, int]]:
    """Where each resolution begins to count, the one that reaches furthest first."""

    def rank(each: Bucketing) -> tuple[int, int, str]:
        ends = (s if (sender, each, s) in running else each.end(s) for s in buckets[each])
        return -max(ends), _FINEST.index(each.resolution), str(each.zone)

    ordered = sorted(buckets, key=rank)
    limits = accumulate((min(buckets[each]) for each in ordered), min, initial=math.inf)
    found: list[tuple[Bucketing, int]] = []
    former_end = 0
    for bucketing, limit in reversed([*zip(ordered, limits, strict=False)]):
        found.append((bucketing, max(former_end, min(buckets[bucketing]))))
        for start in buckets[bucketing]:
            end = bucketing.end(start)
            if start < limit and (end <= limit or (sender, bucketing, start) not in running):
                former_end = max(former_end, end)
    return found[::-1]


def _loaded(
    rows: Iterable[tuple[Any, ...]], stretches: dict[Sender, list[Stretch]]
) -> tuple[Counter[Key], Counter[Key]]:
    """Sent deliveries in buckets that Customer.io counts, and the others by day."""
    loaded: Counter[Key] = Counter()
    uncounted: Counter[Key] = Counter()
    for kind, number, slot, sent in rows:
        sender, moment = (kind, number), slot * _SLOT
        for each in stretches[sender]:
            start = each.bucketing.start(moment)
            if each.start <= moment < each.end and each.includes(start):
                loaded[sender, each.bucketing, start] += sent
                break
        else:
            uncounted[sender, _UTC_DAYS, _UTC_DAYS.start(moment)] += sent
    return loaded, uncounted


def _is_among(ambiguous: set[int], sender: Sender) -> bool:
    """Whether a campaign or a broadcast has the id of one of the other kind."""
    return sender[0] in {"campaign", "broadcast"} and sender[1] in ambiguous


def _missing(buckets: Iterable[Bucket], first: int, newest: int, last: int) -> Iterator[Bucket]:
    """Buckets that lack deliveries; none if the sums of a sender agree."""
    differing: dict[Sender, list[Bucket]] = defaultdict(list)
    for each in buckets:
        if each.counted != each.loaded and each.is_certain(first, newest, last):
            differing[each.sender].append(each)
    for sender in differing.values():
        if sum(each.counted - each.loaded for each in sender):
            yield from (each for each in sender if each.counted > each.loaded)


def _show(months: dict[str, Month]) -> None:
    console = make_console()
    for name, month in months.items():
        console.print(month.sentence(name))
        for each in sorted(month.missing, key=lambda bucket: (bucket.start, bucket.sender)):
            kind, number = each.sender
            counts = f"{each.counted:,} sent, {each.loaded:,} loaded"
            console.print(f"  {each.bucketing.day(each.start)} {kind} {number}: {counts}")
    missing = [each for month in months.values() for each in month.missing]
    if missing:
        start = min(each.start for each in missing)
        end = max(each.end for each in missing) + DAY
        dates = (datetime.fromtimestamp(each, timezone.utc).date() for each in (start, end))
        console.print(
            "Read the missing time again: tap-customerio backfill --stream messages --from {} "
            "--to {} --config … --target '…'".format(*dates),
            soft_wrap=True,
        )


def _as_json(month: Month) -> dict[str, Any]:
    missing = [
        {
            "source_type": each.sender[0],
            "source_id": each.sender[1],
            "day": each.bucketing.day(each.start),
            "sent": each.counted,
            "loaded": each.loaded,
        }
        for each in month.missing
    ]
    return {**month._asdict(), "missing": missing}


def _seconds(moment: datetime) -> int:
    """Unix seconds of a time that is in UTC, whether it says so or not."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return int(aware.timestamp())
