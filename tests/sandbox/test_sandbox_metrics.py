"""Time series of counts, compared with the deliveries."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from harness import sender_of
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox.sandbox_caller import DAY, SINCE, Caller, calling
from sandbox.sandbox_counting import Rows, bucket, counted, edge

from tap_customerio.sandbox import Behaviours, Clock, Sandbox, Workspace
from tap_customerio.sandbox.world.workspace import KINDS

NOW = SINCE + 320 * DAY + 50_000  # includes both changes of daylight saving time
WORKSPACE = Workspace(per_day=16, people=100, campaigns=4)
ROWS = list(WORKSPACE.deliveries(SINCE, NOW + 1, now=NOW))
EASTERN = ZoneInfo("America/New_York")
CAMPAIGN = "/v1/campaigns/1/metrics"
WEBHOOKS = "/v1/campaigns/4/metrics"
ZONES = ["UTC", "America/New_York", "Europe/Rome", "Asia/Kolkata", "Asia/Kathmandu"]
SENDERS = {sender_of(row, WORKSPACE) for row in ROWS}


def quirky(behaviours: Behaviours, **query: object) -> Any:
    """A response about campaign 1 of a sandbox with other behaviours."""
    sandbox = Sandbox(WORKSPACE, clock=Clock(NOW), behaviours=behaviours)
    with sandbox, calling(sandbox) as api:
        return api.json(CAMPAIGN, version=2, **query)


def sent_by(kind: str, sender: int, rows: Rows = ROWS) -> Rows:
    """The deliveries of a sender."""
    return [row for row in rows if sender_of(row, WORKSPACE) == (kind, sender)]


def by_day(rows: Rows, zone: ZoneInfo) -> dict[str, Rows]:
    """Deliveries by the date of their creation."""
    days: dict[str, Rows] = {}
    for row in rows:
        date = datetime.fromtimestamp(row["created"], zone).date().isoformat()
        days.setdefault(date, []).append(row)
    return days


def unix(text: str, zone: str = "UTC") -> int:
    """A local time as a unix second."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_counts_match_the_deliveries(kind: str) -> None:
    senders = {number for found, number in SENDERS if found == kind}
    assert senders
    for sender in senders:
        counts = WORKSPACE.metric_counts(kind, sender, SINCE, NOW + 1, NOW)
        assert +Counter(counts) == counted(sent_by(kind, sender))


moments = st.builds(
    lambda row, shift: int(row["created"]) + shift,
    st.sampled_from([row for row in ROWS if row["campaign_id"] == 1]),
    st.sampled_from([-5 * DAY, -900, -1, 0, 1, 5, 900, 30 * DAY]),
)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(moments, moments, moments)
def test_counts_of_any_range_at_any_time_are_right(start: int, end: int, now: int) -> None:
    start, end = sorted((start, end))
    rows = sent_by("campaign", 1, list(WORKSPACE.deliveries(start, end, now=now)))
    assert +Counter(WORKSPACE.metric_counts("campaign", 1, start, end, now)) == counted(rows)


def test_counts_belong_to_the_bucket_of_the_creation() -> None:
    start, end = SINCE + 50 * DAY, SINCE + 60 * DAY
    early = WORKSPACE.metric_counts("campaign", 1, start, end, end)
    late = WORKSPACE.metric_counts("campaign", 1, start, end, end + 100 * DAY)
    assert early["created"] == late["created"]
    assert early["human_opened"] < late["human_opened"]


def test_only_existing_types_of_senders_have_counts() -> None:
    with pytest.raises(ValueError, match="campaigns"):
        WORKSPACE.metric_counts("campaigns", 1, SINCE, NOW, NOW)


@pytest.mark.parametrize("zone", ZONES)
def test_version_2_splits_days_at_midnight_of_any_time_zone(api: Caller, zone: str) -> None:
    start, end = unix("2026-01-01", zone), unix("2026-11-10", zone)
    body = api.json(CAMPAIGN, version=2, res="days", start=start, end=end, tz=zone)
    days = by_day(sent_by("campaign", 1), ZoneInfo(zone))
    first = datetime(2026, 1, 1, tzinfo=timezone.utc).date()
    for place in range(len(body["metric"]["series"]["created"])):
        date = (first + timedelta(days=place)).isoformat()
        assert bucket(body["metric"]["series"], place) == counted(days.get(date, []))
    assert len(body["metric"]["series"]["created"]) == 313


