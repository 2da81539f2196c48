"""Counts of several resolutions: the models and verify agree with each other and with the truth."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import datetime, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import duckdb
import pytest
from terminal import typed

from tap_customerio.windows import DAY, HOUR, bucket_after, bucket_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from transform.dbt_run import Built

    from tap_customerio.windows import Resolution

pytestmark = pytest.mark.slow

FIRST = int(datetime(2026, 1, 5, tzinfo=timezone.utc).timestamp())
DAYS = 150
SENDERS = 60
RESOLUTIONS: list[Resolution] = ["days", "weeks", "months", "hours"]
ZONES = ("UTC", "America/New_York", "Pacific/Auckland")
REACH = {"hours": 1, "days": 45, "weeks": 84, "months": 3650}
LOST = 10
"""Every tenth sender lacks deliveries."""

TABLES = (
    "broadcasts (id bigint)",
    "campaigns (id bigint)",
    """messages (
        id varchar, campaign_id bigint, newsletter_id bigint, created timestamp, updated timestamp,
        metrics json
    )""",
    """metrics (
        source_type varchar, source_id bigint, resolution varchar, timezone varchar,
        period_start timestamp, sent bigint, is_partial boolean
    )""",
)
LIKE_METRICS = {
    "link_metrics": "* exclude sent, 1 as link_id, 'https://example.com' as href, sent as clicked, "
    "sent as human_clicked",
    "journey_metrics": "* exclude (source_type, source_id, sent), source_id as campaign_id, "
    "sent as started",
}
"""Other streams with the same counts."""


class Sender(NamedTuple):
    """What a sender sent, what of it was loaded, and its counts."""

    number: int
    sent: list[int]
    loaded: list[int]
    counts: list[tuple[Any, ...]]


def senders() -> Iterator[Sender]:
    """Senders whose resolution or time zone changed up to twice."""
    draw = random.Random(5)
    for number in range(1, SENDERS + 1):
        every = draw.choice((0.3, 2, 24))
        hours = range(int(DAYS * 24 // every))
        sent = sorted(
            FIRST + int(draw.random() * DAYS * DAY) for _ in hours[: draw.choice((9, 99))]
        )
        lost = FIRST + draw.randrange(30, 120) * DAY
        is_lossy = number % LOST == 0
        loaded = [at for at in sent if not is_lossy or not lost <= at < lost + 9 * DAY]
        changes = sorted(draw.sample(range(20, DAYS - 5), draw.choice((0, 1, 1, 2))))
        counts: dict[tuple[Any, ...], tuple[int, bool]] = {}
        for start, end in pairwise([0, *changes, DAYS]):
            resolution, zone = draw.choice(RESOLUTIONS), draw.choice(ZONES)
            for read in (start, end) if resolution != "hours" else range(start, end):
                counts |= count(sent, resolution, zone, FIRST + read * DAY + 11 * HOUR)
        rows = [(number, *key, *value) for key, value in counts.items()]
        yield Sender(number, sent, loaded, rows)


def count(
    sent: list[int], resolution: Resolution, zone: str, now: int
) -> dict[tuple[Any, ...], tuple[int, bool]]:
    """Customer.io's counts at a time."""
    starts = Counter(
        bucket_start(at, resolution, ZoneInfo(zone))
        for at in sent
        if now - REACH[resolution] * DAY < at < now
    )
    return {
        (resolution, zone, start): (number, bucket_after(start, resolution, ZoneInfo(zone)) > now)
        for start, number in starts.items()
    }


