"""Metrics: every count in its bucket, however the API treats the ends of a range."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from harness import CORE, NOW, SINCE, config_for, few_senders, new_sandbox, run_tap, sender_of

from tap_customerio.sandbox import Behaviours, Workspace
from tap_customerio.windows import DAY, EASTERN, bucket_after, bucket_start, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness import Output

    from tap_customerio.sandbox import Sandbox
    from tap_customerio.sandbox.server.middleware import Call
    from tap_customerio.windows import Resolution

pytestmark = pytest.mark.slow

REACH: dict[str, int] = {"hours": 24, "days": 45, "weeks": 12, "months": 120}
V1_TYPES = ("newsletter", "broadcast", "transactional")


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    """Few senders of each type."""
    with new_sandbox(workspace=few_senders(per_day=6)) as box:
        yield box


def check(
    output: Output, sandbox: Sandbox, resolution: Resolution, zone: str, kinds: tuple[str, ...]
) -> int:
    """Compare all rows of some source types with the deliveries; returns the number of rows."""
    rows = [row for row in output.records["metrics"] if row["source_type"] in kinds]
    for row in rows:
        start = parse(row["period_start"])
        assert bucket_start(start, resolution, ZoneInfo(zone)) == start
        end = bucket_after(start, resolution, ZoneInfo(zone))
        counts = sandbox.workspace.metric_counts(
            row["source_type"], row["source_id"], start, end, NOW
        )
        assert row["timezone"] == zone
        assert row["resolution"] == resolution
        assert row["is_partial"] == (end > NOW)
        for name, count in counts.items():
            column = f"http_{name}" if name[0].isdigit() else name
            assert (row[column] or 0) == count
    return len(rows)


def total(output: Output, kinds: tuple[str, ...]) -> int:
    return sum(
        row["created"] or 0 for row in output.records["metrics"] if row["source_type"] in kinds
    )


def deliveries(
    sandbox: Sandbox, start: int, kinds: tuple[str, ...], end: int = int(NOW) + 1
) -> int:
    rows = sandbox.workspace.deliveries(start, end, now=NOW)
    return sum(sender_of(row, sandbox.workspace)[0] in kinds for row in rows)


@pytest.mark.parametrize(
    "behaviours",
    [
        Behaviours(),
        Behaviours(includes_end_bucket=True),
        Behaviours(aligned_buckets=False),
        Behaviours(aligned_buckets=False, includes_end_bucket=True),
        Behaviours(echoes_window=True),
    ],
    ids=["aligned", "end included", "unaligned", "unaligned, end included", "echo"],
)
@pytest.mark.parametrize("resolution", ["hours", "days", "weeks", "months"])
def test_campaign_counts_are_right_with_any_bucket_edges(
    make_sandbox: Callable[..., Sandbox], behaviours: Behaviours, resolution: Resolution
) -> None:
    since = parse("2026-03-27") if resolution == "hours" else SINCE  # the clock changes on 29
    workspace = few_senders(since=since, per_day=6, campaigns=6, newsletters=1)
    box = make_sandbox(behaviours=behaviours, workspace=workspace)
    zone = "Europe/Rome"
    settings = {"metrics_resolution": resolution, "metrics_timezone": zone}
    output = run_tap(
        config_for(box, **settings, start_date=rfc3339(since + 1234)), streams=["metrics"]
    )
    assert check(output, box, resolution, zone, ("campaign",)) > 10
    assert total(output, ("campaign",)) == deliveries(box, since, ("campaign",))


@pytest.mark.parametrize("resolution", ["hours", "days", "weeks", "months"])
def test_version_1_counts_are_in_eastern_buckets_across_the_clock_change(
    sandbox: Sandbox, resolution: Resolution
) -> None:
    output = run_tap(config_for(sandbox, metrics_resolution=resolution), streams=["metrics"])
    check(output, sandbox, resolution, EASTERN.key, V1_TYPES)
    oldest = bucket_after(
        bucket_start(int(NOW), resolution, EASTERN), resolution, EASTERN, 1 - REACH[resolution]
    )
    assert total(output, V1_TYPES) == deliveries(sandbox, max(oldest, SINCE), V1_TYPES)


def test_empty_buckets_are_left_out(sandbox: Sandbox) -> None:
    output = run_tap(config_for(sandbox), streams=["metrics"])
    counts = [
        name
        for name, kind in output.schemas["metrics"]["properties"].items()
        if kind["type"] == ["null", "integer"]
    ]
    assert all(any(row[name] for name in counts) for row in output.records["metrics"])


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-03-05T10:00:00Z", "2026-03-20T10:00:00Z"),
        ("2026-03-05T00:00:00Z", "2026-03-20T00:00:00Z"),  # buckets of campaigns
        ("2026-03-05T05:00:00Z", "2026-03-20T04:00:00Z"),  # the others', across the clock change
        ("2026-04-01T06:00:00Z", "2026-04-01T11:00:00Z"),  # one bucket, but two are requested
    ],
)
def test_the_range_limits_the_buckets(sandbox: Sandbox, start: str, end: str) -> None:
    output = run_tap(config_for(sandbox, start_date=start, end_date=end), streams=["metrics"])
    assert output.bookmark("metrics") == end
    assert output.records["metrics"]
    for zone, kinds in ((ZoneInfo("UTC"), ("campaign",)), (EASTERN, V1_TYPES)):
        first = bucket_start(parse(start), "days", zone)
        last = bucket_after(bucket_start(parse(end) - 1, "days", zone), "days", zone)
        assert total(output, kinds) == deliveries(sandbox, first, kinds, last)
        for row in output.records["metrics"]:
            if row["timezone"] == zone.key:
                assert first <= parse(row["period_start"]) < last


@pytest.mark.parametrize(
    "change", [{"metrics_resolution": "weeks"}, {"metrics_timezone": "Europe/Rome"}]
)
def test_another_resolution_or_zone_reads_everything_again(
    sandbox: Sandbox, change: dict[str, Any]
) -> None:
    first = run_tap(config_for(sandbox), streams=["metrics"])
    config = config_for(sandbox, metrics_lookback_days=1)
    second = run_tap({**config, **change}, streams=["metrics"], state=first.states[-1])
    again = run_tap({**config, **change}, streams=["metrics"])
    assert second.records["metrics"] == again.records["metrics"]


def test_unavailable_ranges_are_reported_once(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    run_tap(config_for(sandbox), streams=["metrics"])
    assert caplog.text.count("only the last 45 days") == 1
    caplog.clear()
    run_tap(config_for(sandbox, start_date="2026-03-25"), streams=["metrics"])
    assert "no more than" not in caplog.text


def test_each_sender_costs_one_request_and_lists_are_read_once(sandbox: Sandbox) -> None:
    run_tap(config_for(sandbox), streams=CORE)
    metrics = [call.path for call in sandbox.calls if call.path.endswith("/metrics")]
    assert len(metrics) == len(set(metrics))
    lists = [
        call.path for call in sandbox.calls if call.path in ("/v1/campaigns", "/v1/broadcasts")
    ]
    assert sorted(lists) == ["/v1/broadcasts", "/v1/campaigns"]


def test_a_range_of_more_than_ten_years_is_requested_in_parts(
    sandbox: Sandbox,
) -> None:
    row = {"id": 1, "created": parse("2012-06-01")}
    sandbox.fail(status=200, body={"campaigns": [row]}, path="/v1/campaigns")
    series = {"metric": {"series": {"created": [1]}}}
    sandbox.fail(status=200, times=5, body=series, path="/v1/campaigns/1/metrics")
    output = run_tap(config_for(sandbox), streams=["metrics"])
    sandbox.middleware.failures.clear()
    asked = sorted(
        (int(call.query["start"]), int(call.query["end"]))
        for call in sandbox.calls
        if call.path == "/v1/campaigns/1/metrics"
    )
    assert asked[0][0] == row["created"]
    assert asked[-1][1] == bucket_after(
        bucket_start(int(NOW), "days", ZoneInfo("UTC")), "days", ZoneInfo("UTC")
    )
    assert all(end - start <= 3_650 * DAY for start, end in asked)
    assert all(earlier[1] == later[0] for earlier, later in pairwise(asked))
    assert len([r for r in output.records["metrics"] if r["source_type"] == "campaign"]) == len(
        asked
    )


def test_senders_that_sent_nothing_in_the_range_are_not_requested(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    since = NOW - 200 * DAY
    box = make_sandbox(
        workspace=Workspace(since=int(since // DAY * DAY), per_day=10, people=60, campaigns=8)
    )
    output = run_tap(config_for(box), streams=["metrics"])
    newsletters = {row["id"]: row for row in box.workspace.newsletters(NOW)}
    asked = {int(call.path.split("/")[3]) for call in box.calls if _counts(call, "newsletters")}
    never = {number for number, row in newsletters.items() if row["sent_at"] is None}
    reached = bucket_after(bucket_start(int(NOW), "days", EASTERN), "days", EASTERN, -44)
    long_ago = {
        number
        for number, row in newsletters.items()
        if max(row["updated"], row["sent_at"] or 0) + 30 * DAY <= reached
    }
    assert never & long_ago
    assert asked == newsletters.keys() - long_ago
    campaigns = {row["id"]: row["state"] for row in box.workspace.campaigns(NOW)}
    asked = {int(call.path.split("/")[3]) for call in box.calls if _counts(call, "campaigns")}
    assert "draft" in campaigns.values()
    assert asked == {number for number, state in campaigns.items() if state != "draft"}
    assert check(output, box, "days", "America/New_York", ("newsletter",))
    assert total(output, ("newsletter",)) == deliveries(box, reached, ("newsletter",))


def _counts(call: Call, kind: str) -> bool:
    return call.path.startswith(f"/v1/{kind}/") and call.path.endswith("/metrics")
