"""The regular sync: its state, its schedule, and its place in the queue."""

from __future__ import annotations

import datetime as dt
import json
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from backfill.backfilling import TARGET
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from harness import few_senders, new_sandbox
from orchestration.dagster_harness import KEY, QUIET, DagsterHarness, materialized

from tap_customerio.pipeline.processes import Pipe
from tap_customerio.windows import DAY, HOUR, parse, rfc3339

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from collections.abc import Iterator

SINCE = parse("2026-03-01")
EDGE = parse("2026-04-01")
NOW = EDGE + DAY
GUIDE = (Path(__file__).parents[2] / "docs" / "dagster.md").read_text()
OURS = "customerio/"
RESTART = {"ops": {"sync": {"config": {"restart": True}}}}
STREAMS = ["campaigns", "messages", "metrics"]


@pytest.fixture
def dagster_harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterHarness]:
    """A workspace with a moving clock, whose history ended a day ago."""
    with (
        new_sandbox(now=NOW, workspace=few_senders(since=SINCE)) as box,
        dg.DagsterInstance.ephemeral() as instance,
    ):
        monkeypatch.setenv(KEY, box.app_api_key)
        options: dict[str, Any] = {"start_date": "2026-03-01", "streams": STREAMS}
        yield DagsterHarness(box, tmp_path, instance, options)


def bookmark(dagster_harness: DagsterHarness) -> str:
    """The bookmark of deliveries in Dagster's database."""
    key = "tap-customerio/sync/acme"
    text = dagster_harness.instance.daemon_cursor_storage.get_cursor_values({key})[key]
    mark: str = json.loads(text)["state"]["bookmarks"]["messages"]["replication_key_value"]
    return mark


def test_syncs_resume_from_each_other_and_with_the_months_are_complete(
    dagster_harness: DagsterHarness,
) -> None:
    acme = dagster_harness.workspace()
    rows = []
    for hours in (0, 8):
        dagster_harness.box.clock.advance(hours * HOUR)
        result = dagster_harness.run("sync", "acme", acme)
        assert result.success
        assert bookmark(dagster_harness) == rfc3339(NOW + hours * HOUR)
        observed: dict[str, Any] = {
            event.asset_observation_data.asset_observation.asset_key.path[-1]: (
                event.asset_observation_data.asset_observation.metadata["rows"].value
            )
            for event in result.all_events
            if event.event_type_value == "ASSET_OBSERVATION"
        }
        assert observed.keys() == {"messages", "metrics"}
        assert materialized(result).keys() == {"campaigns"}
        rows.append(observed["messages"])
    assert 0 < rows[1] < rows[0]
    assert dagster_harness.run("history", "2026-03-01|acme", acme, streams=["messages"]).success
    now = NOW + 8 * HOUR
    made = dagster_harness.box.workspace.deliveries(SINCE, now, now=now)
    received = dagster_harness.received()
    assert set(received.ids("messages")) == {row["id"] for row in made}
    assert received.schemas.keys() == {*STREAMS}


def test_the_first_sync_starts_where_the_months_end_and_looks_back(
    dagster_harness: DagsterHarness,
) -> None:
    dagster_harness.options["streams"] = ["messages", "metrics"]
    acme = dagster_harness.workspace(rescan_ages=[5], metrics_lookback_days=2)
    assert dagster_harness.run("sync", "acme", acme).success
    received = dagster_harness.received()
    created = sorted(row["created"] for row in received.records["messages"])
    # Other deliveries reached an age (six hours, five days) since yesterday.
    assert {moment[:10] for moment in created} == {"2026-04-01", "2026-03-31", "2026-03-27"}
    assert all(m >= "2026-03-31T18:00:00Z" for m in created if m.startswith("2026-03-31"))
    assert min(row["period_start"] for row in received.records["metrics"]) >= "2026-03-29T04"


def test_a_custom_start_date_is_used_and_restart_starts_over(
    dagster_harness: DagsterHarness,
) -> None:
    dagster_harness.options["streams"] = ["messages"]
    acme = dagster_harness.workspace(start_date="2026-03-30")
    days = {"2026-03-30", "2026-03-31", "2026-04-01"}
    assert dagster_harness.run("sync", "acme", acme).success
    assert {row["created"][:10] for row in dagster_harness.received().records["messages"]} == days
    assert dagster_harness.run("sync", "acme", acme).success
    assert dagster_harness.received().records["messages"] == []
    assert dagster_harness.run("sync", "acme", acme, run_config=RESTART).success
    assert {row["created"][:10] for row in dagster_harness.received().records["messages"]} == days


