"""Sums over time series stay right: changed settings, duplicate links, moving clocks."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from harness import NOW, Output, config_for, few_senders, new_sandbox, run_tap

from tap_customerio.streams import all_streams
from tap_customerio.streams.series import TimeSeries
from tap_customerio.windows import EASTERN, HOUR, bucket_start, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import Message, Receive, Scope, Send

    from tap_customerio.sandbox import Sandbox

SERIES = [stream_class for stream_class in all_streams() if issubclass(stream_class, TimeSeries)]
METRICS = "/v1/campaigns/1/metrics"
FROM = {"start_date": "2026-02-01"}


@pytest.fixture(scope="module")
def one() -> Iterator[Sandbox]:
    with new_sandbox(workspace=few_senders(per_day=10, newsletters=1)) as sandbox:
        yield sandbox


@pytest.fixture
def box(one: Sandbox) -> Sandbox:
    """One sandbox for all tests, without the planned failures of others."""
    one.middleware.failures.clear()
    return one


@pytest.fixture(scope="module")
def first(one: Sandbox) -> Output:
    """Counts with the default settings."""
    return run_tap(config_for(one, **FROM), streams=["metrics"])


def table(*outputs: Output) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The table of a target after these runs: the last row of each key."""
    keys = outputs[0].keys["metrics"]
    rows = [row for output in outputs for row in output.records["metrics"]]
    return {tuple(row[key] for key in keys): row for row in rows}


def total(rows: Any, column: str = "sent") -> int:
    return sum(row[column] or 0 for row in rows)


@pytest.mark.parametrize("stream_class", SERIES, ids=lambda stream_class: stream_class.name)
def test_rows_of_two_zones_have_different_keys(stream_class: type[TimeSeries]) -> None:
    assert {"resolution", "timezone", "period_start"} < set(stream_class.primary_keys)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"metrics_timezone": "America/New_York"},
        {"metrics_resolution": "weeks"},
        {"metrics_timezone": "Asia/Kolkata", "metrics_resolution": "months"},
    ],
)
def test_the_warning_of_changed_settings_contains_the_right_query(
    box: Sandbox, first: Output, caplog: pytest.LogCaptureFixture, change: dict[str, str]
) -> None:
    config = {**config_for(box, **FROM), "metrics_lookback_days": 1}
    second = run_tap({**config, **change}, streams=["metrics"], state=first.states[-1])
    third = run_tap({**config, **change}, streams=["metrics"], state=second.states[-1])
    [statement] = re.findall(r"remove them with: (DELETE FROM metrics .*?;)", caplog.text)
    loaded = list(table(first, second, third).values())
    fresh = run_tap({**config, **change}, streams=["metrics"]).records["metrics"]
    assert total(loaded) > total(fresh) > 0
    columns = ("source_type", "source_id", "resolution", "timezone", "sent")
    with duckdb.connect() as database:
        database.execute(
            "create table metrics (source_type text, source_id bigint, resolution text, "
            "timezone text, sent bigint)"
        )
        rows = [[row[column] for column in columns] for row in loaded]
        database.executemany("insert into metrics values (?, ?, ?, ?, ?)", rows)
        database.execute(statement)
        assert database.execute("select sum(sent) from metrics").fetchone() == (total(fresh),)


@pytest.mark.slow
def test_a_partial_read_with_other_settings_does_not_count_as_full(
    box: Sandbox, first: Output
) -> None:
    rome = {
        **config_for(box, **FROM),
        "metrics_timezone": "Europe/Rome",
        "metrics_lookback_days": 1,
    }
    part = run_tap({**rome, "end_date": "2026-03-01"}, streams=["metrics"], state=first.states[-1])
    whole = run_tap(rome, streams=["metrics"], state=part.states[-1])
    assert part.bookmark("metrics") == rfc3339(NOW)
    assert whole.records["metrics"] == run_tap(rome, streams=["metrics"]).records["metrics"]


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["link_metrics", "journey_metrics"])
def test_another_zone_changes_nothing_for_streams_without_zones(
    box: Sandbox, caplog: pytest.LogCaptureFixture, stream: str
) -> None:
    config = {**config_for(box), "metrics_lookback_days": 1}
    first = run_tap(config, streams=[stream])
    rome = {**config, "metrics_timezone": "Europe/Rome"}
    second = run_tap(rome, streams=[stream], state=first.states[-1])
    assert (
        second.records[stream]
        == run_tap(config, streams=[stream], state=first.states[-1]).records[stream]
    )
    assert "read again" not in caplog.text


