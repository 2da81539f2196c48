"""The activity log: back-dated entries, late entries, and entries that change a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from freshness import DAY, HOUR, SyncScenario
from harness import NOW, config_for, run_tap
from hypothesis import given
from hypothesis import strategies as st

from tap_customerio.streams.activities import arrival
from tap_customerio.windows import rfc3339

if TYPE_CHECKING:
    from tap_customerio.sandbox import Sandbox

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PRESENT = int(NOW)
STATE = {"bookmarks": {"activities": {"replication_key_value": rfc3339(PRESENT - HOUR)}}}


def ulid(moment: int, number: int = 0) -> str:
    """An id with this time."""
    value = moment * 1000 << 80 | number
    return "".join(DIGITS[value >> shift & 31] for shift in range(125, -1, -5))


def entry(number: int, happened: int, arrived: int | None = None) -> dict[str, Any]:
    """An event; without a time of arrival, its id contains no time."""
    name = f"id{number}" if arrived is None else ulid(arrived, number)
    who = {"customer_id": None, "customer_identifiers": {"cio_id": "30e00001"}}
    return {"id": name, "type": "event", "timestamp": happened, **who, "data": {}}


def set_log(box: Sandbox, *pages: list[dict[str, Any]]) -> list[str]:
    """Set the pages of the log; returns the ids in them."""
    for number, rows in enumerate(pages, 1):
        following = "" if number == len(pages) else f"9{number:017d}"
        box.fail(status=200, body={"activities": rows, "next": following}, path="/v1/activities")
    return [row["id"] for rows in pages for row in rows]


def read(box: Sandbox, **settings: Any) -> list[Any]:
    """The ids of the activities that a sync emits."""
    return run_tap(config_for(box, **settings), streams=["activities"], state=STATE).ids(
        "activities"
    )


def test_a_back_dated_event_on_a_requested_page_is_sent(sandbox: Sandbox) -> None:
    rows = [entry(1, PRESENT - 60), entry(2, PRESENT - 9 * DAY), entry(3, PRESENT - 90)]
    ids = set_log(sandbox, rows)
    assert read(sandbox, start_date=rfc3339(PRESENT - 8 * DAY)) == ids


def test_the_log_is_read_beyond_pages_of_back_dated_events(sandbox: Sandbox) -> None:
    arrived = PRESENT - 600
    imported = [entry(n, PRESENT - 20 * DAY - n, arrived - n) for n in range(100)]
    ids = set_log(sandbox, imported, [entry(200, arrived - 300, arrived - 300)])
    assert read(sandbox) == ids


@pytest.mark.parametrize("arrived", [None, PRESENT - 9 * DAY])
def test_a_page_with_only_old_entries_is_the_last(sandbox: Sandbox, arrived: int | None) -> None:
    old = [entry(1, PRESENT - 9 * DAY, arrived)]
    ids = set_log(sandbox, old, [entry(2, PRESENT - 60)])
    assert read(sandbox) == ids[:1]


def test_a_range_with_an_end_sends_only_its_events(sandbox: Sandbox) -> None:
    days = (1, 2, 3, 4)
    ids = set_log(sandbox, [entry(day, PRESENT - day * DAY) for day in days])
    bounds = {"start_date": rfc3339(PRESENT - 3 * DAY), "end_date": rfc3339(PRESENT - DAY)}
    output = run_tap(config_for(sandbox, **bounds), streams=["activities"])
    assert output.ids("activities") == ids[1:3]


@given(st.integers(1, PRESENT), st.integers(1, PRESENT), st.integers(0, (1 << 80) - 1))
def test_ids_contain_the_time_of_arrival(happened: int, arrived: int, number: int) -> None:
    row = {"id": ulid(arrived, number), "timestamp": happened}
    assert arrival(row, PRESENT, 0) == max(happened, arrived)


@pytest.mark.parametrize("name", [None, 7, "", "x" * 26, "8" + "Z" * 25, ulid(PRESENT + 2 * DAY)])
def test_ids_without_a_time_are_ignored(name: Any) -> None:
    assert arrival({"id": name, "timestamp": 5}, PRESENT, 0) == 5
    assert arrival({"id": name}, PRESENT, 9) == 9


@pytest.mark.slow
@pytest.mark.parametrize(("before", "is_read"), [(6 * HOUR, True), (DAY, True), (DAY + 1, False)])
def test_a_change_logged_up_to_a_day_late_is_read(before: int, *, is_read: bool) -> None:
    with SyncScenario(streams=["customers"], people=60) as scenario:
        scenario.sync()
        change = {**entry(1, scenario.now - before), "type": "attribute_change"}
        set_log(scenario.sandbox, [change])
        scenario.sync(HOUR)
        assert (("30e00001",) in _read(scenario)) is is_read


def _read(scenario: SyncScenario) -> set[tuple[str]]:
    return {(row["cio_id"],) for row in scenario.output.records["customers"]}


KINDS = ["topic_unsubscribed_email", "unsubscribed_action", "unsubscribed_email"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_unsubscribed_people_are_read(kind: str) -> None:
    with SyncScenario(streams=["customers"], people=60) as scenario:
        scenario.sync()
        who = next(
            key for key, row in scenario.rows("customers").items() if not row["unsubscribed"]
        )
        scenario.workspace.people_admin.unsubscribe(*who, at=scenario.now + 60, kind=kind)
        scenario.sync(HOUR)
        assert scenario.rows("customers")[who]["unsubscribed"] is True


def test_everyone_is_read_if_the_log_rejects_a_type() -> None:
    with SyncScenario(streams=["customers"], people=60) as scenario:
        scenario.sync()
        scenario.sandbox.fail(status=400, path="/v1/activities")
        scenario.sync(HOUR)
        assert len(scenario.output.records["customers"]) == len(scenario.people())
