"""meltano.yml in a separate project: installs, loads, saves its state."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml
from e2e import truth
from e2e.processes import ROOT, end, environment, installed, run, wait_until
from e2e.project import selection, settings
from harness import CORE, Output, few_senders
from transform.dbt_run import READ_BY_MARTS

from tap_customerio.sandbox import Workspace
from tap_customerio.settings import SETTINGS
from tap_customerio.tap import TapCustomerio
from tap_customerio.windows import DAY, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from e2e.project import Project

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.e2e

SINCE = parse("2026-03-01")
NOW = parse("2026-04-01T12:00:00Z")
KEY = "5ecre7-1n-7h3-3nv1r0nm3n7"
VARIABLES = {
    "TAP_CUSTOMERIO_START_DATE": "2026-03-10T05:00:00Z",
    "TAP_CUSTOMERIO_END_DATE": "2026-03-12",
    "TAP_CUSTOMERIO_RESCAN_AGES": "[2]",
    "TAP_CUSTOMERIO_CUSTOMERS_FILTER": '{"and": []}',
    "TAP_CUSTOMERIO_INCLUDE_DRAFTS": "true",
    "TAP_CUSTOMERIO_REQUEST_TIMEOUT": "5",
    "TAP_CUSTOMERIO_REQUESTS_PER_SECOND": "2.5",
    "TAP_CUSTOMERIO_FLATTENING_SEPARATOR": "_",
    "TAP_CUSTOMERIO_FLATTENING_MAX_KEY_LENGTH": "30",
    "TAP_CUSTOMERIO_FAKER_CONFIG": '{"seed": 7}',
}


@pytest.fixture
def box(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    workspace = few_senders(since=SINCE, per_day=20, people=40)
    return make_sandbox(now=NOW, workspace=workspace)


def test_target_jsonl_works_with_its_shipped_settings(project: Project, box: Sandbox) -> None:
    project.meltano("run", "tap-customerio", "target-jsonl", **settings(box, CORE))
    for stream, count in truth.counts(box, CORE).items():
        lines = (project.folder / "output" / f"{stream}.jsonl").read_text().splitlines()
        assert len(lines) == count
    assert project.bookmark("dev:tap-customerio-to-target-jsonl") == rfc3339(NOW)


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[str]:
    """`tap-customerio sandbox` as a separate process; returns its URL."""
    log = folder / "sandbox.log"
    command = [installed("tap-customerio"), "sandbox", "--port", "0", *options]
    with log.open("wb") as output:
        server = subprocess.Popen(command, stderr=output, env=environment(), start_new_session=True)
    try:
        found: list[str] = []

        def is_up() -> bool:
            assert server.poll() is None, f"the sandbox ended:\n{log.read_text()}"
            found[:] = re.findall(r"http://127\.0\.0\.1:\d+", log.read_text())
            return bool(found)

        wait_until(is_up, "the sandbox says where it is")
        yield found[0]
    finally:
        end(server)


def test_the_sandbox_environment_only_needs_a_running_sandbox(
    project: Project, shipped: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    midnight = int(time.time()) // DAY * DAY
    workspace = Workspace(since=midnight - 10 * DAY, per_day=20, people=100)
    size = ["--days", "10", "--deliveries-per-day", "20", "--people", "100"]
    command = ["--environment", "sandbox", "run", "tap-customerio", "target-duckdb"]
    start = {"TAP_CUSTOMERIO_START_DATE": rfc3339(workspace.since)}  # else, two requests a year
    variables = {"TAP_CUSTOMERIO__SELECT": selection(["messages"]), **start}
    with serving(tmp_path, *size) as url:
        project.meltano(*command, TAP_CUSTOMERIO_API_URL=url, **variables)
    bookmark = parse(project.bookmark("sandbox:tap-customerio-to-target-duckdb"))
    path = project.folder / shipped("target-duckdb")["path"]
    with duckdb.connect(str(path), read_only=True) as database:
        counted = database.execute("select count(*) from customerio.messages").fetchall()
    expected = workspace.count_deliveries(workspace.since, bookmark, now=time.time())
    assert counted == [(expected,)]
    assert expected > 0


def keep_few_models(transform: Path) -> None:
    """Reduce the project's models to two marts; other tests build all."""
    transform.unlink()
    shutil.copytree(ROOT / "transform", transform)
    (transform / "tests" / "customerio_nothing_is_missing.sql").unlink()  # of another mart
    kept = READ_BY_MARTS | {"deliveries", "senders"}
    for layer in ("staging", "marts"):
        for path in (transform / "models" / layer).glob("*customerio__*"):
            if path.stem.partition("__")[2] not in kept:
                path.unlink()