def stamp(at: int) -> str:
    """A time, as loaders write it."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


@pytest.fixture(scope="module")
def truth() -> list[Sender]:
    """All senders."""
    return list(senders())


@pytest.fixture(scope="module")
def compared(make_built: Callable[..., Built], truth: list[Sender]) -> Built:
    """Their deliveries and counts, compared; the first two are of a campaign and a broadcast."""
    built = make_built("duckdb")
    with duckdb.connect(str(built.folder / "warehouse.duckdb")) as database:
        database.execute("create schema customerio")
        for table in TABLES:
            database.execute(f"create table customerio.{table}")
        for table in ("campaigns", "broadcasts"):
            database.execute(f"insert into customerio.{table} values (1), (2)")
        for each in truth:
            kind = "campaign" if each.number < SENDERS / 2 else "newsletter"
            ids = f"{each.number}, null" if kind == "campaign" else f"null, {each.number}"
            rows = [
                f"('{each.number}-{place}', {ids}, '{stamp(at)}', '{stamp(at)}', "
                f"""'{{"sent": "{stamp(at)}"}}')"""
                for place, at in enumerate(each.loaded)
            ]
            database.execute(f"insert into customerio.messages values {', '.join(rows)}")
            rows = [
                f"('{kind}', {number}, '{resolution}', '{zone}', '{stamp(at)}', {sent}, {partial})"
                for number, resolution, zone, at, sent, partial in each.counts
            ]
            database.execute(f"insert into customerio.metrics values {', '.join(rows)}")
        for table, columns in LIKE_METRICS.items():
            query = f"select {columns} from customerio.metrics"
            database.execute(f"create table customerio.{table} as {query}")
    models = ("reconciliation", "links", "journey_funnel")
    built.dbt("run", "--select", *(f"+customerio__{model}" for model in models))
    return built


def verified(built: Built) -> dict[str, Any]:
    """The output of verify."""
    url = f"duckdb:///{built.folder / 'warehouse.duckdb'}"
    found: dict[str, Any] = json.loads(typed("verify", "--warehouse", url, "--json").out)
    return found


def test_verify_and_the_model_agree(compared: Built) -> None:
    rows = compared.ask("select * from customerio__reconciliation")
    months: dict[str, Counter[str]] = {}
    for row in rows:
        month = months.setdefault(row["day"].strftime("%Y-%m"), Counter())
        if row["source_type"] == "unknown":
            month["unknown_sender"] += row["loaded_sent"]
        elif row["status"] == "not covered":
            month["uncounted"] += row["loaded_sent"]
        else:
            month.update(counted=int(row["counted_sent"]), loaded=row["loaded_sent"])
    said = verified(compared)
    assert {name: +month for name, month in months.items()} == {
        name: +Counter({what: month[what] for what in month if what != "missing"})
        for name, month in said.items()
    }
    missing = {
        (row["source_type"], row["source_id"], str(row["day"]), int(row["missing_sent"]))
        for row in rows
        if row["status"] == "missing"
    }
    assert missing == {
        (each["source_type"], each["source_id"], each["day"], each["sent"] - each["loaded"])
        for month in said.values()
        for each in month["missing"]
    }
    assert {row["status"] for row in rows} >= {"equal", "not covered", "unknown sender", "missing"}


def test_only_what_was_lost_is_missing(compared: Built, truth: list[Sender]) -> None:
    rows = compared.ask("select * from customerio__reconciliation where status = 'missing'")
    assert len({row["source_id"] for row in rows}) > 2
    for row in rows:
        each = truth[row["source_id"] - 1]
        assert row["missing_sent"] == sum(
            row["period_start"] <= datetime.fromisoformat(stamp(at)) < row["period_end"]
            for at in set(each.sent) - set(each.loaded)
        )


def test_each_time_is_compared_once(compared: Built, truth: list[Sender]) -> None:
    rows = compared.ask(
        "select source_id, status, period_start, period_end, loaded_sent "
        "from customerio__reconciliation order by source_id, period_start"
    )
    assert sum(row["loaded_sent"] for row in rows) == sum(len(each.loaded) for each in truth)
    counted = [row for row in rows if row["status"] not in {"not covered", "unknown sender"}]
    for one, other in pairwise(counted):
        if one["source_id"] == other["source_id"]:
            assert one["period_end"] <= other["period_start"]


def test_links_and_journeys_use_the_same_counts(compared: Built) -> None:
    counted = compared.ask(
        "select source_id, resolution, timezone, period_start, counted_sent as count "
        "from customerio__reconciliation where counted_sent > 0"
    )
    journeys = compared.ask(
        "select campaign_id as source_id, resolution, timezone, period_start, started as count "
        "from customerio__journey_funnel"
    )
    assert sorted(map(str, journeys)) == sorted(map(str, counted))
    assert len({row["resolution"] for row in journeys}) == len(RESOLUTIONS)
    clicks = Counter[int]()
    for row in counted:
        clicks[row["source_id"]] += row["count"]
    links = compared.ask("select source_id, counted_clicks, href from customerio__links")
    assert {row["source_id"]: row["counted_clicks"] for row in links} == clicks
    assert all(row["href"] for row in links)
