"""Runs the commands in README and docs that need a target, a database, Redis or Meltano."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
import yaml
from backfill.backfilling import TARGET
from documented import inline, line
from e2e.processes import ROOT, environment, run, write
from e2e.project import settings
from harness import Output, config_for, few_senders
from psycopg.conninfo import conninfo_to_dict

from tap_customerio.windows import DAY, Window, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.project import Project
    from e2e.warehouse import Warehouse

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.e2e

SINCE, NOW = parse("2024-11-01"), parse("2025-01-15")
END = parse("2025-01-01")


@dataclass
class Place:
    """A folder for the documented commands, with a workspace in their date range."""

    folder: Path
    box: Sandbox

    def run_line(self, text: str, *programs: str, **variables: str) -> str:
        """Run a line in a shell; returns its output."""
        path = os.pathsep.join([*programs, sysconfig.get_path("scripts"), os.environ["PATH"]])
        command = ["sh", "-euc", text]
        return run(command, cwd=self.folder, env=environment(PATH=path, **variables)).printed

    def load_into(self, warehouse: Warehouse) -> None:
        """Write the target's configuration."""
        schema = {"default_target_schema": warehouse.schema}
        write(self.folder / "target.json", {**warehouse.place, **schema})

    def replace_target(self, program: str) -> str:
        """Write a fake target of this name, which starts faster; returns its folder."""
        (self.folder / "target.py").write_text(TARGET)
        path = self.folder / "bin" / program
        path.parent.mkdir()
        python = shlex.join([sys.executable, "-S", "-E", "target.py"])
        path.write_text(f"#!/bin/sh\nexec {python} kept.$$.jsonl\n")
        path.chmod(0o755)
        return str(path.parent)

    def kept(self, stream: str) -> list[str]:
        """The ids that all fake targets received."""
        lines = [
            line
            for file in self.folder.glob("kept.*.jsonl")
            for line in file.read_bytes().splitlines()
        ]
        return Output.of(lines).ids(stream)

    def sent(self) -> int:
        """Deliveries in the range of the commands."""
        return self.box.workspace.count_deliveries(SINCE, END, now=NOW)


@pytest.fixture
def place(make_sandbox: Callable[..., Sandbox], tmp_path: Path) -> Place:
    """A folder with the configuration."""
    space = few_senders(since=SINCE, per_day=3, people=9)
    box = make_sandbox(now=NOW, workspace=space)
    write(tmp_path / "config.json", config_for(box))
    return Place(tmp_path, box)


def test_a_backfill_into_duckdb(
    place: Place, make_warehouse: Callable[[str, Path], Warehouse]
) -> None:
    warehouse = make_warehouse("duckdb", place.folder)
    place.load_into(warehouse)
    place.run_line(line("tap-customerio backfill --config config.json"))
    assert warehouse.counts()["messages"] == place.sent()


def test_a_backfill_through_several_pipes(place: Place) -> None:
    targets = place.replace_target("target-postgres")
    place.run_line(line("tap-customerio backfill --config", "docs/backfills.md"), targets)
    all_text = "".join(path.read_text() for path in place.folder.glob("kept.*.jsonl"))
    assert set(re.findall(r'"shard":"([^"]+)"', all_text)) == {"1/3", "2/3", "3/3"}
    assert len(place.kept("messages")) == len(set(place.kept("messages"))) == place.sent()


def test_a_shard_of_a_backfill(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path, redis_url: str
) -> None:
    year = Window(parse("2024-01-01"), parse("2025-01-01"))
    start, end = year.shard(3, 8)
    now = end + 9 * DAY
    space = few_senders(since=(start // DAY - 9) * DAY, per_day=2, people=9)
    place = Place(tmp_path, make_sandbox(now=now, workspace=space))
    targets = place.replace_target("target-postgres")
    shared = line("export TAP_CUSTOMERIO_RATE_LIMIT_URL=").replace(
        "redis://10.0.0.5:6379/0", f"{redis_url}/7"
    )
    share = line("tap-customerio backfill --config ENV")
    account = {
        "TAP_CUSTOMERIO_APP_API_KEY": place.box.app_api_key,
        "TAP_CUSTOMERIO_API_URL": place.box.url,
        "TAP_CUSTOMERIO_REQUESTS_PER_SECOND": "1000",
    }
    place.run_line(f"{shared}\n{share}", targets, **account)
    [state] = place.folder.glob("backfill_*_3-of-8.json")
    assert "messages" in json.loads(state.read_text())["backfill"]["done"]
    sent = [row["id"] for row in space.deliveries(start, end, now=now)]
    assert sent
    assert sorted(place.kept("messages")) == sorted(sent)
    with redis.Redis.from_url(f"{redis_url}/7") as server:
        assert server.keys("tap-customerio:*")


def test_a_job_of_the_meltano_project(
    place: Place, project: Project, make_warehouse: Callable[[str, Path], Warehouse]
) -> None:
    warehouse = make_warehouse("postgres", place.folder)
    [command] = [text for _, text in inline() if text.startswith("meltano run hourly")]
    url = {"TARGET_POSTGRES_SQLALCHEMY_URL": warehouse.place["sqlalchemy_url"]}
    in_database = {"MELTANO_STATE_BACKEND_URI": "systemdb"}  # as users have it
    variables = {**settings(place.box, ["messages"]), **url, **in_database}
    project.meltano(*command.split()[1:], **variables)
    expected = place.box.workspace.count_deliveries(SINCE, NOW, now=NOW)
    assert warehouse.counts()["messages"] == expected
    found = conninfo_to_dict(url["TARGET_POSTGRES_SQLALCHEMY_URL"].replace("+psycopg:", ":"))
    names = {"host": "HOST", "user": "USER", "dbname": "DATABASE"}
    account = {f"DBT_POSTGRES_{name}": str(found[key]) for key, name in names.items()}
    freshness = ["invoke", "dbt-postgres:freshness", "--select", "source:customerio.messages"]
    assert "WARN freshness of customerio.messages" in project.meltano(*freshness, **account)


def test_the_hub_definition_can_be_added_to_a_project(place: Place, project: Project) -> None:
    parts = ("docs", "tap_customerio", "pyproject.toml", "hatch_build.py", "README.md", "LICENSE")
    clone = place.folder.with_name("tap-customerio")
    clone.mkdir()
    for part in parts:
        if (ROOT / part).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")  # other tests write there
            shutil.copytree(ROOT / part, clone / part, ignore=ignored)
        else:
            shutil.copy(ROOT / part, clone / part)
    (place.folder / "meltano.yml").write_text("send_anonymous_usage_stats: false\n")
    variables = {**project.variables, "MELTANO_PROJECT_ROOT": str(place.folder)}
    meltano = str(Path(project.program).parent)
    place.run_line(line("sed ", "docs/meltano.md"), meltano, **variables)
    place.run_line(line("meltano add", "docs/meltano.md"), meltano, **variables)
    [added] = yaml.safe_load((place.folder / "meltano.yml").read_text())["plugins"]["extractors"]
    whole: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "tap-customerio.yml").read_text())
    assert [setting["name"] for setting in added["settings"]] == [
        setting["name"] for setting in whole["settings"]
    ]
    about = place.run_line("meltano invoke tap-customerio --version", meltano, **variables)
    assert "tap-customerio" in about
    assert project.external_servers.calls == []