def test_a_state_cannot_inject_text_into_the_query(
    box: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    mark = {"replication_key_value": rfc3339(NOW), "timezone": "UTC", "resolution": "x'; drop"}
    run_tap(config_for(box), streams=["metrics"], state={"bookmarks": {"metrics": mark}})
    assert "drop" not in caplog.text
    assert "DELETE" not in caplog.text


def test_entries_of_one_link_are_added_up(box: Sandbox) -> None:
    entry = {"link": {"id": 7, "href": "https://www.example.org"}}
    links = [
        {**entry, "metric": {"series": {"clicked": [2, 3]}}},
        {"link": {"id": "7", "href": None}, "metric": {"series": {"clicked": ["5"]}}},
        {"link": {"id": 8}, "metric": {"series": {"clicked": None, "human_clicked": [1]}}},
    ]
    box.fail(status=200, body={"links": links}, path="/v1/campaigns/1/metrics/links")
    output = run_tap(config_for(box), streams=["link_metrics"])
    rows = [
        row
        for row in output.records["link_metrics"]
        if (row["source_type"], row["source_id"]) == ("campaign", 1)
    ]
    counts = [(row["link_id"], row["clicked"], row["human_clicked"]) for row in rows]
    assert counts == [("7", 2, None), ("7", 8, None), ("8", None, 1)]
    assert rows[0]["href"] == "https://www.example.org"
    today = rfc3339(bucket_start(int(NOW), "days", EASTERN))
    assert [row["period_start"] for row in rows][1:] == [today, today]


def stated(box: Sandbox, start: object, **settings: Any) -> list[str]:
    """The starts of both buckets of a campaign whose response states this start."""
    body = {"metric": {"series": {"created": [4, 5]}}, "start": start}
    box.fail(status=200, body=body, path=METRICS)
    config = config_for(box, start_date="2026-02-10", **settings)
    rows = run_tap(config, streams=["metrics"]).records["metrics"]
    box.middleware.failures.clear()
    campaign = [row for row in rows if (row["source_type"], row["source_id"]) == ("campaign", 1)]
    assert [row["created"] for row in campaign] == [4, 5]
    return [row["period_start"][:16] for row in campaign]


@pytest.mark.slow
@pytest.mark.parametrize(
    "start",
    [
        *("2026-03-20 00:00:00 +0000 UTC", "2026-03-20 05:30:00 +0530 IST"),
        *("2026-03-20T00:00:00Z", parse("2026-03-20"), "2026-03-20 08:15:00 +0000 UTC"),
    ],
)
def test_the_start_in_a_response_is_used(box: Sandbox, start: object) -> None:
    assert stated(box, start) == ["2026-03-20T00:00", "2026-03-21T00:00"]


@pytest.mark.slow
@pytest.mark.parametrize("start", [None, "", "soon", "in a little while"])
def test_the_default_start_is_the_requested_one(box: Sandbox, start: object) -> None:
    assert stated(box, start) == ["2026-02-10T00:00", "2026-02-11T00:00"]


def test_stated_starts_are_truncated_to_months_and_weeks_keep_their_day(box: Sandbox) -> None:
    start = "2026-03-31 00:00:00 +0000 UTC"
    months = stated(box, start, metrics_resolution="months")
    assert months == ["2026-03-01T00:00", "2026-04-01T00:00"]
    monday = stated(box, "2026-03-16 00:00:00 +0000 UTC", metrics_resolution="weeks")
    assert monday == ["2026-03-16T00:00", "2026-03-23T00:00"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "start", ["2025-12-01 00:00:00 +0000 UTC", "2026-06-01 00:00:00 +0000 UTC"]
)
def test_a_start_far_from_the_range_fails_the_stream(
    box: Sandbox, caplog: pytest.LogCaptureFixture, start: str
) -> None:
    body = {"metric": {"series": {"created": [4, 5]}}, "start": start}
    box.fail(status=200, body=body, path=METRICS)
    config = config_for(box, start_date="2026-02-10")
    assert "metrics" in run_tap(config, streams=["metrics"], fails=True).problem
    assert "time near the requested one" in caplog.text


def truth(box: Sandbox, row: dict[str, Any], now: float) -> int:
    """Deliveries of a row's sender created in its hour."""
    start = parse(row["period_start"])
    names = (row["source_type"], row["source_id"])
    return box.workspace.metric_counts(*names, start, start + HOUR, now)["created"]


def check_hours(box: Sandbox, *outputs: Output) -> None:
    now = box.clock.now()
    rows = [row for row in table(*outputs).values() if row["timezone"] == EASTERN.key]
    assert rows
    assert [row["created"] or 0 for row in rows] == [truth(box, row, now) for row in rows]


def busy(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """A sandbox with deliveries in every hour; the next hour starts in ten minutes."""
    since = parse("2026-03-30")
    return make_sandbox(workspace=few_senders(since=since, per_day=700), now=NOW - 600)


@pytest.mark.slow
def test_a_run_that_continues_into_the_next_hour_misses_none(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    box = busy(make_sandbox)
    config = config_for(
        box, start_date="2026-03-30", metrics_resolution="hours", metrics_lookback_days=0
    )
    first = run_tap(config, streams=["metrics"])
    box.clock.advance(2 * HOUR)

    def answered(call: Any) -> None:
        if call.path == "/v1/workspaces":
            box.clock.advance(2 * HOUR)

    box.middleware.on_response = answered
    second = run_tap(config, streams=["metrics"], state=first.states[-1])
    box.middleware.on_response = None
    third = run_tap(config, streams=["metrics"], state=second.states[-1])
    check_hours(box, first, second, third)


@pytest.mark.slow
def test_an_hour_that_ends_during_the_response_shifts_no_count(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    box = busy(make_sandbox)
    app = box.middleware.app
    crossed: set[str] = set()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        """Counts of a broadcast from one hour, with a date in the next."""

        async def dated(message: Message) -> None:
            if fnmatchcase(scope["path"], "/v1/broadcasts/*/metrics") and not crossed:
                crossed.add(scope["path"])
                box.clock.advance(HOUR)
            await send(message)

        await app(scope, receive, dated)

    box.middleware.app = late
    config = config_for(box, start_date="2026-03-30", metrics_resolution="hours", concurrency=1)
    output = run_tap(config, streams=["metrics"])
    assert crossed
    check_hours(box, output)
