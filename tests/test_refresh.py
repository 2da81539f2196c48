"""Streams with a request per parent are read in full occasionally, otherwise only where changed."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from freshness import DAY, HOUR, SINCE, SyncScenario
from harness import Output, config_for, run_tap, select
from refresh_scenario import (
    FEW,
    OBJECT,
    PARTIAL,
    PER_PARENT,
    STREAMS,
    activated,
    scenario_of,
    sync_shifted,
    versions,
)

from tap_customerio.errors import TapError
from tap_customerio.sandbox.server.shifting import Shift
from tap_customerio.sync.progress import Progress
from tap_customerio.windows import parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_customerio.sandbox import Sandbox


EXPENSIVE = sorted((PER_PARENT & {*STREAMS}) | {"activities", "customers", "messages"})
"""Streams of more than a few requests that are selected by default."""


@pytest.mark.slow
def test_an_hourly_sync_takes_few_of_the_requests_of_the_first() -> None:
    with SyncScenario(
        streams=EXPENSIVE,
        since=SINCE + 20 * DAY,
        per_day=5,
        people=20,
        newsletters=6,
        objects_per_type=6,
        activities_per_day=5,
    ) as scenario:
        first = scenario.sync()
        kept = {name: set(scenario.rows(name)) for name in PER_PARENT & {*EXPENSIVE}}
        for _ in range(2):
            assert scenario.sync(HOUR) <= 0.15 * first
            for name, keys in kept.items():
                assert keys <= scenario.rows(name).keys(), name
            assert activated(scenario.output).keys().isdisjoint(PER_PARENT)
        assert scenario.sync(22 * HOUR) > 0.7 * first


@pytest.fixture(scope="module")
def synced() -> Iterator[SyncScenario]:
    """Some streams of this kind after a full read."""
    with scenario_of(*FEW, per_day=4) as scenario:
        scenario.sync()
        yield scenario


def again(
    scenario: SyncScenario, after: float, *, state: Any = None, catalog: Any = None, **settings: Any
) -> Output:
    """Another sync from the scenario's state, which stays unchanged."""
    scenario.sandbox.forget()
    before = scenario.sandbox.clock.now()
    scenario.sandbox.clock.advance(after)
    config = config_for(scenario.sandbox, **settings)
    kept = copy.deepcopy(state or scenario.state)
    try:
        return run_tap(config, streams=FEW, catalog=catalog, state=kept, fails=None)
    finally:
        scenario.sandbox.clock.advance(before - scenario.sandbox.clock.now())


def whole_reads(scenario: SyncScenario) -> set[str]:
    """Which of objects, newsletters and segments the last sync read in full."""
    counted = scenario.sandbox.requests_by_path()
    kinds = {"attributes": "objects", "test_groups": "newsletters", "membership": "segments"}
    found = [kinds.get(path.rpartition("/")[2], "") for path in counted]
    return {kind for kind in kinds.values() if found.count(kind) > 2}


WHOLE = {"objects", "newsletters", "segments"}


@pytest.mark.slow
def test_reworded_descriptions_read_nothing_again(synced: SyncScenario) -> None:
    catalog = select(FEW)
    for stream in catalog["streams"]:
        for field in stream["schema"]["properties"].values():
            field["description"] = "Reworded."
    output = again(synced, PARTIAL, catalog=catalog)
    assert "Reworded." in str(output.schemas["objects"])
    assert whole_reads(synced) == set()


def test_rows_between_full_reads_have_the_version_of_the_last_one(synced: SyncScenario) -> None:
    synced.workspace.edit("segments", 3, at=synced.now + 10)
    output = again(synced, PARTIAL)
    assert whole_reads(synced) == set()
    full_at = parse((synced.state or {})["bookmarks"]["segment_usage"]["full_at"])
    assert versions(synced.output, "segment_usage") == {full_at}
    assert versions(output, "segment_usage") == {full_at}
    assert output.ids("segment_usage") == [3]
    assert not activated(output)
    facts = output.states[-1]["bookmarks"]["segment_usage"]
    assert (parse(facts["full_at"]), parse(facts["changes_until"])) == (full_at, full_at + PARTIAL)


@pytest.mark.parametrize(
    ("after", "settings"),
    [
        (DAY, {}),
        pytest.param(DAY - 60, {}, marks=pytest.mark.slow),  # schedules are not exact
        pytest.param(PARTIAL, {"refresh_hours": 1}, marks=pytest.mark.slow),
        pytest.param(PARTIAL, {"refresh_hours": 0}, marks=pytest.mark.slow),
        pytest.param(
            *(PARTIAL, {"stream_maps": {"segments": {"name": None}}}), marks=pytest.mark.slow
        ),
        pytest.param(*(PARTIAL, {"end_date": rfc3339(SINCE + 40 * DAY)}), marks=pytest.mark.slow),
    ],
)
def test_everything_is_read_when_due_or_configured(
    synced: SyncScenario, after: float, settings: dict[str, Any]
) -> None:
    output = again(synced, after, **settings)
    assert whole_reads(synced) == WHOLE
    assert ("segment_usage" in activated(output)) == ("end_date" not in settings)


@pytest.mark.slow
def test_a_state_without_stamps_is_read_whole(synced: SyncScenario) -> None:
    state = copy.deepcopy(synced.state)
    assert state
    for facts in state["bookmarks"].values():
        facts.pop("full_at", None)
    output = again(synced, PARTIAL, state=state)
    assert whole_reads(synced) == WHOLE
    assert {"objects", "segment_usage"} <= activated(output).keys()