@settings(deadline=None, max_examples=40)
@given(
    st.integers(SINCE, NOW - 40 * DAY),
    st.integers(0, 300 * DAY),
    st.sampled_from(["hourly", "daily", "weekly", "monthly"]),
    st.sampled_from(ZONES),
)
def test_buckets_add_up_to_the_whole_range(
    api: Caller, start: int, length: int, res: str, zone: str
) -> None:
    end = start + length
    body = api.json(CAMPAIGN, version=2, res=res, start=start, end=end, tz=zone)
    low, high = edge(body["start"]), edge(body["end"])
    assert low <= start
    assert high >= end
    total = {name: sum(counts) for name, counts in body["metric"]["series"].items()}
    assert +Counter(total) == +Counter(WORKSPACE.metric_counts("campaign", 1, low, high, NOW))


@pytest.mark.parametrize(
    ("res", "start", "end", "edges"),
    [
        ("hours", "2026-03-29T00:30", "2026-03-29T04:00", ("00:00:00 +0100", "04:00:00 +0200", 3)),
        ("days", "2026-03-28T12:00", "2026-03-30T00:00", ("2026-03-28", "2026-03-30", 2)),
        ("weeks", "2026-10-24T12:00", "2026-10-26T00:00", ("2026-10-18", "2026-11-01", 2)),
        ("months", "2026-02-10T00:00", "2026-04-01T00:00", ("2026-02-01", "2026-04-01", 2)),
    ],
)
def test_the_first_bucket_contains_the_start(
    api: Caller, res: str, start: str, end: str, edges: tuple[str, str, int]
) -> None:
    zone = "Europe/Rome"
    query = {"start": unix(start, zone), "end": unix(end, zone), "tz": zone}
    body = api.json(CAMPAIGN, version=2, res=res, **query)
    assert edges[0] in body["start"]
    assert edges[1] in body["end"]
    assert {len(counts) for counts in body["metric"]["series"].values()} == {edges[2]}


def test_a_day_with_two_midnights_begins_at_the_first(api: Caller) -> None:
    # In Havana the clocks go back from one o'clock to midnight.
    second = unix("2026-11-01T00:30", "America/Havana") + 3600
    query = {"start": second, "end": second + 60, "tz": "America/Havana"}
    body = api.json(CAMPAIGN, version=2, res="days", **query)
    assert body["start"] == "2026-11-01 00:00:00 -0400 CDT"


def test_the_response_states_width_and_window(api: Caller) -> None:
    query = {"start": SINCE, "end": SINCE + 3 * DAY}
    body = api.json(CAMPAIGN, version=2, res="daily", **query)
    assert body["res"] == "days"
    assert body["start"] == "2026-01-01 00:00:00 +0000 UTC"
    assert body["end"] == "2026-01-04 00:00:00 +0000 UTC"
    assert "type" not in body["metric"]


def test_an_empty_window_has_the_bucket_that_contains_it(api: Caller) -> None:
    body = api.json(CAMPAIGN, version=2, res="days", start=SINCE, end=SINCE)
    assert len(body["metric"]["series"]["created"]) == 1


def test_buckets_may_be_counted_from_the_start() -> None:
    start = unix("2026-03-27T10:20:30", "Europe/Rome")
    query = {"start": start, "end": start + 3 * DAY, "tz": "Europe/Rome"}
    body = quirky(Behaviours(aligned_buckets=False), res="days", **query)
    assert body["start"] == "2026-03-27 10:20:30 +0100 CET"
    # The clocks go forward on the 29th, so that three calendar days end an hour early.
    assert body["end"] == "2026-03-31 10:20:30 +0200 CEST"
    for place, (low, high) in enumerate([(0, DAY), (DAY, 2 * DAY - 3600)]):
        rows = [r for r in sent_by("campaign", 1) if low <= r["created"] - start < high]
        assert bucket(body["metric"]["series"], place) == counted(rows)


def test_months_counted_from_the_31st_end_with_shorter_months() -> None:
    query = {"start": unix("2026-01-31"), "end": unix("2026-03-31")}
    body = quirky(Behaviours(aligned_buckets=False), res="months", **query)
    rows = [r for r in sent_by("campaign", 1) if r["created"] >= query["start"]]
    february = [row for row in rows if row["created"] < unix("2026-02-28")]
    assert bucket(body["metric"]["series"], 0) == counted(february)
    assert len(body["metric"]["series"]["created"]) == 2


def test_the_bucket_that_starts_at_the_end_may_be_included() -> None:
    behaviours = Behaviours(includes_end_bucket=True)
    on_edge = quirky(behaviours, res="days", start=SINCE, end=SINCE + 3 * DAY)
    inside = quirky(behaviours, res="days", start=SINCE, end=SINCE + 3 * DAY - 1)
    assert len(on_edge["metric"]["series"]["created"]) == 4
    assert len(inside["metric"]["series"]["created"]) == 3


