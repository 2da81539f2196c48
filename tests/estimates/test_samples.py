"""Samples: few requests, from which any number of estimates follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW, SINCE, few_senders, make_client, new_sandbox
from hostile import Edited
from hypothesis import given
from hypothesis import strategies as some

from tap_customerio.errors import TapError
from tap_customerio.estimates.samples import SHORTEST_SPAN, ActivityLog, Samples, workspace_size
from tap_customerio.sandbox import Behaviours, Workspace
from tap_customerio.streams.activities import log_pages
from tap_customerio.windows import DAY, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_customerio.sandbox import Sandbox

PRESENT = int(NOW)


@given(
    per_page=some.integers(60, 10 * DAY),
    sampled=some.integers(1, 30),
    since=some.integers(1, 30 * DAY),
)
def test_an_even_log_is_estimated_from_any_number_of_pages(
    per_page: int, sampled: int, since: int
) -> None:
    newest = [PRESENT - page * per_page for page in range(sampled)]
    log = ActivityLog(newest, newest[-1] - per_page // 2, PRESENT, whole=False)
    found = log.pages_since(PRESENT - since)
    if log.is_short(PRESENT - since):
        assert log.span < SHORTEST_SPAN
        assert found == sampled <= since / per_page + 2
    else:
        assert found == pytest.approx(since / per_page + 1, abs=2, rel=0.02)


@given(
    newest=some.lists(some.integers(PRESENT - 40 * DAY, PRESENT), min_size=1, max_size=30),
    middle=some.integers(PRESENT - 40 * DAY, PRESENT),
    since=some.lists(some.integers(0, 30 * DAY), min_size=2, max_size=2).map(sorted),
)
def test_any_log_is_estimated_within_bounds(
    newest: list[int], middle: int, since: list[int]
) -> None:
    log = ActivityLog(newest, middle, PRESENT, whole=False)
    later, earlier = (log.pages_since(PRESENT - ago) for ago in since)
    assert 1 <= later <= earlier <= len(newest) * 30 * DAY / SHORTEST_SPAN


@pytest.mark.parametrize("ahead", [0, 400 * DAY])
def test_a_burst_of_activities_is_a_lower_bound(
    make_sandbox: Callable[..., Sandbox], ahead: int
) -> None:
    """A burst is also what entries in the future look like."""

    def burst(page: dict[str, Any]) -> None:
        for row in page["activities"]:
            row.update(id=f"x{row['id']}", timestamp=PRESENT + ahead)

    box = make_sandbox(workspace=Workspace(since=SINCE, per_day=5, activities_per_day=120))
    box.middleware.app = Edited("GET /v1/activities", burst).around(box.middleware.app)
    samples = Samples(make_client(box), Window(SINCE, PRESENT), 1, pages=1)
    month = PRESENT - 30 * DAY
    assert samples.activities.is_short(month)
    assert samples.activities.pages_since(month) == len(box.calls) - 1 == 20


def test_a_log_that_ends_has_no_further_pages() -> None:
    log = ActivityLog([PRESENT - 10, PRESENT - DAY], PRESENT - 2 * DAY, PRESENT, whole=True)
    assert log.pages_since(PRESENT - 30 * DAY) == 2
    assert log.pages_since(PRESENT - 60) == 2
    assert log.pages_since(PRESENT - 5) == 1


@pytest.fixture(scope="module")
def active() -> Iterator[Sandbox]:
    """A sandbox with a little more than a page of activities a day."""
    with new_sandbox(workspace=Workspace(since=SINCE, per_day=5, activities_per_day=120)) as box:
        yield box


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pages", "days", "sent", "off_by"), [(1, 20, 1, 1), (3, 20, 3, 0.25), (100, 3, 5, 0.01)]
)
def test_the_activity_log_is_sampled_no_further_than_needed(
    active: Sandbox, pages: int, days: int, sent: int, off_by: float
) -> None:
    """One page is from a part of a day, whose hours differ."""
    client = make_client(active)
    since = client.present - days * DAY
    truth = sum(1 for page in log_pages(client) if max(row["timestamp"] for row in page) >= since)
    active.forget()
    samples = Samples(client, Window(since, client.present), 2, pages=pages)
    assert samples.activities.pages_since(since) == pytest.approx(truth + 1, rel=off_by)
    assert len(active.calls) == sent
    assert samples.activities.pages_since(since + DAY) > 0
    assert len(active.calls) == sent


def test_few_senders_stand_for_all_and_are_counted_once(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    workspace = Workspace(since=SINCE, per_day=200, campaigns=30, newsletters=30, transactional=9)
    box = make_sandbox(workspace=workspace)
    samples = Samples(make_client(box), Window(SINCE, PRESENT), 2, senders=3)
    created = workspace.count_deliveries(SINCE, PRESENT, now=NOW)
    assert sum(count.number for count in samples.deliveries.counts) == pytest.approx(
        created, rel=0.5
    )
    counted = [call for call in box.calls if call.path.endswith("/metrics")]
    assert 9 <= len(counted) <= 12
    assert samples.deliveries
    assert len([call for call in box.calls if call.path.endswith("/metrics")]) == len(counted)


def test_samples_that_fail_are_not_requested_again(make_sandbox: Callable[..., Sandbox]) -> None:
    refused = frozenset({"/v1/*/*/metrics", "/v1/activities"})
    box = make_sandbox(behaviours=Behaviours(without=refused))
    samples = Samples(make_client(box), Window(SINCE, PRESENT), 1)
    for name in ("deliveries", "activities"):
        with pytest.raises(TapError):
            getattr(samples, name)
        sent = len(box.calls)
        with pytest.raises(TapError):
            getattr(samples, name)
        assert len(box.calls) == sent


@pytest.mark.parametrize("refused", ["/v1/broadcasts", "/v1/newsletters/*/metrics"])
def test_senders_that_cannot_be_counted_cost_only_their_deliveries(
    make_sandbox: Callable[..., Sandbox], refused: str
) -> None:
    workspace = few_senders(per_day=200)
    whole = Samples(make_client(make_sandbox(workspace=workspace)), Window(SINCE, PRESENT), 1)
    box = make_sandbox(workspace=workspace, behaviours=Behaviours(without=frozenset({refused})))
    counts, gaps = Samples(make_client(box), Window(SINCE, PRESENT), 1).deliveries
    [gap] = gaps
    kind = refused.split("/")[2]
    assert gap.startswith(f"At least: deliveries of {kind} are not counted. app_api_key may not")
    everything = sum(count.number for count in whole.deliveries.counts)
    assert 0.3 * everything < sum(count.number for count in counts) < everything


@pytest.mark.parametrize("odd", [-5, "-5", -(10**30), 10**30, None, "many", {"a": 1}, 1.5])
def test_odd_counts_are_never_negative_or_infinite(
    odd: Any, make_sandbox: Callable[..., Sandbox]
) -> None:
    box = make_sandbox(workspace=few_senders())

    def edit(response: Any) -> None:
        series = response["metric"]["series"]
        series["created"] = [odd] * len(series["created"])

    def lessen(response: Any) -> None:
        for row in response["workspaces"]:
            row["people"] = odd

    box.middleware.app = Edited("GET /v1/*/*/metrics", edit).around(box.middleware.app)
    box.middleware.app = Edited("GET /v1/workspaces", lessen).around(box.middleware.app)
    client = make_client(box)
    counts = Samples(client, Window(SINCE, PRESENT), 1).deliveries.counts
    assert counts
    assert all(0 <= count.number <= 10**12 for count in counts)
    assert workspace_size(client, "people").number >= 0


def test_the_size_is_an_upper_bound_if_the_account_has_several_workspaces(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    alone = workspace_size(make_client(make_sandbox(workspace=Workspace(people=50))), "people")
    assert alone.number >= 50
    assert not alone.is_upper_bound
    box = make_sandbox(workspace=Workspace(people=50, siblings=[1002]))
    assert workspace_size(make_client(box), "people").is_upper_bound
