"""Deliveries read again: listed late, merged, forgotten, and after an unusual run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from freshness import DAY, HOUR, SINCE, SyncScenario
from test_freshness import check_deliveries

from tap_customerio.sandbox import Behaviours
from tap_customerio.streams.merges import Merges
from tap_customerio.windows import parse, rfc3339

if TYPE_CHECKING:
    from tap_customerio.api.client import Client
pytestmark = pytest.mark.slow

AGES = [1, 3, 7]


class Log:
    """An activity log with these entries on one page."""

    present = SINCE + 9

    def __init__(self, *entries: dict[str, Any]) -> None:
        """Entries without a time get the same one."""
        self.entries = [{"timestamp": SINCE, **entry} for entry in entries]

    def pages(self, *_: Any, **__: Any) -> list[list[dict[str, Any]]]:
        """The only page."""
        return [self.entries]


def merges_of(*entries: dict[str, Any], most: int = 9) -> Merges:
    """The known merges in a log."""
    merges = Merges(None, AGES)
    merges.most = most
    merges.learn(cast("Client", Log(*entries)), SINCE)
    return merges


def scenario_of(start: int = SINCE + 10 * DAY, ages: Any = AGES, **options: Any) -> SyncScenario:
    """Syncs of deliveries only."""
    options = {"per_day": 25, "people": 30, "activities_per_day": 10, **options}
    settings = {"rescan_ages": ages}
    return SyncScenario(start=start, streams=["messages"], settings=settings, **options)


def bookmark(scenario: SyncScenario) -> dict[str, Any]:
    mark: dict[str, Any] = (scenario.state or {})["bookmarks"]["messages"]
    return mark


@pytest.mark.parametrize(("ages", "lag"), [([], 15 * 60), ([30], 6 * HOUR)])
def test_late_deliveries_arrive_within_hours_whatever_the_ages(ages: list[int], lag: int) -> None:
    start, per_day = SINCE + 2 * DAY, 300
    with scenario_of(
        start, ages, per_day=per_day, behaviours=Behaviours(listing_lag=lag)
    ) as scenario:
        scenario.sync()
        for _ in range(lag // HOUR + 4):
            scenario.sync(HOUR)
        known = scenario.now - (HOUR if lag < HOUR else lag + 2 * HOUR)
        truth = {
            (row["id"],) for row in scenario.workspace.deliveries(SINCE, known, now=scenario.now)
        }
        assert len(truth) > per_day
        assert truth <= scenario.rows("messages").keys()


def test_an_hourly_sync_requests_at_most_two_more_pages() -> None:
    with scenario_of(ages=[]) as scenario:
        scenario.sync()
        for _ in range(8):
            scenario.sync(HOUR)
            assert len([c for c in scenario.sandbox.calls if c.path == "/v1/messages"]) <= 3


def test_deliveries_of_merged_people_change_their_person() -> None:
    with scenario_of() as scenario:
        scenario.sync()
        people_admin, merged = scenario.workspace.people_admin, scenario.now + HOUR
        winner, loser = _two_people(scenario)
        people_admin.merge(winner, loser, at=merged)
        for _ in range(3):
            scenario.sync(3 * DAY)
        # Older ones had reached their last age before the merge.
        for row in scenario.workspace.deliveries(merged - 6 * DAY, merged, now=scenario.now):
            held = scenario.rows("messages")[row["id"],]
            assert held["cio_id"] == row["customer_identifiers"]["cio_id"] != loser
        before = scenario.workspace.deliveries(merged - 6 * DAY, merged, now=merged - 1)
        assert loser in {row["customer_identifiers"]["cio_id"] for row in before}


def _two_people(scenario: SyncScenario) -> list[str]:
    """The two people with the most deliveries of the last days."""
    rows = list(
        scenario.workspace.deliveries(scenario.now - 5 * DAY, scenario.now, now=scenario.now)
    )
    people = [row["customer_identifiers"]["cio_id"] for row in rows]
    return sorted(set(people), key=people.count)[-2:]


def test_deliveries_of_erased_people_lose_their_identifiers() -> None:
    with scenario_of() as scenario:
        scenario.sync()
        erased = scenario.now + HOUR
        cio_id = _two_people(scenario)[0]
        scenario.workspace.people_admin.suppress("cio_id", cio_id, at=erased)
        for _ in range(3):
            scenario.sync(3 * DAY)
        held = scenario.rows("messages")
        deliveries = scenario.workspace.deliveries(erased - 6 * DAY, erased, now=erased - 1)
        of_them = [row for row in deliveries if row["customer_identifiers"]["cio_id"] == cio_id]
        assert of_them
        for row in of_them:
            now = held[row["id"],]
            assert (now["forgotten"], now["recipient"], now["cio_id"]) == (True, None, None)


def test_when_merges_are_unknown_all_reread_deliveries_are_sent() -> None:
    with scenario_of(ages=[1, 3]) as scenario:
        for _ in range(5):
            scenario.sync(DAY)
        assert len(scenario.output.records["messages"]) < _received(scenario)
        scenario.sandbox.fail(status=403, times=1, path="/v1/activities")
        scenario.sync(DAY)
        assert len(scenario.output.records["messages"]) == _received(scenario)
        for _ in range(4):
            scenario.sync(DAY)
        assert len(scenario.output.records["messages"]) < _received(scenario)


def _received(scenario: SyncScenario) -> int:
    """The number of deliveries that the last sync received."""
    asked = [call.query for call in scenario.sandbox.calls if call.path == "/v1/messages"]
    ranges = [(int(query["start_ts"]), int(query["end_ts"]) + 1) for query in asked]
    count = scenario.workspace.count_deliveries
    return sum(count(start, end, now=scenario.now) for start, end in ranges)


def test_a_limited_number_of_merges_is_saved_and_the_others_count_for_everyone() -> None:
    whom = [{"customer_identifiers": {"cio_id": f"a{number}"}} for number in range(4)]
    entries = [{"timestamp": SINCE + number, **who} for number, who in enumerate(whom)]
    merges = merges_of(*entries, most=2)
    assert [merges.last(f"a{number}") for number in range(4)] == [
        SINCE + 1, SINCE + 1, SINCE + 2, SINCE + 3,
    ]  # fmt: skip
    assert Merges(merges.as_state(), AGES).as_state() == merges.as_state()


def test_a_merge_without_a_person_may_be_of_anyone() -> None:
    merges = merges_of({"customer_identifiers": None, "data": {}})
    assert merges.last("anyone") == SINCE
    merges = merges_of({"data": {"from": {"cio_id": "cio_a1"}}})
    assert (merges.last("a1"), merges.last("anyone")) == (SINCE, 0)


def test_one_run_with_a_later_start_date_does_not_change_the_ages() -> None:
    with scenario_of() as scenario:
        scenario.sync()
        scenario.sync(DAY)
        before = bookmark(scenario)["rescans"]
        scenario.sync(HOUR, start_date=rfc3339(scenario.now))
        assert bookmark(scenario)["rescans"] == before
        for _ in range(3):
            scenario.sync(3 * DAY)
            assert check_deliveries(scenario, AGES) > 100


def test_a_later_start_date_that_stays_is_read_from_at_each_age_once() -> None:
    with scenario_of() as scenario:
        scenario.sync()
        later = scenario.now - HOUR
        scenario.settings = {**scenario.settings, "start_date": rfc3339(later)}
        reads: dict[int, int] = {}
        for _ in range(12):
            scenario.sync(DAY)
            for call in scenario.sandbox.calls:
                if call.path == "/v1/messages":
                    start, end = int(call.query["start_ts"]), int(call.query["end_ts"])
                    assert start >= later
                    for hour in range(-(-start // HOUR) * HOUR, end + 1, HOUR):
                        reads[hour] = reads.get(hour, 0) + 1
        assert reads[later + 3 * HOUR] == 1 + len(AGES)
        assert max(reads.values()) <= 1 + len(AGES) + 2


def test_ages_are_restored_from_the_state() -> None:
    ages = [1 / 3, 1, 2.5]
    with scenario_of(ages=ages) as scenario:
        scenario.sync()
        scenario.sync(2 * DAY)
        held = bookmark(scenario)["rescans"]
        assert set(ages) <= {float(age) for age in held}
        assert {"1", "2.5", "0.25"} <= held.keys()
        exact = repr(1 / 3)
        old = {("0.333333" if age == exact else age): at for age, at in held.items()}
        bookmark(scenario)["rescans"] = old
        scenario.sync(HOUR)
        assert parse(bookmark(scenario)["rescans"][exact]) == scenario.now - 8 * HOUR
        starts = [int(c.query["start_ts"]) for c in scenario.sandbox.calls if "start_ts" in c.query]
        assert parse(old["0.333333"]) in starts


def test_a_state_of_an_earlier_version_continues_without_rereading_months() -> None:
    with scenario_of(ages=[]) as scenario:
        scenario.sync()
        for _ in range(3):
            scenario.sync(5 * DAY)
        read = scenario.now
        began = {"rescans": {}, "rescans_began": rfc3339(SINCE + 10 * DAY)}
        scenario.state = {
            "bookmarks": {"messages": {"replication_key_value": rfc3339(read), **began}}
        }
        scenario.sync(DAY)
        starts = [int(c.query["start_ts"]) for c in scenario.sandbox.calls if "start_ts" in c.query]
        assert min(starts) == read - 6 * HOUR