def test_a_retry_or_re_execution_of_a_restart_continues(dagster_harness: DagsterHarness) -> None:
    dagster_harness.options |= {"streams": ["messages"], "retry_policy": dg.RetryPolicy()}
    once = TARGET.replace("for line", "first = not seen.tell()\nfor line", 1)
    fails = dagster_harness.target(f"{once}if first: sys.exit(3)\n")
    acme = dagster_harness.workspace(target=fails, start_date="2026-03-30")
    result = dagster_harness.run("sync", "acme", acme, run_config=RESTART)
    assert result.success
    ids = dagster_harness.received().ids("messages")
    assert 0 < len(ids) == len({*ids})

    job = dagster_harness.definitions(acme).resolve_job_def("customerio_sync")
    run = dagster_harness.instance.create_run_for_job(
        job,
        run_config=RESTART,
        tags={"dagster/partition": "acme"},
        parent_run_id=result.run_id,
        root_run_id=result.run_id,
    )
    dagster_harness.target()  # one that does not fail, at the same place
    assert execute_run(InMemoryJob(job), run, dagster_harness.instance).success
    assert dagster_harness.received().records["messages"] == []


def test_months_read_by_syncs_are_not_missing(dagster_harness: DagsterHarness) -> None:
    dagster_harness.options["end_date"] = "2026-03-01"
    dagster_harness.box.clock.advance(-3 * DAY)
    assert "messages" not in materialized(dagster_harness.run("sync", "acme"))
    dagster_harness.options["end_date"] = "2026-04-01"
    dagster_harness.box.clock.advance(2 * DAY)
    result = dagster_harness.run("sync", "acme")
    months = {
        (event.materialization.asset_key.path[-1], event.materialization.partition)
        for event in result.all_events
        if event.is_step_materialization
    }
    march = "2026-03-01|acme"
    assert months == {("messages", march), ("metrics", march), ("campaigns", "acme")}


def test_a_stream_that_fails_is_not_reported_and_the_sync_fails(
    dagster_harness: DagsterHarness,
) -> None:
    dagster_harness.box.fail(status=403, times=10**6, path="/v1/messages")
    result = dagster_harness.run("sync", "acme")
    assert not result.success
    assert reported(result) == {"campaigns", "metrics"}


def test_streams_that_the_target_has_not_loaded_are_not_reported(
    dagster_harness: DagsterHarness,
) -> None:
    fails = dagster_harness.target(f"{TARGET}sys.exit(3)\n")
    result = dagster_harness.run("sync", "acme", dagster_harness.workspace(target=fails))
    assert not result.success
    assert reported(result) == set()


def reported(result: dg.ExecuteInProcessResult) -> set[str]:
    """The streams that a run observed or materialized."""
    return {
        event.asset_key.path[-1]
        for event in result.all_events
        if event.event_type_value in {"ASSET_OBSERVATION", "ASSET_MATERIALIZATION"}
        and event.asset_key is not None
    }