def test_models_are_built_on_what_was_loaded(project: Project, box: Sandbox) -> None:
    keep_few_models(project.folder / "transform")
    quick = {"DBT_EXCLUDE_RESOURCE_TYPES": "test"}  # the demo runs the data tests
    project.meltano("run", "nightly-models", **settings(box, CORE), **quick)
    with duckdb.connect(str(project.folder / "warehouse.duckdb"), read_only=True) as database:
        modelled = database.execute("select sum(deliveries) from analytics.customerio__senders")
        [(deliveries,)] = modelled.fetchall()
        loaded = database.execute("select count(*) from customerio.messages where created < now()")
        # The table also has rows of other tests that share the project.
        assert [(deliveries,)] == loaded.fetchall()
    assert deliveries >= truth.deliveries(box)


def test_meltano_accepts_every_setting_hides_the_key_and_calls_no_one(
    project: Project, tmp_path: Path
) -> None:
    variables = {**VARIABLES, "TAP_CUSTOMERIO_APP_API_KEY": KEY}
    printed = project.meltano("config", "print", "tap-customerio", **variables)
    assert project.external_servers.calls == []
    shutil.copy(project.folder / "meltano.yml", tmp_path)  # a project reports when this changes
    variables |= {"MELTANO_PROJECT_ROOT": str(tmp_path)}
    variables |= {"MELTANO_SEND_ANONYMOUS_USAGE_STATS": "true"}
    listed = project.meltano("config", "list", "--all", "tap-customerio", **variables)
    assert project.external_servers.calls, "the servers record no requests"
    project.external_servers.calls.clear()
    for name in SETTINGS["properties"]:
        assert f"TAP_CUSTOMERIO_{name.upper()}" in listed
    assert KEY not in listed + printed
    values = json.loads(printed)
    assert values["start_date"] == "2026-03-10T05:00:00Z"
    assert values["end_date"] == "2026-03-12"
    assert values["rescan_ages"] == [2]
    assert values["customers_filter"] == {"and": []}
    assert values["include_drafts"] is True
    assert values["request_timeout"] == "5"
    assert values["requests_per_second"] == "2.5"
    assert values["flattening_separator"] == "_"
    assert values["flattening_max_key_length"] == 30
    assert values["faker_config"] == {"seed": 7}
    tap = TapCustomerio(config=values | {"app_api_key": KEY})
    assert tap.settings.request_timeout == 5
    assert tap.settings.requests_per_second == 2.5


def test_meltano_selects_every_field_of_the_default_streams(
    project: Project,
) -> None:
    listed = project.meltano("select", "--list", "--all", "tap-customerio")
    fields = {field: how for how, field in re.findall(r"\[(\w+) *\] ([\w.]+)", listed)}
    assert {field.split(".")[0] for field in fields} == set(truth.STREAMS)
    for stream in truth.COLUMNS:
        assert {f"{stream}.{column}" for column in truth.kinds(stream)} <= fields.keys()
    for field, how in fields.items():
        left_out = field.split(".")[0] in truth.ON_REQUEST
        assert how in ({"excluded"} if left_out else {"automatic", "selected"}), field


def test_the_selection_printed_by_fields_has_whole_objects(project: Project, box: Sandbox) -> None:
    fields = [installed("tap-customerio"), "fields", "messages", "opened", "--select", "meltano"]
    printed = yaml.safe_load(run(fields, env=environment()).printed)["select"]
    variables = settings(box, ()) | {"TAP_CUSTOMERIO__SELECT": json.dumps(printed)}
    lines = project.meltano("invoke", "tap-customerio", **variables).splitlines()
    records = Output.of(line.encode() for line in lines if line.startswith("{")).records
    assert records.keys() == {"messages"}
    opened = {row["id"] for row in records["messages"] if row["metrics"].get("opened")}
    deliveries = box.workspace.deliveries(SINCE, NOW, now=NOW)
    assert opened == {row["id"] for row in deliveries if row["metrics"].get("opened")}
    assert opened
