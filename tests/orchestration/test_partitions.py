"""Partitions: what is loaded, by whom, and what Dagster is told of it."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from typing import TYPE_CHECKING

import dagster as dg
from e2e import truth
from e2e.warehouse import SCHEMA
from orchestration.orchestra import KEY, DagsterHarness, materialized

from tap_customerio.dagster import Workspace

if TYPE_CHECKING:
    import pytest

FEBRUARY, MARCH = "2026-02-01|acme", "2026-03-01|acme"
PARTITIONS = [("history", FEBRUARY), ("history", MARCH), ("lists", "acme")]
STREAMS = ("campaigns", "customers", "journey_metrics", "messages")


def test_all_partitions_together_are_the_truth_and_running_them_again_changes_nothing(
    orchestra: DagsterHarness,
) -> None:
    target, warehouse = orchestra.duckdb()
    acme = orchestra.workspace(target=target)
    orchestra.options["streams"] = STREAMS
    rows: Counter[str] = Counter()
    for job, partition in PARTITIONS:
        for stream, about in materialized(orchestra.run(job, partition, acme)).items():
            rows[stream] += about["rows"]
    assert rows == truth.counts(orchestra.box, STREAMS)
    assert warehouse.keys(STREAMS) == truth.keys(orchestra.box, STREAMS)

    tables = [f"select * from {SCHEMA}.{stream} order by all" for stream in STREAMS]
    before = warehouse.ask_all(tables)
    for job, partition in PARTITIONS[1:]:
        again = materialized(orchestra.run(job, partition, acme))
        assert all(about["rows"] for about in again.values())
    assert warehouse.ask_all(tables) == before


def test_each_workspace_has_its_own_key_target_and_partitions(
    orchestra: DagsterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, warehouse = orchestra.duckdb("other")
    monkeypatch.setenv("OTHER_KEY", orchestra.box.app_api_key)
    monkeypatch.setenv(KEY, "a-wrong-key")
    second = Workspace(
        "other",
        app_api_key_env="OTHER_KEY",
        target=target,
        settings={"api_url": orchestra.box.url, "requests_per_second": 1000},
    )
    result = orchestra.run("lists", "other", orchestra.workspace(), second, streams=["campaigns"])
    assert result.success
    assert warehouse.keys(["campaigns"]) == truth.keys(orchestra.box, ["campaigns"])
    assert orchestra.received().types == []


def test_a_subset_of_the_assets_reads_only_those_streams(orchestra: DagsterHarness) -> None:
    result = orchestra.run("history", MARCH, streams=["metrics", "messages"])
    assert materialized(result).keys() == {"metrics", "messages"}
    output = orchestra.received()
    assert output.schemas.keys() == {"metrics", "messages"}
    months = {row["created"][:7] for row in output.records["messages"]}
    assert months == {"2026-03"}


def test_what_is_selected_by_default_can_be_replaced(orchestra: DagsterHarness) -> None:
    orchestra.options["streams"] = ["collection_contents", "messages"]
    repository = orchestra.definitions().resolve_asset_graph()
    assert {key.to_user_string() for key in repository.get_all_asset_keys()} == {
        "customerio/collection_contents",
        "customerio/messages",
    }


def test_metadata_says_what_was_read_by_whom_and_what_it_took(orchestra: DagsterHarness) -> None:
    result = orchestra.run("history", MARCH, streams=["metrics", "messages"])
    about = materialized(result)["messages"]
    output = orchestra.received()
    assert about["rows"] == about["dagster/row_count"] == len(output.records["messages"])
    assert about["run_requests"] == len(orchestra.box.calls)
    assert 0 < about["requests"] < about["run_requests"]
    assert about["attempt"] == 1
    assert about["worker"] == socket.gethostname()
    assert about["tap_exit_code"] == about["target_exit_code"] == 0
    assert about["seconds"] > 0
    assert about["rate_limit_seconds"] == 0


def test_waiting_for_others_who_share_the_limit_is_told(orchestra: DagsterHarness) -> None:
    orchestra.box.fail(status=429, headers={"Retry-After": "1"}, path="/v1/campaigns")
    result = orchestra.run("lists", "acme", streams=["campaigns"])
    assert 0 < materialized(result)["campaigns"]["rate_limit_seconds"] < 5


def test_runs_that_a_person_starts_on_the_screen_have_no_children_of_dagsters_making(
    orchestra: DagsterHarness,
) -> None:
    job = orchestra.definitions().resolve_implicit_global_asset_job_def()
    assert job.executor_def is dg.in_process_executor


def test_the_log_begins_with_the_command_that_one_would_type(orchestra: DagsterHarness) -> None:
    acme = orchestra.workspace(metrics_resolution="weeks")
    result = orchestra.run("history", MARCH, acme, streams=["metrics"])
    (level, first), *_ = orchestra.log(result)
    assert level == logging.INFO
    assert first == (
        f'TAP_CUSTOMERIO_APP_API_KEY="${KEY}" TAP_CUSTOMERIO_REGION=us '
        f"TAP_CUSTOMERIO_API_URL={orchestra.box.url} TAP_CUSTOMERIO_REQUESTS_PER_SECOND=1000 "
        "TAP_CUSTOMERIO_METRICS_RESOLUTION=weeks tap-customerio backfill --config ENV "
        "--from 2026-03-01 --to 2026-04-01 --stream metrics --state state.json "
        f"| {orchestra.target()}"
    )


def test_lines_of_tap_and_target_come_at_their_levels(orchestra: DagsterHarness) -> None:
    script = """
import sys
for line in sys.stdin:
    if '"STATE"' in line:
        state = line.removeprefix('{"type":"STATE","value":').rstrip()[:-1]
print("2026-04-01 12:00:00 | WARNING  | target | Slow today.", file=sys.stderr)
print("Loaded.", file=sys.stderr)
print(state)
"""
    acme = orchestra.workspace(target=orchestra.target(script))
    result = orchestra.run("history", FEBRUARY, acme, streams=["activities"])
    assert result.success
    log = orchestra.log(result)
    assert (logging.INFO, "Loaded.") in log
    assert [level for level, text in log if text.endswith("Slow today.")] == [logging.WARNING]
    [level] = [level for level, text in log if "The API keeps activities for 30 days" in text]
    assert level == logging.WARNING
    assert not [text for _, text in log if "METRIC" in text or text.startswith("{")]


def test_assets_are_described(orchestra: DagsterHarness) -> None:
    graph = orchestra.definitions().resolve_asset_graph()
    node = graph.get(dg.AssetKey(["customerio", "messages"]))
    assert str(node.description).startswith("Every delivery to a person")
    columns = node.metadata["dagster/column_schema"].columns
    assert ("created", "string") in [(column.name, column.type) for column in columns]


def test_a_month_that_does_not_begin_on_its_first_day_is_whole_all_the_same(
    orchestra: DagsterHarness,
) -> None:
    orchestra.options["start_date"] = "2026-02-15"
    job = orchestra.definitions().resolve_job_def("customerio_history")
    assert job.partitions_def is not None
    assert job.partitions_def.get_partition_keys() == [FEBRUARY, MARCH]
