"""Rows that change or vanish after the first read, and the requests that this costs."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from freshness import DAY, HOUR, SINCE, SyncScenario
from harness import SINCE as BEGUN
from harness import config_for, few_senders, metrics_of, new_sandbox, run_tap

from tap_customerio.errors import TapError
from tap_customerio.sandbox import Behaviours
from tap_customerio.sandbox.world import activities
from tap_customerio.windows import parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.slow

MIRRORS = ("esp_suppressions", "object_relationships", "opt_outs", "segment_memberships")


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    """Few rows of each mirror."""
    with new_sandbox(workspace=few_senders(objects_per_type=4)) as box:
        yield box


def check_deliveries(scenario: SyncScenario, ages: list[int], lag: int = 0) -> int:
    """Each delivery shows all its states up to its last age.

    Returns the number of deliveries that have passed an age.
    """
    rows, checked = scenario.rows("messages"), 0
    for delivery in scenario.workspace.newest_first(SINCE, scenario.now, now=scenario.now):
        created = delivery.created
        passed = [age for age in ages if any(t - created >= age * DAY for t in _due(scenario, age))]
        if not passed and scenario.now - created < lag:
            continue
        row, known = rows[(delivery.id,)], created + max(passed, default=0) * DAY
        truth = scenario.workspace.show(delivery, known)["metrics"]
        assert truth.items() <= {n: parse(t) for n, t in metrics_of(row).items()}.items()
        checked += bool(passed)
    return checked


def _due(scenario: SyncScenario, age: int) -> list[int]:
    """Times before which everything of this age has been read again."""
    return [time - age * DAY // 50 for time in scenario.times]


def test_deliveries_show_their_states_up_to_each_age() -> None:
    ages = [1, 3, 7]
    behaviours = Behaviours(listing_lag=6 * HOUR)
    with SyncScenario(
        start=SINCE + 10 * DAY,
        streams=["messages"],
        settings={"rescan_ages": ages},
        behaviours=behaviours,
    ) as scenario:
        for after in (0, HOUR, 5 * HOUR, DAY, DAY, 3 * DAY, 9 * DAY, HOUR, DAY, DAY, 2 * DAY):
            scenario.sync(after)
            assert check_deliveries(scenario, ages, lag=6 * HOUR) > 100
        listed_late = scenario.now - 2 * DAY
        truth = {
            (row["id"],)
            for row in scenario.workspace.deliveries(SINCE, listed_late, now=scenario.now)
        }
        assert truth <= scenario.rows("messages").keys()


def test_without_rescans_deliveries_stay_as_first_read() -> None:
    with SyncScenario(streams=["messages"], settings={"rescan_ages": []}) as scenario:
        scenario.sync()
        scenario.sync(HOUR)
        scenario.sync(3 * DAY)
        fresh = {
            row["id"]: row
            for row in scenario.workspace.deliveries(SINCE, scenario.now, now=scenario.now)
        }
        rows = scenario.rows("messages").values()
        assert any(len(metrics_of(row)) < len(fresh[row["id"]]["metrics"]) for row in rows)


def test_ages_of_an_extended_list_are_read_to_the_end() -> None:
    with SyncScenario(streams=["messages"], settings={"rescan_ages": [1]}) as scenario:
        for _ in range(4):
            scenario.sync(3 * DAY)
        scenario.settings = {"rescan_ages": [1, 7]}
        scenario.sync(DAY)
        scenario.times = scenario.times[-1:]
        assert check_deliveries(scenario, [1, 7]) > 100


def test_a_range_with_an_end_reads_no_row_again() -> None:
    with SyncScenario(streams=["messages"]) as scenario:
        scenario.sync()
        cursors = (scenario.state or {})["bookmarks"]["messages"]["rescans"]
        scenario.sync(10 * DAY, end_date=rfc3339(scenario.now + 5 * DAY))
        created = [row["created"] for row in scenario.output.records["messages"]]
        assert created
        assert min(created) >= rfc3339(scenario.times[0])
        assert (scenario.state or {})["bookmarks"]["messages"]["rescans"] == cursors


def test_an_invalid_rescan_state_is_reported_and_nothing_is_read_again(sandbox: Sandbox) -> None:
    for garbled in ({"rescans": {"x": "2026-03-01"}}, {"rescans": [1]}, {"rescans_began": 7}):
        state = {"bookmarks": {"messages": {"replication_key_value": "2026-03-01", **garbled}}}
        with pytest.raises(TapError, match="bookmark of stream 'messages'"):
            run_tap(config_for(sandbox), streams=["messages"], state=state)
    assert not [call for call in sandbox.calls if call.path == "/v1/messages"]


@pytest.mark.parametrize("shows_arrivals", [True, False])
def test_only_changed_people_are_read(
    monkeypatch: pytest.MonkeyPatch, *, shows_arrivals: bool
) -> None:
    if not shows_arrivals:  # by the time in an entry's id
        monkeypatch.setattr(activities, "_ulid", lambda arrived, words: f"{arrived} {words[9:]}")
    options: dict[str, Any] = {"people": 200, "churn": 0.05, "log_lag": 6 * HOUR}
    with SyncScenario(start=SINCE + 8 * DAY, streams=["customers"], **options) as scenario:
        everyone = scenario.sync()
        for _ in range(4):
            assert scenario.sync(9 * HOUR) < everyone + 5
            assert len(scenario.output.records["customers"]) < 40
            rows, now, before = (
                scenario.rows("customers"),
                scenario.people(),
                scenario.people(scenario.now - 6 * HOUR),
            )
            for key, person in now.items():
                if before.get(key) == person:  # logged by now
                    assert rows[key]["attributes"] == person["attributes"]
                    assert len(rows[key]["devices"]) == len(person["devices"] or [])


def test_everyone_is_read_every_few_days_and_deleted_people_leave_the_table() -> None:
    options: dict[str, Any] = {"people": 60, "churn": 0.05}
    options["settings"] = {"customers_full_every_days": 3}
    with SyncScenario(start=SINCE + 8 * DAY, streams=["customers"], **options) as scenario:
        scenario.sync()
        scenario.sync(DAY)
        scenario.sync(DAY)
        assert len(scenario.rows("customers")) > len(scenario.people())
        assert "ACTIVATE_VERSION" not in scenario.output.types
        scenario.sync(DAY)
        assert scenario.rows("customers").keys() == scenario.people().keys()
        scenario.sync(DAY)
        scenario.sync(DAY)
        assert len(scenario.output.records["customers"]) < len(scenario.people()) / 2


def test_everyone_is_read_when_the_log_does_not_name_the_changes() -> None:
    settings = {"customers_full_every_days": 100}
    with SyncScenario(streams=["customers"], churn=0.01, settings=settings) as scenario:
        scenario.sync()
        scenario.sync(30 * DAY)
        assert scenario.rows("customers").keys() == scenario.people().keys()
        scenario.sandbox.fail(status=403, times=9, path="/v1/activities")
        scenario.sync(DAY)
        assert len(scenario.output.records["customers"]) == len(scenario.people())
        scenario.sandbox.middleware.failures.clear()
        scenario.sync(HOUR, customers_sync="full")
        assert len(scenario.output.records["customers"]) == len(scenario.people())
        only = {"attribute": {"field": "region", "operator": "eq", "value": "Asia"}}
        scenario.sync(HOUR, customers_filter=only)
        assert (
            scenario.rows("customers").keys() == scenario.people().keys()
        )  # less than half: doubtful
        scenario.sync(HOUR, customers_filter=only)
        asia = {
            key for key, row in scenario.people().items() if row["attributes"]["region"] == "Asia"
        }
        assert scenario.rows("customers").keys() == asia
        scenario.sync(HOUR, customers_filter=only)
        assert {(row["cio_id"],) for row in scenario.output.records["customers"]} == asia


def test_no_one_is_dropped_when_someone_leaves_during_the_full_read() -> None:
    with SyncScenario(streams=["customers"]) as scenario:
        left = {"type": "profile_delete", "timestamp": scenario.now + 1, "id": "x", "data": {}}
        body = {"activities": [{**left, "customer_identifiers": {"cio_id": "x"}}], "next": ""}
        scenario.sandbox.fail(status=200, body=body, path="/v1/activities")
        scenario.sync()
        assert "ACTIVATE_VERSION" not in scenario.output.types


def test_vanished_rows_leave_the_tables_of_mirrors() -> None:
    with SyncScenario(streams=MIRRORS, churn=0.2, people=400, objects_per_type=5) as scenario:
        scenario.sync()
        before = {name: set(scenario.rows(name)) for name in MIRRORS}
        scenario.sync(20 * DAY)
        for name in MIRRORS:
            assert before[name] - scenario.rows(name).keys(), name
            assert scenario.rows(name).keys() == set(_full_read(scenario, name)), name


def _full_read(scenario: SyncScenario, name: str) -> list[tuple[Any, ...]]:
    output = run_tap(config_for(scenario.sandbox), streams=[name])
    return [tuple(row[key] for key in output.keys[name]) for row in output.records[name]]


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        ("segment_memberships", "/v1/segments/3/membership"),
        ("esp_suppressions", "/v1/esp/suppression/spam_reports"),
        ("opt_outs", "/v1/optouts"),
        ("object_relationships", "/v1/objects/*/relationships"),
    ],
)
def test_an_incomplete_read_removes_nothing(sandbox: Sandbox, stream: str, path: str) -> None:
    sandbox.fail(status=403, path=path)
    written = io.BytesIO()
    with pytest.raises(TapError, match="Incomplete"):
        run_tap(config_for(sandbox), streams=[stream], stdout=written)
    assert b'"SCHEMA"' in written.getvalue()
    assert b"ACTIVATE_VERSION" not in written.getvalue()
    output = run_tap(config_for(sandbox), streams=[stream])
    assert output.types.count("ACTIVATE_VERSION") == 1


def test_streams_that_append_or_read_a_range_drop_nothing(sandbox: Sandbox) -> None:
    streams = ["activities", "messages", "metrics", "segment_counts"]
    output = run_tap(config_for(sandbox, start_date=rfc3339(BEGUN)), streams=streams)
    assert all(output.records[stream] for stream in streams)
    assert "ACTIVATE_VERSION" not in output.types
    assert all(message.get("version") is None for message in output.messages)


def test_versions_can_be_turned_off(sandbox: Sandbox) -> None:
    output = run_tap(
        config_for(sandbox, emit_activate_version_messages=False), streams=["opt_outs"]
    )
    assert "ACTIVATE_VERSION" not in output.types
    assert output.records["opt_outs"]
    assert all(message.get("version") is None for message in output.messages)


def test_batches_activate_nothing_because_their_files_have_no_version(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    batches = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": tmp_path.as_uri()},
    }
    output = run_tap(config_for(sandbox, batch_config=batches), streams=["opt_outs"])
    assert "BATCH" in output.types
    assert "ACTIVATE_VERSION" not in output.types
