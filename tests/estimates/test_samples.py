"""Samples: few requests, from which any number of estimates follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness import NOW, SINCE, make_client, new_sandbox
from hypothesis import given
from hypothesis import strategies as some

from tap_customerio.errors import TapError
from tap_customerio.estimates.samples import ActivityLog, Samples, workspace_size
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
    assert log.pages_since(PRESENT - since) == pytest.approx(since / per_page + 1, abs=2, rel=0.02)


def test_a_log_that_ends_has_no_further_pages() -> None:
    log = ActivityLog([PRESENT - 10, PRESENT - DAY], PRESENT - 2 * DAY, PRESENT, whole=True)
    assert log.pages_since(PRESENT - 30 * DAY) == 2
    assert log.pages_since(PRESENT - 60) == 2
    assert log.pages_since(PRESENT - 5) == 1


@pytest.fixture(scope="module")
def active() -> Iterator[Sandbox]:
    """A sandbox with a page of activities a day."""
    with new_sandbox(workspace=Workspace(since=SINCE, per_day=5, activities_per_day=120)) as box:
        yield box


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
    assert sum(count.number for count in samples.deliveries) == pytest.approx(created, rel=0.5)
    counted = [call for call in box.calls if call.path.endswith("/metrics")]
    assert 9 <= len(counted) <= 12
    assert samples.deliveries
    assert len([call for call in box.calls if call.path.endswith("/metrics")]) == len(counted)


def test_samples_that_fail_are_not_requested_again(make_sandbox: Callable[..., Sandbox]) -> None:
    refused = frozenset({"/v1/campaigns/*/metrics", "/v1/activities"})
    box = make_sandbox(behaviours=Behaviours(without=refused))
    samples = Samples(make_client(box), Window(SINCE, PRESENT), 1)
    for name in ("deliveries", "activities"):
        with pytest.raises(TapError):
            getattr(samples, name)
        sent = len(box.calls)
        with pytest.raises(TapError):
            getattr(samples, name)
        assert len(box.calls) == sent


def test_the_size_is_an_upper_bound_if_the_account_has_several_workspaces(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    alone = workspace_size(make_client(make_sandbox(workspace=Workspace(people=50))), "people")
    assert alone.number >= 50
    assert not alone.is_upper_bound
    box = make_sandbox(workspace=Workspace(people=50, siblings=[1002]))
    assert workspace_size(make_client(box), "people").is_upper_bound
