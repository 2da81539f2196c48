"""docs/dagster.md on one machine, with its own files and commands."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import pytest
import requests
from documented import line
from e2e.processes import ROOT, environment, run, wait_until, write
from e2e.stack import EXAMPLE, free_ports, hasty, kill_all, listens
from harness import few_senders

from tap_customerio.windows import parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from e2e.warehouse import Warehouse

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.e2e

PAGE = "docs/dagster.md"
TEXT = (ROOT / PAGE).read_text()
SINCE, END, NOW = map(parse, ("2024-01-01", "2024-02-01", "2024-02-10"))


@dataclass
class Project:
    """The folder that the page describes; the workspace bora has no key."""

    folder: Path
    variables: dict[str, str]

    def write(self, target: str) -> None:
        """Write its files; only the target and the end date differ."""
        [code] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
        code = re.sub(r'target=".*"', f"target={target!r}", code)
        code = code.replace(
            'start_date="2024-01-01"', 'start_date="2024-01-01", end_date="2024-02-01"'
        )
        (self.folder / "warehouse" / "defs").mkdir(parents=True)
        (self.folder / "warehouse" / "definitions.py").write_text(code)
        for language, name in {"toml": "pyproject.toml", "yaml": "dagster.yaml"}.items():
            [shown] = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
            # Not five seconds.
            shown = shown.replace("    max_", "    dequeue_interval_seconds: 1\n    max_")
            (self.folder / name).write_text(shown)
        (self.folder / "backfill.graphql").write_text((EXAMPLE / "backfill.graphql").read_text())

    def launch(self, workspace: str) -> tuple[int, str]:
        """Read a month; returns the exit code and the log."""
        command = line("dg launch", PAGE).replace("|acme", f"|{workspace}")
        ended = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        return ended.returncode, ended.stdout + ended.stderr

    def ask(self, command: str, port: int) -> str:
        """The webserver's response."""
        text = command.replace(":3000", f":{port}")
        return run(["sh", "-c", text], cwd=self.folder, env=self.variables).printed


def test_the_commands_report_a_workspace_that_fails(
    make_sandbox: Callable[..., Sandbox],
    make_warehouse: Callable[[str, Path], Warehouse],
    tmp_path: Path,
) -> None:
    box = make_sandbox(now=NOW, workspace=few_senders(since=SINCE, per_day=3, people=9))
    warehouse = make_warehouse("duckdb", tmp_path)
    config = {**warehouse.place, "default_target_schema": warehouse.schema}
    project = Project(
        tmp_path,
        environment(
            PYTHONPATH=hasty(tmp_path),
            PATH=os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),
            DAGSTER_HOME=str(tmp_path),
            ACME_APP_API_KEY=box.app_api_key,
            TAP_CUSTOMERIO_API_URL=box.url,
            TAP_CUSTOMERIO_REQUESTS_PER_SECOND="1000",
        ),
    )
    project.write(f"tap-customerio-duckdb --config {write(tmp_path / 'target.json', config)}")
    code, log = project.launch("bora")
    assert code == 1
    assert "environment variable BORA_APP_API_KEY is not set" in log

    printed = backfill_in_the_page(project, tmp_path)
    assert "'COMPLETED_FAILED'" in printed
    assert "{'runStatus': 'SUCCESS', 'count': 1}" in printed
    assert "{'runStatus': 'FAILURE', 'count': 1}" in printed
    expected = box.workspace.count_deliveries(SINCE, END, now=NOW)
    assert warehouse.counts()["messages"] == expected


def statuses(port: int) -> str:
    """The statuses of the backfills, without the seconds that a command takes to start."""
    query = "{partitionBackfillsOrError {... on PartitionBackfills {results {status}}}}"
    time.sleep(0.5)
    response = requests.post(f"http://127.0.0.1:{port}/graphql", json={"query": query}, timeout=60)
    return response.text


def backfill_in_the_page(project: Project, folder: Path) -> str:
    """The output of the documented commands after a backfill."""
    [port] = free_ports(1)
    launch, look = (
        line(f"dagster-graphql -r http://127.0.0.1:3000 {o}", PAGE) for o in ("--f", "-t")
    )
    with (folder / "dev.log").open("wb") as log:
        dev = subprocess.Popen(
            f"exec {line('dg dev', PAGE)} --port {port}",
            shell=True,
            cwd=folder,
            env=project.variables,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: listens(port), "the webserver")
        assert "LaunchBackfillSuccess" in project.ask(launch, port)
        wait_until(lambda: "COMPLETED_" in statuses(port), "the end of the backfill")
        return project.ask(look, port)
    finally:
        kill_all(psutil.Process(dev.pid))
        dev.wait()
