"""A backfill on a cluster with the files of the example: machines die, and nothing is missing."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import psutil
import psycopg
import pytest
import yaml
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG
from e2e import truth
from e2e.processes import PATIENCE, wait_until, write
from e2e.rows import instant
from e2e.stack import DOCUMENT, EXAMPLE, Stack, in_database, in_redis, kept_for, kill_all

from tap_customerio.sandbox import Clock, Sandbox, Workspace
from tap_customerio.windows import DAY, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dagster import DagsterRun
    from e2e.warehouse import Warehouse
    from starlette.types import ASGIApp, Receive, Scope, Send

pytestmark = pytest.mark.e2e

MONTHS = [f"2025-0{month}-01" for month in range(4, 7)]
SINCE, END = MONTHS[0], "2025-07-01"
STREAMS = ("messages", "metrics")
RATE = 5
BUNCH = 3
"""Requests that a busy machine may send late, together with others."""
SLOTS = 3
"""Parallel runs of each worker."""
ASKING = 0.3
"""Seconds between expensive checks."""
WORKSPACES = {"acme": "key-of-acme-4711", "bora": "key-of-bora-4712"}
SECRETS = (*WORKSPACES.values(), "password-of-dagster", "password-of-the-warehouse")
LIMIT = 2
"""Parallel runs of each workspace in the example's dagster.yaml."""
PARTITIONS = Counter(f"{month}|{name}" for month in MONTHS for name in WORKSPACES)
TOO_MANY = 429


class Hold:
    """Blocks requests for messages until it is opened, and records their months."""

    def __init__(self, answering: ASGIApp) -> None:
        self._answering = answering
        self.months: set[str] = set()
        self.opened = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond once it is open."""
        if scope["path"] == "/v1/messages":
            query = parse_qs(scope["query_string"].decode())
            self.months.add(f"{instant(int(query['start_ts'][0])):%Y-%m}")
            while not self.opened:  # noqa: ASYNC110 - by another thread
                await asyncio.sleep(0.01)
        await self._answering(scope, receive, send)


@dataclass
class ClusterOutcome:
    """The result of the backfill.

    Attributes:
        boxes: The sandbox of each workspace, by name.
        warehouses: The loaded tables of each workspace.
        runs: All runs.
        lost: The runs that died with a child of a worker, or with a whole worker.
        texts: All text in logs and files, and in the databases of Dagster, Celery and the limits.
        files: Names in the folder of the example.
        kept: Seconds for which Celery keeps the results of runs.
    """

    boxes: dict[str, Sandbox]
    warehouses: dict[str, Warehouse]
    runs: list[RunRecord]
    lost: set[str]
    texts: tuple[str, str, str, str]
    files: set[str]
    kept: int


@pytest.fixture(scope="module")
def boxes() -> Iterator[dict[str, Sandbox]]:
    """Two workspaces with their own keys, which reject requests that two runs have in common."""
    make = partial(
        Workspace,
        since=parse(SINCE),
        per_day=12,
        people=50,
        campaigns=2,
        newsletters=1,
        broadcasts=1,
        transactional=1,
    )
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                Sandbox(
                    make(seed=seed),
                    clock=Clock(parse(END)),
                    app_api_key=key,
                    requests_per_second=RATE + BUNCH,
                )
            )
            for seed, (name, key) in enumerate(WORKSPACES.items(), 1)
        }


@pytest.fixture(scope="module")
def warehouses(
    make_warehouse: Callable[..., Warehouse], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Warehouse]:
    """One database with a schema for each workspace."""
    whole = make_warehouse("postgres", tmp_path_factory.mktemp("warehouse"))
    return {name: replace(whole, schema=name) for name in WORKSPACES}


@pytest.fixture(scope="module")
def outcome(
    boxes: dict[str, Sandbox],
    warehouses: dict[str, Warehouse],
    postgres: str,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> ClusterOutcome:
    """A backfill of all partitions during which one fails, a child dies, and a machine dies."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create database dagster")
    storage = postgres.replace("/postgres?", "/dagster?")
    place = warehouses["acme"].place["sqlalchemy_url"]
    *_, of_dagster, of_warehouse = SECRETS
    everywhere = {
        "DAGSTER_POSTGRES_URL": url_of(storage, "postgresql+psycopg2", of_dagster),
        "CELERY_URL": f"{redis_url}/1",
        "WORKER_SLOTS": str(2 * SLOTS),
    }
    of_workers = {
        "TAP_CUSTOMERIO_RATE_LIMIT_URL": f"{redis_url}/2",
        "TARGET_POSTGRES_SQLALCHEMY_URL": url_of(place, "postgresql+psycopg", of_warehouse),
        **{f"{name.upper()}_APP_API_KEY": key for name, key in WORKSPACES.items()},
    }
    stack = Stack(tmp_path_factory.mktemp("cluster"), everywhere, of_workers)
    write(stack.home / "workspaces.yaml", listed(boxes))  # JSON is YAML
    with pytest.MonkeyPatch.context() as patch:
        for name, value in everywhere.items():
            patch.setenv(name, value)
        with stack:
            stack.start()
            with DagsterInstance.from_config(str(stack.home)) as instance:
                runs, lost = run_with_failures(stack, instance, boxes)
    queue, budgets = (in_redis(f"{redis_url}/{n}") for n in (1, 2))
    texts = (stack.all_text(), in_database(storage), queue, budgets)
    files = {path.name for path in stack.home.iterdir()}
    kept = kept_for(f"{redis_url}/1")
    return ClusterOutcome(boxes, warehouses, runs, lost, texts, files, kept)