def test_the_requested_window_may_be_echoed() -> None:
    query = {"start": SINCE + 5, "end": SINCE + DAY + 7}
    body = quirky(Behaviours(echoes_window=True), res="days", **query)
    assert body["start"] == "2026-01-01 00:00:05 +0000 UTC"
    assert body["end"] == "2026-01-02 00:00:07 +0000 UTC"


@pytest.mark.parametrize(
    "change",
    [
        {"res": None},
        {"start": None},
        {"end": None},
        {"res": "years"},
        {"tz": "Mars/Olympus"},
        {"tz": "America"},
        {"start": "x"},
        {"end": SINCE - 1},
        {"end": SINCE + 3661 * DAY},
        {"type": "fax"},
    ],
)
def test_malformed_requests_are_rejected(api: Caller, change: dict[str, object]) -> None:
    query = {"version": 2, "res": "months", "start": SINCE, "end": SINCE + 3660 * DAY, **change}
    given = {name: value for name, value in query.items() if value is not None}
    assert api.get(CAMPAIGN, **given).status_code == 400


def test_ten_years_are_accepted(api: Caller) -> None:
    query = {"res": "months", "start": SINCE - 1900 * DAY, "end": SINCE + 1760 * DAY}
    assert api.get(CAMPAIGN, version=2, **query).status_code == 200


def test_counts_can_be_filtered_by_channel(api: Caller) -> None:
    query = {"version": 2, "res": "months", "start": SINCE, "end": NOW}
    whole = api.json(WEBHOOKS, **query)["metric"]["series"]
    parts = [api.json(WEBHOOKS, type=t, **query)["metric"]["series"] for t in ("email", "webhook")]
    rows = [row for row in sent_by("campaign", 4) if row["type"] == "webhook"]
    assert sum(parts[1]["created"]) == len(rows) > 0
    assert 0 < sum(parts[0]["created"]) < sum(whole["created"])


def test_counts_of_one_channel_may_be_counted_from_the_start() -> None:
    start = next(r["created"] for r in sent_by("campaign", 4) if r["type"] == "webhook") - 1
    query = {"version": 2, "res": "hours", "start": start, "end": start + 90 * DAY}
    sandbox = Sandbox(WORKSPACE, clock=Clock(NOW), behaviours=Behaviours(aligned_buckets=False))
    with sandbox, calling(sandbox) as api:
        series = api.json(WEBHOOKS, type="webhook", **query)["metric"]["series"]
    rows = [r for r in sent_by("campaign", 4) if start <= r["created"] < query["end"]]
    total = {name: sum(counts) for name, counts in series.items()}
    assert +Counter(total) == counted([row for row in rows if row["type"] == "webhook"])


def test_webhooks_have_counts_by_class_of_response(api: Caller) -> None:
    query = {"version": 2, "res": "months", "start": SINCE, "end": NOW}
    series = api.json(WEBHOOKS, **query)["metric"]["series"]
    assert sum(series["2xx"]) > sum(series["5xx"]) > 0
    assert "2xx" not in api.json(CAMPAIGN, **query)["metric"]["series"]


def test_some_metrics_that_are_zero_are_left_out(api: Caller) -> None:
    query = {"version": 2, "res": "days", "start": SINCE - 9 * DAY, "end": SINCE - 7 * DAY}
    series = api.json(CAMPAIGN, **query)["metric"]["series"]
    assert series["unsubscribed"] == series["created"] == [0, 0]
    assert "spammed" not in series


def test_version_1_is_the_default_of_campaigns(api: Caller) -> None:
    body = api.json(CAMPAIGN, res="days", start=SINCE, end=SINCE + DAY)
    assert body == api.json(CAMPAIGN, version=1)
    assert list(body) == ["metric"]
    assert len(body["metric"]["series"]["created"]) == 45


@pytest.mark.parametrize(
    ("period", "default", "most"),
    [("hours", 24, 24), ("days", 45, 45), ("weeks", 12, 12), ("months", 12, 121)],
)
def test_steps_have_a_default_a_maximum_and_a_minimum(
    api: Caller, period: str, default: int, most: int
) -> None:
    def buckets(**query: object) -> int:
        series = api.json("/v1/broadcasts/5/metrics", period=period, **query)["metric"]["series"]
        (length,) = {len(counts) for counts in series.values()}
        return length

    assert buckets() == default
    assert buckets(steps=0) == buckets(steps=500) == most
    assert buckets(steps=1) == buckets(steps=2) == 2
    assert buckets(steps=9) == 9