def test_signals_go_to_dagster_during_a_sync(
    dagster_harness: DagsterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    dagster_harness.options["streams"] = ["campaigns"]
    handlers: list[Any] = []
    run = Pipe.run

    def watched(pipe: Pipe, on_line: Any) -> tuple[int, int]:
        handlers.extend(map(signal.getsignal, (signal.SIGINT, signal.SIGTERM)))
        return run(pipe, on_line)

    monkeypatch.setattr(Pipe, "run", watched)
    assert dagster_harness.run("sync", "acme").success
    assert [each.__module__ for each in handlers] == ["dagster._utils.interrupts"] * 2


def requests(dagster_harness: DagsterHarness, *names: str) -> dg.SensorExecutionData:
    """The runs that the schedule requests at an hour."""
    definitions = dagster_harness.definitions(*map(dagster_harness.workspace, names))
    schedule = definitions.resolve_schedule_def("customerio_sync_schedule")
    context = dg.build_schedule_context(
        instance=dagster_harness.instance,
        scheduled_execution_time=dt.datetime(2026, 4, 2, 3, tzinfo=dt.timezone.utc),
        repository_def=definitions.get_repository_def(),
    )
    return schedule.evaluate_tick(context)


def test_the_schedule_requests_each_workspace_whose_last_sync_has_ended(
    dagster_harness: DagsterHarness,
) -> None:
    with dg.DagsterInstance.local_temp(str(dagster_harness.folder), QUIET) as instance:
        dagster_harness.instance = instance
        check_schedule(dagster_harness)


def check_schedule(dagster_harness: DagsterHarness) -> None:
    """Check the requests with an instance that has a reference, as schedules receive it."""
    wanted = requests(dagster_harness, "acme", "other").run_requests
    assert [run.partition_key for run in wanted] == ["acme", "other"]
    assert wanted[0].run_key == "acme 2026-04-02T03:00"
    assert wanted[0].tags["customerio/workspace"] == wanted[0].tags["customerio/sync"] == "acme"
    job = dagster_harness.definitions().resolve_job_def("customerio_sync")
    assert job.tags["dagster/priority"] == "10"
    states = [
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.FAILURE,
    ]
    for name, status in zip(("acme", "other", "third"), states, strict=True):
        dagster_harness.instance.create_run_for_job(
            job, status=dg.DagsterRunStatus(status), tags={"dagster/partition": name}
        )
    lists = dagster_harness.definitions().resolve_job_def("customerio_lists")
    dagster_harness.instance.create_run_for_job(
        lists, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": "third"}
    )
    wanted = requests(dagster_harness, "acme", "other", "third").run_requests
    assert [run.partition_key for run in wanted] == ["third"]
    nothing = requests(dagster_harness, "acme", "other")
    assert nothing.run_requests == []
    assert nothing.skip_message == "The last syncs of all workspaces have not ended yet."


def test_syncs_are_hourly_unless_the_schedule_is_none(dagster_harness: DagsterHarness) -> None:
    [hourly] = dagster_harness.definitions().get_repository_def().schedule_defs
    assert hourly.cron_schedule == "0 * * * *"
    dagster_harness.options["schedule"] = None
    assert dagster_harness.definitions().get_repository_def().schedule_defs == []


def guide() -> dg.Definitions:
    """The definitions of the guide, next to another asset."""
    [code] = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    found: dict[str, Any] = {}
    exec(code, found)

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["acme"]))
    def other() -> None:
        pass

    defs = dg.Definitions.merge(found["defs"], dg.Definitions([other]))
    dg.Definitions.validate_loadable(defs)
    return defs


@pytest.fixture(scope="module")
def guided(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[dg.DagsterInstance, dg.Definitions]]:
    """An instance with the settings of the guide, and its definitions."""
    folder = tmp_path_factory.mktemp("guided")
    [settings] = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    (folder / "dagster.yaml").write_text(settings)
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance, guide()


BOTH = {"workspace": "acme", "sync": "acme"}
MONTH = {"dagster/partition": "2026-02-01|acme", "dagster/partition/workspace": "acme"}
WHOLE = {"dagster/partition": "acme"}


@pytest.mark.parametrize(
    ("job", "asset", "tags", "expected"),
    [
        ("customerio_lists", None, WHOLE, BOTH),
        ("customerio_history", None, MONTH, {"workspace": "acme"}),
        ("customerio_sync", None, WHOLE, BOTH),
        ("customerio_lists", None, {}, {}),
        ("__ASSET_JOB", "customerio/campaigns", WHOLE, BOTH),
        ("__ASSET_JOB", "customerio/messages", MONTH, {"workspace": "acme"}),
        ("__ASSET_JOB", "other", WHOLE, {}),
    ],
)
def test_with_the_guides_settings_runs_are_tagged_with_their_workspace_and_queued(
    guided: tuple[dg.DagsterInstance, dg.Definitions],
    job: str,
    asset: str | None,
    tags: dict[str, str],
    expected: dict[str, str],
) -> None:
    instance, definitions = guided
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "all")
    run = instance.create_run_for_job(
        definitions.resolve_job_def(job),
        tags=tags,
        remote_job_origin=RemoteJobOrigin(repository, job),
        asset_selection={dg.AssetKey.from_user_string(asset)} if asset else None,
    )
    context = dg.SubmitRunContext(run, None)  # type: ignore[arg-type]
    assert instance.run_coordinator.submit_run(context).status == dg.DagsterRunStatus.QUEUED
    stored = instance.get_run_by_id(run.run_id)
    assert stored is not None
    reported = {tag.partition("/")[2]: value for tag, value in stored.tags.items() if OURS in tag}
    assert reported == expected