def listed(boxes: dict[str, Sandbox]) -> dict[str, Any]:
    """The example's workspaces, on sandboxes."""
    listed: dict[str, Any] = yaml.safe_load((EXAMPLE / "workspaces.yaml").read_text())
    for workspace in listed["workspaces"]:
        box = boxes[workspace["name"]]
        workspace["settings"] = {
            "api_url": box.url,
            "requests_per_second": RATE,
            "concurrency": 2,
        }
    listed["retry_policy"]["delay"] = 1
    return listed | {"start_date": SINCE, "end_date": END, "streams": STREAMS}


def url_of(uri: str, driver: str, password: str) -> str:
    """A URL for SQLAlchemy; the server accepts any password."""
    _, _, rest = uri.partition("://postgres:@")
    return f"{driver}://postgres:{password}@{rest}"


def run_with_failures(
    stack: Stack, instance: DagsterInstance, boxes: dict[str, Sandbox]
) -> tuple[list[RunRecord], set[str]]:
    """Launch, fail, kill, and wait for the end; returns all runs, and the lost ones."""
    holds = [Hold(box.middleware.app) for box in boxes.values()]
    for box, hold in zip(boxes.values(), holds, strict=True):
        box.middleware.app = hold
    stack.launch()
    try:
        wait_until(lambda: all(len(hold.months) >= LIMIT for hold in holds), "runs under way")
        of_child, of_machine = kill(instance, stack.workers)
        boxes["bora"].fail(status=400, path="/v1/messages")
        for hold in holds:
            hold.opened = True
        give_up(instance, of_machine)
        wait_until(lambda: ended(instance), "the end of the backfill")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{stack.all_text()}") from None
    return [*instance.get_run_records()], {of_child, *of_machine}


def kill(instance: DagsterInstance, workers: list[psutil.Process]) -> tuple[str, list[str]]:
    """Kill -9 a child of one worker, and all of the other; returns their runs.

    Raises:
        AssertionError: The tap or the target of the child still runs.
    """
    running = instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED]))
    children = {pid_of(instance, run): run.run_id for run in running}
    by_worker = {
        worker: [pid for pid in children if worker in psutil.Process(pid).parents()]
        for worker in workers
    }
    machine, other = sorted(workers, key=lambda worker: len(by_worker[worker]))
    assert by_worker[machine], by_worker
    assert {run.tags.get(MAX_RUNTIME_SECONDS_TAG) for run in running} == {"3600"}
    child = by_worker[other][0]
    pipe = psutil.Process(child).children(recursive=True)
    assert len(pipe) >= 2, pipe
    os.kill(child, signal.SIGKILL)
    kill_all(machine)
    _, orphans = psutil.wait_procs(pipe, PATIENCE)
    assert not orphans
    return children[child], [children[pid] for pid in by_worker[machine]]


def give_up(instance: DagsterInstance, lost: list[str]) -> None:
    """End the time limit of the lost runs, and remove it from the runs that replace them.

    Dagster saves the status and tags of a run together: a tag written while it queues the run is
    lost. So the tag is written afterwards, and read back.
    """
    for run_id in lost:
        instance.add_run_tags(run_id, {MAX_RUNTIME_SECONDS_TAG: "1"})

    def lifted() -> bool:
        time.sleep(ASKING)
        replacing = [
            run
            for run in instance.get_runs()
            if run.parent_run_id in lost and run.status is not DagsterRunStatus.NOT_STARTED
        ]
        for run in replacing:
            instance.add_run_tags(run.run_id, {MAX_RUNTIME_SECONDS_TAG: "3600"})
        limits = [run.tags[MAX_RUNTIME_SECONDS_TAG] for run in replacing]
        return limits == ["3600"] * len(lost)

    wait_until(lifted, f"{len(lost)} lost runs launched again")


