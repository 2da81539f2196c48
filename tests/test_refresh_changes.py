"""Between full reads, only rows named in the log and the messages are read."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from freshness import DAY, HOUR, SINCE, SyncScenario
from harness import config_for, few_senders, run_tap, sender_of
from refresh_scenario import OBJECT, bookmark, paths, scenario_of

from tap_customerio.windows import parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_customerio.sandbox import Sandbox


def log_of(box: Sandbox, kind: str, **entry: Any) -> None:
    """Set an activity log with one entry of a type, from just before the last sync."""
    logged = {"id": "x", "type": kind, "timestamp": int(box.clock.now()) - HOUR, **entry}
    body = {"activities": [logged], "next": ""}
    box.fail(status=200, body=body, path="/v1/activities")


LOGGED = {
    "customers": {
        *("anon_merge", "attribute_change", "device_change", "profile_create", "profile_merge"),
        *("topic_unsubscribed_email", "unsubscribed_action", "unsubscribed_email"),
    },
    "customer_relationships": {
        *("add_relationship", "delete_relationship", "relationship_attribute_change"),
        *("_o:1:add_relationship", "_o:1:delete_relationship", "_r:1:attribute_change"),
        *("anon_merge", "profile_create", "profile_merge"),
    },
    "objects": {"_o:1:attribute_change", "_o:1:create"},
    "object_relationships": {"_o:1:add_relationship", "_o:1:delete_relationship"},
}
"""The types of entries that change the rows of a stream, of those about object type 1."""


@pytest.mark.slow
@pytest.mark.parametrize("stream", LOGGED)
def test_entries_of_every_type_that_changes_rows_are_requested(stream: str) -> None:
    with scenario_of(stream) as scenario:
        scenario.sync()
        searches = {"profile_delete", "profile_merge"} if "customer" in stream else set()
        assert logged_types(scenario) == searches, "people who left during the search"
        scenario.sync(HOUR)
        assert logged_types(scenario) == LOGGED[stream]


def logged_types(scenario: SyncScenario) -> set[str]:
    """The requested types of log entries, of those about object type 1."""
    asked = [c.query["type"] for c in scenario.sandbox.calls if c.path == "/v1/activities"]
    return {kind for kind in asked if ":" not in kind or ":1:" in kind}


@pytest.mark.slow
def test_objects_in_the_log_are_read() -> None:
    with scenario_of("objects") as scenario:
        scenario.sync()
        anonymous = {"customer_identifiers": None}
        data = {"object": {"cio_object_id": OBJECT}}
        log_of(scenario.sandbox, "_o:1:create", data=data, **anonymous)
        scenario.sync(HOUR)
        assert [row["cio_object_id"] for row in scenario.output.records["objects"]] == [OBJECT]
        assert not any(path.endswith("/v1/objects") for path in paths(scenario))
        scenario.sandbox.fail(status=400, times=99, path="/v1/activities")
        scenario.sync(HOUR)
        assert not scenario.output.records["objects"]


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["customer_relationships", "subscription_preferences"])
def test_people_in_the_log_are_read(stream: str) -> None:
    with scenario_of(stream) as scenario:
        scenario.sync()
        cio_id = next(iter(scenario.people()))[0]
        who = {"customer_identifiers": {"cio_id": cio_id}}
        log_of(scenario.sandbox, "profile_create", **who)
        scenario.sync(HOUR)
        read = [path for path in paths(scenario) if path.startswith("/v1/customers/")]
        assert {path.split("/")[3].removeprefix("cio_") for path in read} == {cio_id}
        other = {"attribute": {"field": "cio_id", "operator": "eq", "value": "nobody"}}
        scenario.sync(HOUR, customers_filter=other)  # another filter causes a full read
        log_of(scenario.sandbox, "profile_create", **who)
        scenario.sync(HOUR, customers_filter=other)
        assert not any(path.startswith(f"/v1/customers/{cio_id}") for path in paths(scenario))


def sent_since(scenario: SyncScenario, since: int) -> set[tuple[str, int]]:
    """The senders of deliveries since a time: type and id."""
    rows = scenario.workspace.deliveries(since, scenario.now, now=scenario.now)
    return {sender_of(row, scenario.workspace) for row in rows}


@pytest.mark.slow
def test_only_counts_of_active_senders_are_read() -> None:
    streams = ["action_metrics", "broadcast_triggers", "journey_metrics", "metrics"]
    with scenario_of(*streams, per_day=60, start=SINCE + 10 * DAY + 12 * HOUR) as scenario:
        scenario.sync()
        before = scenario.now
        scenario.sync(2 * HOUR)
        sent = sent_since(scenario, before - 600)
        read = {
            (row["source_type"], row["source_id"]) for row in scenario.output.records["metrics"]
        }
        assert read
        assert read == sent
        assert len(read) < len(scenario.workspace.campaigns(scenario.now)) + 6
        parts = scenario.output.records["action_metrics"]
        assert {(row["source_type"], row["source_id"]) for row in parts} <= sent
        assert max(row["period_start"] for row in parts) >= rfc3339(before // DAY * DAY - DAY)
        fired = {row["broadcast_id"] for row in scenario.output.records["broadcast_triggers"]}
        assert fired == {number for kind, number in sent if kind == "broadcast"}
        whole = run_tap(config_for(scenario.sandbox), streams=["metrics"])
        now = {
            tuple(row[key] for key in whole.keys["metrics"]): row
            for row in whole.records["metrics"]
        }
        for key, row in scenario.rows("metrics").items():
            if row["period_start"] >= rfc3339(before) and (key[0], key[1]) in sent:
                assert row == now[key]


@pytest.mark.slow
def test_bookmarks_of_counts_contain_the_last_full_read() -> None:
    with scenario_of("metrics", settings={"metrics_lookback_days": 0}) as scenario:
        scenario.sync()
        first = bookmark(scenario, "metrics")["replication_key_value"]
        for _ in range(3):
            scenario.sync(6 * HOUR)
            assert bookmark(scenario, "metrics")["replication_key_value"] == first
        scenario.sync(6 * HOUR)
        assert bookmark(scenario, "metrics")["replication_key_value"] == rfc3339(scenario.now)
        asked = [call.query for call in scenario.sandbox.calls if call.path.endswith("/metrics")]
        assert min(int(query["start"]) for query in asked if "start" in query) <= parse(first)


@pytest.mark.slow
def test_without_a_bookmark_counts_are_read_in_full() -> None:
    with scenario_of("metrics") as scenario:
        scenario.sync()
        whole = len(scenario.output.records["metrics"])
        del bookmark(scenario, "metrics")["replication_key_value"]
        scenario.sync(HOUR)
        assert len(scenario.output.records["metrics"]) >= whole


@pytest.mark.slow
def test_hours_counted_back_are_always_read() -> None:
    with scenario_of("metrics", settings={"metrics_resolution": "hours"}) as scenario:
        scenario.sync()
        scenario.sync(HOUR)
        read = [path for path in paths(scenario) if path.startswith("/v1/transactional/")]
        assert read == ["/v1/transactional/1/metrics"] or len(read) == 1


@pytest.mark.slow
@pytest.mark.parametrize("failing", [True, False])
def test_all_counts_are_read_when_the_active_senders_are_unknown(
    failing: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with scenario_of("metrics", per_day=2) as scenario:
        whole = scenario.sync()
        if failing:
            scenario.sandbox.fail(status=403, times=9, path="/v1/messages")
        else:
            monkeypatch.setattr("tap_customerio.streams.recent._MOST_PAGES", 1)
            body = {"messages": [{"id": "a", "created": scenario.now}], "next": "more"}
            scenario.sandbox.fail(status=200, body=body, path="/v1/messages")
        assert scenario.sync(HOUR) >= whole - 1


def test_an_incremental_list_keeps_its_bookmark_until_all_parents_are_read(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    box = make_sandbox(workspace=few_senders(per_day=2))
    stream = "campaign_actions"
    how = {"streams": [stream], "incremental": [stream]}
    first = run_tap(config_for(box), **how)  # type: ignore[arg-type]
    box.clock.advance(HOUR)
    newest = int(box.clock.now())
    box.workspace.edit("campaigns", 1, at=newest - 60)
    actions = {"actions": [{"id": 5, "updated": newest}], "next": ""}
    box.fail(status=200, body=actions, path="/v1/campaigns/1/actions")
    state = copy.deepcopy(first.states[-1])
    second = run_tap(config_for(box), state=state, **how)  # type: ignore[arg-type]
    assert [row["id"] for row in second.records[stream]] == [5]
    assert second.bookmark(stream) == first.bookmark(stream)
