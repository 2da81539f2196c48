"""meltano.yml as it is shipped, in a project of its own: installs, loads, keeps its state."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml
from e2e import truth
from e2e.processes import ROOT, end, environment, installed, run, wait_until

from tap_customerio.sandbox import Workspace
from tap_customerio.settings import SETTINGS
from tap_customerio.windows import DAY, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from e2e.warehouse import Warehouse

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.e2e

SINCE = parse("2026-03-01")
NOW = parse("2026-04-01T12:00:00Z")
JOBS = {"duckdb": "nightly-sync", "postgres": "hourly-sync"}


class Strangers(ThreadingHTTPServer):
    """Stands for Meltano's hub and its collector of statistics, and notes who calls."""

    def __init__(self) -> None:
        """Listen on any port."""
        self.calls: list[str] = []
        super().__init__(("127.0.0.1", 0), Stranger)
        self.url = f"http://127.0.0.1:{self.server_port}"


class Stranger(BaseHTTPRequestHandler):
    """Knows nothing."""

    server: Strangers

    def do_GET(self) -> None:
        """Note the call."""
        self.server.calls.append(self.path)
        self.send_error(404)

    do_POST = do_GET  # noqa: N815 - the name that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@dataclass
class Project:
    """A Meltano project, and how to run Meltano in it."""

    folder: Path
    program: str
    variables: dict[str, str]
    strangers: Strangers

    def meltano(self, *arguments: str, **variables: str) -> str:
        """Run Meltano; gives what it printed."""
        env = environment(**self.variables, **variables)
        return run([self.program, *arguments], cwd=self.folder, env=env)

    def bookmark(self, state_id: str) -> str:
        """How far messages have been read, as Meltano remembers it."""
        state = json.loads(self.meltano("state", "get", state_id))
        return str(state["singer_state"]["bookmarks"]["messages"]["replication_key_value"])