def pid_of(instance: DagsterInstance, run: DagsterRun) -> int:
    """The child process of a run."""
    entries = instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT)
    events = [entry.dagster_event.engine_event_data for entry in entries if entry.dagster_event]
    [pid] = {event.metadata["pid"].value for event in events if "pid" in event.metadata}
    return int(str(pid))


def ended(instance: DagsterInstance) -> bool:
    """Whether all partitions succeeded, or the only backfill failed."""
    time.sleep(ASKING)
    done = instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.SUCCESS]))
    [backfill] = instance.get_backfills()
    return len(done) == PARTITIONS.total() or backfill.status in BULK_ACTION_TERMINAL_STATUSES


def time_of(record: RunRecord) -> tuple[float, float]:
    """When a run began and ended."""
    assert record.start_time is not None
    assert record.end_time is not None
    return record.start_time, record.end_time


def test_every_partition_succeeds_though_runs_fail_and_die(outcome: ClusterOutcome) -> None:
    runs = [record.dagster_run for record in outcome.runs]
    succeeded = Counter(
        run.tags["dagster/partition"] for run in runs if run.status is DagsterRunStatus.SUCCESS
    )
    assert succeeded == PARTITIONS
    failed = {run.run_id for run in runs if run.status is not DagsterRunStatus.SUCCESS}
    assert failed >= outcome.lost
    _, database, _, _ = outcome.texts
    assert "STEP_UP_FOR_RETRY" in database
    assert re.search(r'"seconds_to_wait": 1\b', database)  # as in workspaces.yaml
    assert outcome.kept > DAY  # runs may take so long


def test_workers_keep_no_logs_and_send_no_statistics(outcome: ClusterOutcome) -> None:
    assert "dagster_celery" in outcome.files
    assert not {"storage", ".telemetry"} & outcome.files


def test_the_tables_match_the_workspaces(outcome: ClusterOutcome) -> None:
    for name, box in outcome.boxes.items():
        warehouse = outcome.warehouses[name]
        assert warehouse.keys(STREAMS) == truth.keys(box, STREAMS)
        assert warehouse.table("messages") == truth.table(box, "messages")


@pytest.mark.parametrize("name", WORKSPACES)
def test_no_more_runs_of_a_workspace_at_a_time_than_allowed(
    outcome: ClusterOutcome, name: str
) -> None:
    tag = "customerio/workspace"
    times = [time_of(record) for record in outcome.runs if record.dagster_run.tags[tag] == name]
    edges = sorted(edge for start, end in times for edge in ((start, 1), (end, -1)))
    assert max(accumulate(step for _, step in edges)) == LIMIT


@pytest.mark.parametrize("name", WORKSPACES)
def test_all_runs_of_a_workspace_share_its_budget(outcome: ClusterOutcome, name: str) -> None:
    box = outcome.boxes[name]
    all_text = f"{name}: {len(box.calls)} requests, {box.busiest()} in the busiest second\n"
    sys.stderr.write(all_text)
    assert len(box.calls) > 10 * RATE + BUNCH
    assert box.busiest(10) <= 10 * RATE + BUNCH
    assert TOO_MANY not in {call.status for call in box.calls}


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_stay_with_the_processes_that_need_them(
    outcome: ClusterOutcome, secret: str
) -> None:
    expected = ("BORA_APP_API_KEY", "BORA_APP_API_KEY", "celery-task-meta", "tap-customerio:")
    for text, part in zip(outcome.texts, expected, strict=True):
        assert part in text
        assert secret not in text


def test_the_target_gets_the_settings_of_meltano_yml(
    shipped: Callable[[str], dict[str, Any]],
) -> None:
    all_text = json.loads((EXAMPLE / "target.json").read_text())
    of_a_workspace = {"default_target_schema"}
    assert all_text.keys() == shipped("target-postgres").keys() - of_a_workspace
    assert all_text.items() <= shipped("target-postgres").items()


def test_the_page_names_every_variable_of_the_example() -> None:
    text = "".join(path.read_text() for path in EXAMPLE.glob("*.yaml"))
    wanted = {*re.findall(r"env: (\w+)}", text), *re.findall(r"app_api_key_env: (\w+)", text)}
    assert "WORKER_SLOTS" in wanted
    named = set(re.findall(r"`([A-Z_]+)`", DOCUMENT.read_text()))
    assert wanted <= named
