"""Partitions: the loaded data, the workspaces, and the metadata in Dagster."""

from __future__ import annotations

import logging
import socket
from collections import Counter

import dagster as dg
import pytest
from e2e import truth
from e2e.warehouse import SCHEMA
from orchestration.dagster_harness import KEY, DagsterHarness, materialized

from tap_customerio.dagster import Workspace

pytestmark = pytest.mark.slow

FEBRUARY, MARCH = "2026-02-01|acme", "2026-03-01|acme"
PARTITIONS = [("history", FEBRUARY), ("history", MARCH), ("lists", "acme")]
STREAMS = ("campaigns", "customers", "journey_metrics", "messages")


def test_all_partitions_together_are_complete_and_running_them_again_changes_nothing(
    dagster_harness: DagsterHarness,
) -> None:
    target, warehouse = dagster_harness.duckdb()
    acme = dagster_harness.workspace(target=target)
    dagster_harness.options["streams"] = STREAMS
    rows: Counter[str] = Counter()
    for job, partition in PARTITIONS:
        for stream, about in materialized(dagster_harness.run(job, partition, acme)).items():
            rows[stream] += about["rows"]
    assert rows == truth.counts(dagster_harness.box, STREAMS)
    assert warehouse.keys(STREAMS) == truth.keys(dagster_harness.box, STREAMS)

    tables = [f"select * from {SCHEMA}.{stream} order by all" for stream in STREAMS]
    before = warehouse.ask_all(tables)
    again = materialized(dagster_harness.run("history", MARCH, acme))
    assert again.keys() == {"journey_metrics", "messages"}
    assert all(about["rows"] for about in again.values())
    assert warehouse.ask_all(tables) == before


def test_each_workspace_has_its_own_key_target_and_partitions(
    dagster_harness: DagsterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, warehouse = dagster_harness.duckdb("other")
    monkeypatch.setenv("OTHER_KEY", dagster_harness.box.app_api_key)
    monkeypatch.setenv(KEY, "a-wrong-key")
    second = Workspace(
        "other",
        app_api_key_env="OTHER_KEY",
        target=target,
        settings={"api_url": dagster_harness.box.url, "requests_per_second": 1000},
    )
    result = dagster_harness.run(
        "lists", "other", dagster_harness.workspace(), second, streams=["campaigns"]
    )
    assert result.success
    assert warehouse.keys(["campaigns"]) == truth.keys(dagster_harness.box, ["campaigns"])
    assert dagster_harness.received().types == []


def test_the_default_selection_can_be_replaced(dagster_harness: DagsterHarness) -> None:
    dagster_harness.options["streams"] = ["collection_contents", "messages"]
    repository = dagster_harness.definitions().resolve_asset_graph()
    assert {key.to_user_string() for key in repository.get_all_asset_keys()} == {
        "customerio/collection_contents",
        "customerio/messages",
    }


def test_a_subset_of_the_assets_reads_those_streams_and_has_metadata(
    dagster_harness: DagsterHarness,
) -> None:
    result = dagster_harness.run("history", MARCH, streams=["metrics", "messages"])
    assert materialized(result).keys() == {"metrics", "messages"}
    output = dagster_harness.received()
    assert output.schemas.keys() == {"metrics", "messages"}
    assert {row["created"][:7] for row in output.records["messages"]} == {"2026-03"}
    about = materialized(result)["messages"]
    assert about["rows"] == about["dagster/row_count"] == len(output.records["messages"])
    assert about["run_requests"] == len(dagster_harness.box.calls)
    assert 0 < about["requests"] < about["run_requests"]
    assert about["attempt"] == 1
    assert about["worker"] == socket.gethostname()
    assert about["tap_exit_code"] == about["target_exit_code"] == 0
    assert about["seconds"] > 0
    assert about["rate_limit_seconds"] == 0


def test_waiting_for_other_clients_is_logged(dagster_harness: DagsterHarness) -> None:
    dagster_harness.box.fail(status=429, headers={"Retry-After": "1"}, path="/v1/campaigns")
    result = dagster_harness.run("lists", "acme", streams=["campaigns"])
    assert 0 < materialized(result)["campaigns"]["rate_limit_seconds"] < 5


def test_runs_from_the_web_page_have_no_extra_child_processes(
    dagster_harness: DagsterHarness,
) -> None:
    definitions = dagster_harness.definitions()
    jobs = [*definitions.get_repository_def().get_all_jobs()]
    names = {"customerio_history", "customerio_lists", "customerio_sync", "__ASSET_JOB"}
    assert {job.name: job.executor_def for job in jobs} == dict.fromkeys(
        names, dg.in_process_executor
    )


def test_the_log_starts_with_the_command(
    dagster_harness: DagsterHarness,
) -> None:
    acme = dagster_harness.workspace(
        metrics_resolution="weeks", site_id="hidden", track_api_key="hidden"
    )
    result = dagster_harness.run("history", MARCH, acme, streams=["metrics"])
    (level, first), *_ = dagster_harness.log(result)
    assert level == logging.INFO
    assert first == (
        f'TAP_CUSTOMERIO_APP_API_KEY="${KEY}" TAP_CUSTOMERIO_REGION=us '
        f"TAP_CUSTOMERIO_API_URL={dagster_harness.box.url} TAP_CUSTOMERIO_REQUESTS_PER_SECOND=1000 "
        "TAP_CUSTOMERIO_METRICS_RESOLUTION=weeks tap-customerio backfill --config ENV "
        "--from 2026-03-01 --to 2026-04-01 --stream metrics --state state.json "
        f"| {dagster_harness.target()}"
    )


def test_lines_of_tap_and_target_have_their_levels(dagster_harness: DagsterHarness) -> None:
    script = """
import sys
for line in sys.stdin:
    if '"STATE"' in line:
        state = line.removeprefix('{"type":"STATE","value":').rstrip()[:-1]
print("2026-04-01 12:00:00 | WARNING  | target | Slow today.", file=sys.stderr)
print("Loaded.", file=sys.stderr)
print(state)
"""
    acme = dagster_harness.workspace(target=dagster_harness.target(script))
    result = dagster_harness.run("history", FEBRUARY, acme, streams=["activities"])
    assert result.success
    log = dagster_harness.log(result)
    assert (logging.INFO, "Loaded.") in log
    assert [level for level, text in log if text.endswith("Slow today.")] == [logging.WARNING]
    [level] = [level for level, text in log if "The API keeps activities for 30 days" in text]
    assert level == logging.WARNING
    idle = "Skipping", "{"
    assert not [text for _, text in log if "METRIC" in text or text.startswith(idle)]
    assert logging.DEBUG not in {level for level, _ in log}


def test_assets_are_described(dagster_harness: DagsterHarness) -> None:
    graph = dagster_harness.definitions().resolve_asset_graph()
    node = graph.get(dg.AssetKey(["customerio", "messages"]))
    assert str(node.description).startswith("Every delivery to a person")
    columns = node.metadata["dagster/column_schema"].columns
    assert ("created", "string") in [(column.name, column.type) for column in columns]


def test_a_partial_first_month_is_complete(
    dagster_harness: DagsterHarness,
) -> None:
    dagster_harness.options["start_date"] = "2026-02-15"
    job = dagster_harness.definitions().resolve_job_def("customerio_history")
    assert job.partitions_def is not None
    assert job.partitions_def.get_partition_keys() == [FEBRUARY, MARCH]