@pytest.fixture(scope="module")
def strangers() -> Iterator[Strangers]:
    """Nobody should call them."""
    with Strangers() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def project(
    cache: Path,
    make_venv: Callable[[str], Path],
    strangers: Strangers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Project:
    """meltano.yml in a folder of its own, installed; only the place of this package is changed."""
    shipped = (ROOT / "meltano.yml").read_text()
    folder = tmp_path_factory.mktemp("project")
    moved = re.sub(r"pip_url: -e \.(\S*)", rf"pip_url: -e '{ROOT}\1'", shipped)
    (folder / "meltano.yml").write_text(moved)
    requirement = f"meltano{yaml.safe_load(shipped)['requires_meltano']}"
    variables = {
        "MELTANO_PROJECT_ROOT": str(folder),
        "MELTANO_HUB_URL": strangers.url,
        "MELTANO_SNOWPLOW_COLLECTOR_ENDPOINTS": json.dumps([strangers.url]),
        "UV_CACHE_DIR": str(cache / "uv"),
    }
    project = Project(folder, str(make_venv(requirement) / "meltano"), variables, strangers)
    project.meltano("install")
    return project


@pytest.fixture
def box(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    workspace = Workspace(since=SINCE, per_day=40, people=230, newsletters=6)
    return make_sandbox(now=NOW, workspace=workspace)


def settings(box: Sandbox) -> dict[str, str]:
    """How to read this sandbox, as variables."""
    return {
        "TAP_CUSTOMERIO_APP_API_KEY": box.app_api_key,
        "TAP_CUSTOMERIO_API_URL": box.url,
        "TAP_CUSTOMERIO_REQUESTS_PER_SECOND": "1000",
        "TAP_CUSTOMERIO_RESCAN_AGES": "[]",
    }


def expected_counts(box: Sandbox) -> dict[str, int]:
    return {
        stream: len(truth.table(box, stream)) for stream in truth.COLUMNS if stream != "metrics"
    }


@pytest.mark.parametrize("kind", JOBS)
def test_a_run_loads_everything_and_the_next_one_only_what_is_new(
    project: Project,
    box: Sandbox,
    make_warehouse: Callable[..., Warehouse],
    tmp_path: Path,
    kind: str,
) -> None:
    warehouse = make_warehouse(kind, tmp_path)
    place = {f"TARGET_{kind}_{name}".upper(): value for name, value in warehouse.place.items()}
    state_id = f"dev:tap-customerio-to-{warehouse.loader}"

    project.meltano("run", "tap-customerio", warehouse.loader, **settings(box), **place)
    counts = {stream: warehouse.count(stream) for stream in expected_counts(box)}
    assert counts == expected_counts(box)
    assert project.bookmark(state_id) == rfc3339(NOW)

    box.clock.advance(DAY)
    box.forget()
    project.meltano("run", JOBS[kind], **settings(box), **place)
    asked = [call.query["start_ts"] for call in box.calls if call.path == "/v1/messages"]
    assert asked == [str(NOW)]
    counts = {stream: warehouse.count(stream) for stream in expected_counts(box)}
    assert counts == expected_counts(box)
    assert project.bookmark(state_id) == rfc3339(NOW + DAY)


def test_target_jsonl_works_with_its_shipped_settings(project: Project, box: Sandbox) -> None:
    project.meltano("run", "tap-customerio", "target-jsonl", **settings(box))
    for stream, count in expected_counts(box).items():
        lines = (project.folder / "output" / f"{stream}.jsonl").read_text().splitlines()
        assert len(lines) == count
    assert project.bookmark("dev:tap-customerio-to-target-jsonl") == rfc3339(NOW)


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[str]:
    """`tap-customerio sandbox` as a process of its own; gives its address."""
    log = folder / "sandbox.log"
    command = [installed("tap-customerio"), "sandbox", "--port", "0", *options]
    with log.open("wb") as output:
        server = subprocess.Popen(command, stderr=output, env=environment(), start_new_session=True)
    try:
        found: list[str] = []

        def is_up() -> bool:
            assert server.poll() is None, f"the sandbox has ended:\n{log.read_text()}"
            found[:] = re.findall(r"http://127\.0\.0\.1:\d+", log.read_text())
            return bool(found)

        wait_until(is_up, "the sandbox says where it is")
        yield found[0]
    finally:
        end(server)


def test_the_sandbox_environment_needs_nothing_but_a_running_sandbox(
    project: Project, shipped: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    midnight = int(time.time()) // DAY * DAY
    workspace = Workspace(since=midnight - 30 * DAY, per_day=20, people=100)
    size = ["--days", "30", "--deliveries-per-day", "20", "--people", "100"]
    command = ["--environment", "sandbox", "run", "tap-customerio", "target-duckdb"]
    with serving(tmp_path, *size) as url:
        project.meltano(*command, TAP_CUSTOMERIO_API_URL=url)
    bookmark = parse(project.bookmark("sandbox:tap-customerio-to-target-duckdb"))
    path = project.folder / shipped("target-duckdb")["path"]
    with duckdb.connect(str(path), read_only=True) as database:
        counted = database.execute("select count(*) from customerio.messages").fetchall()
    expected = workspace.count_deliveries(workspace.since, bookmark, now=time.time())
    assert counted == [(expected,)]
    assert expected > 0


def test_meltano_knows_every_setting_and_keeps_the_key_to_itself(project: Project) -> None:
    key = "5ecre7-1n-7h3-3nv1r0nm3n7"
    variables = {
        "TAP_CUSTOMERIO_APP_API_KEY": key,
        "TAP_CUSTOMERIO_START_DATE": "2026-03-10T05:00:00Z",
        "TAP_CUSTOMERIO_END_DATE": "2026-03-12",
        "TAP_CUSTOMERIO_RESCAN_AGES": "[2]",
        "TAP_CUSTOMERIO_CUSTOMERS_FILTER": '{"and": []}',
        "TAP_CUSTOMERIO_INCLUDE_DRAFTS": "true",
        "TAP_CUSTOMERIO_REQUEST_TIMEOUT": "5",
    }
    listed = project.meltano("config", "list", "--all", "tap-customerio", **variables)
    for name in SETTINGS["properties"]:
        assert f"TAP_CUSTOMERIO_{name.upper()}" in listed
    printed = project.meltano("config", "print", "tap-customerio", **variables)
    assert key not in listed + printed
    values = json.loads(printed)
    assert values["start_date"] == "2026-03-10T05:00:00Z"
    assert values["end_date"] == "2026-03-12"
    assert values["rescan_ages"] == [2]
    assert values["customers_filter"] == {"and": []}
    assert values["include_drafts"] is True
    assert values["request_timeout"] == 5


def test_meltano_selects_every_field_of_every_stream(project: Project) -> None:
    listed = project.meltano("select", "--list", "tap-customerio")
    fields = {field: how for how, field in re.findall(r"\[(\w+) *\] ([\w.]+)", listed)}
    for stream in truth.COLUMNS:
        for column in truth.kinds(stream):
            assert fields.get(f"{stream}.{column}") in {"automatic", "selected"}


def test_meltano_calls_neither_its_hub_nor_its_statistics(project: Project) -> None:
    harmless = ["config", "list", "tap-customerio"]
    project.meltano(*harmless)
    assert project.strangers.calls == []
    project.meltano(*harmless, MELTANO_SEND_ANONYMOUS_USAGE_STATS="true")
    assert project.strangers.calls, "calls would not have been noticed"