def test_other_fields_cause_a_full_read(synced: SyncScenario) -> None:
    catalog = select(["objects", "segment_usage"])
    for stream in catalog["streams"]:
        for item in stream["metadata"]:
            if stream["tap_stream_id"] == "objects" and item["breadcrumb"][-1:] == ["timestamps"]:
                item["metadata"]["selected"] = False
    config = config_for(synced.sandbox)
    output = run_tap(config, catalog=catalog, state=copy.deepcopy(synced.state))
    assert activated(output).keys() == {"objects"}


@pytest.mark.parametrize("facts", [{"full_at": 7}, {"changes_until": "soon"}])
def test_invalid_stamps_are_named(sandbox: Sandbox, facts: dict[str, Any]) -> None:
    marks = {"full_at": "2026-03-31", "changes_until": "2026-03-31", **facts}
    with pytest.raises(TapError, match="bookmark of stream 'segment_usage'"):
        run_tap(
            config_for(sandbox),
            streams=["segment_usage"],
            state={"bookmarks": {"segment_usage": marks}},
        )


def test_stamps_of_the_future_are_rejected(sandbox: Sandbox) -> None:
    future = rfc3339(int(sandbox.clock.now()) + DAY)
    marks = {"full_at": future, "changes_until": future}
    with pytest.raises(TapError, match="future"):
        run_tap(
            config_for(sandbox),
            streams=["segments", "segment_usage"],
            state={"bookmarks": {"segment_usage": marks}},
        )


def test_vanished_rows_leave_within_refresh_hours() -> None:
    with scenario_of("segment_usage", "objects") as scenario:
        scenario.sync()
        whole = {name: set(scenario.rows(name)) for name in ("segment_usage", "objects")}
        gone = ("/v1/segments", "segments"), ("/v1/objects", "identifiers")
        for after in (HOUR, 23 * HOUR):
            assert {name: set(scenario.rows(name)) for name in whole} == whole
            sync_shifted(scenario, after, *(Shift(*which, {0: [2]}) for which in gone))
        assert len(scenario.rows("segment_usage")) == len(whole["segment_usage"]) - 1
        assert len(scenario.rows("objects")) == len(whole["objects"]) - 2


def test_a_change_without_a_stamp_arrives_with_the_next_full_read() -> None:
    with scenario_of("segment_usage") as scenario:
        scenario.sync()
        used_by = {"used_by": {"campaigns": [77], "draft_newsletters": [], "sent_newsletters": []}}
        scenario.sandbox.fail(status=200, times=9, body=used_by, path="/v1/segments/3/used_by")
        scenario.sync(HOUR)
        assert not scenario.output.records["segment_usage"]
        scenario.sync(23 * HOUR)
        assert scenario.rows("segment_usage")[3,]["campaigns"] == [77]


def test_parents_without_a_stamp_count_as_changed() -> None:
    with scenario_of("sender_usage") as scenario:
        scenario.sync()
        one, other = scenario.output.ids("sender_usage")[:2]
        rows = [{"id": one}, {"id": other, "deduplicate_id": f"{other}:1700000000"}]
        body = {"sender_identities": rows}
        scenario.sandbox.fail(status=200, times=9, body=body, path="/v1/sender_identities")
        scenario.sync(HOUR)
        assert scenario.output.ids("sender_usage") == [one]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stream", "parents", "numbers"),
    [
        ("segment_usage", "segments", (3, 4)),
        ("transactional_variants", "transactional", (1, 2)),  # only `updated_at` tells
    ],
)
def test_changes_up_to_an_hour_before_the_last_sync_are_read(
    stream: str, parents: str, numbers: tuple[int, int]
) -> None:
    with scenario_of(stream, transactional=3) as scenario:
        scenario.sync()
        for number, before in zip(numbers, (HOUR, HOUR + 1), strict=True):
            scenario.workspace.edit(parents, number, at=scenario.now - before)
        scenario.sync(PARTIAL)
        assert {*scenario.output.ids(stream)} == {numbers[0]}


@pytest.mark.slow
def test_an_interrupted_full_read_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    with scenario_of("objects") as scenario:
        scenario.sync()
        scenario.sandbox.clock.advance(DAY)
        pages = iter(range(4))

        def stop(*_: Any) -> None:
            if next(pages) == 3:
                raise SystemExit(143)

        with monkeypatch.context() as patched, pytest.raises(SystemExit):
            patched.setattr(Progress, "page", stop)
            run_tap(config_for(scenario.sandbox), streams=["objects"], state=scenario.state)
        scenario.sync(HOUR)
        assert activated(scenario.output).keys() == {"objects"}
        assert len(scenario.output.records["objects"]) == 12


@pytest.mark.slow
def test_a_failed_full_read_is_repeated() -> None:
    with scenario_of("objects") as scenario:
        scenario.sync()
        scenario.sandbox.clock.advance(DAY)
        scenario.sandbox.fail(status=403, path=f"/v1/objects/1/{OBJECT}/attributes")
        config = config_for(scenario.sandbox)
        output = run_tap(config, streams=["objects"], state=scenario.state, fails=True)
        scenario.state = output.states[-1]
        scenario.sync(HOUR)
        assert activated(scenario.output).keys() == {"objects"}
        scenario.sync(HOUR)
        assert not scenario.output.records["objects"]


@pytest.mark.slow
@pytest.mark.usefixtures("fast_retries")
def test_an_unverified_full_read_is_repeated_once() -> None:
    with scenario_of("objects") as scenario:
        scenario.sync()
        for after in (DAY, HOUR):
            moving = Shift("/v1/objects", "identifiers", rotation=1, page=2)
            output = sync_shifted(scenario, after, moving)
            assert len(output.records["objects"]) > 1
            assert not activated(output)
        scenario.sync(HOUR)
        assert not scenario.output.records["objects"]
        scenario.sync(DAY)
        assert activated(scenario.output).keys() == {"objects"}