@pytest.mark.parametrize("query", [{"period": "years"}, {"steps": "x"}, {"steps": -1}])
def test_malformed_periods_are_rejected(api: Caller, query: dict[str, object]) -> None:
    assert api.get("/v1/broadcasts/5/metrics", **query).status_code == 400


def test_the_last_day_is_the_current_one_in_us_eastern_time(api: Caller) -> None:
    series = api.json("/v1/transactional/1/metrics")["metric"]["series"]
    days = by_day(sent_by("transactional", 1), EASTERN)
    today = datetime.fromtimestamp(NOW, EASTERN).date()
    for back in range(45):
        date = (today - timedelta(days=back)).isoformat()
        assert bucket(series, 44 - back) == counted(days.get(date, []))


def test_weeks_begin_on_sunday_and_months_on_the_first(api: Caller) -> None:
    rows = sent_by("transactional", 1)
    local = {row["id"]: datetime.fromtimestamp(row["created"], EASTERN) for row in rows}
    # The workspace's current day is Tuesday the 17th of November.
    sunday, first = datetime(2026, 11, 15, tzinfo=EASTERN), datetime(2026, 11, 1, tzinfo=EASTERN)
    for period, since, before in (
        ("weeks", sunday, datetime(2026, 10, 25, tzinfo=EASTERN)),
        ("months", first, datetime(2026, 8, 1, tzinfo=EASTERN)),
    ):
        query = {"period": period, "steps": 4}
        series = api.json("/v1/transactional/1/metrics", **query)["metric"]["series"]
        assert bucket(series, 3) == counted([r for r in rows if local[r["id"]] >= since])
        older = [r for r in rows if before <= local[r["id"]] < since]
        assert sum((bucket(series, place) for place in range(3)), Counter()) == counted(older)


def test_hours_begin_on_the_hour(api: Caller) -> None:
    series = api.json("/v1/campaigns/1/metrics", period="hours")["metric"]["series"]
    hour = NOW - NOW % 3600
    rows = sent_by("campaign", 1)
    for back in range(24):
        start = hour - back * 3600
        expected = [row for row in rows if start <= row["created"] < start + 3600]
        assert bucket(series, 23 - back) == counted(expected)


def test_months_add_up_over_both_changes_of_daylight_saving(api: Caller) -> None:
    for kind, path in (("campaign", "campaigns"), ("broadcast", "broadcasts")):
        sender = 1 if kind == "campaign" else 5
        body = api.json(f"/v1/{path}/{sender}/metrics", period="months", steps=0)
        total = {name: sum(counts) for name, counts in body["metric"]["series"].items()}
        assert +Counter(total) == counted(sent_by(kind, sender))


def test_newsletters_name_their_channel(api: Caller) -> None:
    sender = sent_by("newsletter", ROWS[-1]["newsletter_id"] or newest_newsletter())[0]
    path = f"/v1/newsletters/{sender['newsletter_id']}/metrics"
    body = api.json(path, period="months")
    assert body["metric"]["type"] == sender["type"]
    created = sum(body["metric"]["series"]["created"])
    assert created == len(sent_by("newsletter", sender["newsletter_id"]))


@pytest.mark.parametrize("name", ["campaigns", "newsletters", "broadcasts", "transactional"])
def test_missing_senders_are_not_found(api: Caller, name: str) -> None:
    response = api.get(f"/v1/{name}/999/metrics", version=2, res="days", start=0, end=1)
    assert response.status_code == 404
    (error,) = response.json()["errors"]
    assert error["status"] == "404"
    assert error["detail"].startswith("not found (reference 01")


def test_a_running_clock_counts_up_to_the_last_whole_minute() -> None:
    clock = Clock()
    clock.advance(SINCE + 10 * DAY + 30 - clock.now())
    workspace = Workspace(bursts={SINCE + 10 * DAY + 20: 500, SINCE + 10 * DAY - 20: 500})
    with Sandbox(workspace, clock=clock) as sandbox, calling(sandbox) as api:
        series = api.json("/v1/campaigns/1/metrics", period="hours", steps=2)["metric"]["series"]
    end = SINCE + 10 * DAY
    rows = list(workspace.deliveries(end - 3600, end + 1, now=end))
    assert series["created"][0] == len(sent_by("campaign", 1, rows)) > 0
    assert series["created"][1] == 0


def newest_newsletter() -> int:
    """The most recently delivered newsletter."""
    newest: int = max(row["newsletter_id"] for row in ROWS if row["newsletter_id"])
    return newest
