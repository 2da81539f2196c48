"""The recipes work as documented."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from harness import config_for, few_senders, run_tap
from test_docs import MELTANO, TAP

from tap_customerio.streams import all_streams
from tap_customerio.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_customerio.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "recipes.md").read_text()
WORKSPACES, NUMBERS, HASHES, WAREHOUSES = (
    yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
)


TARGET = """\
import json, sys
states = [line for line in map(json.loads, sys.stdin) if line["type"] == "STATE"]
if states:
    print(json.dumps(states[-1]["value"]))
"""


def recipe() -> list[str]:
    """The lines of the README that lead from an account to a report, and on."""
    [block] = re.findall(r"   ```sh\n(   echo .*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return textwrap.dedent(block).splitlines()


@pytest.mark.e2e
def test_the_readme_leads_from_an_account_to_a_report(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    box = make_sandbox(workspace=few_senders(per_day=2, people=9))
    (tmp_path / "config.json").write_text(json.dumps(config_for(box, start_date="2026-03-31")))
    env = {**os.environ, "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"}
    printed = [
        subprocess.run(["sh", "-ec", line], cwd=tmp_path, env=env, capture_output=True, check=True)
        for line in recipe()[:4]
    ]
    assert "<figure>" in (tmp_path / "report.html").read_text()
    assert printed[2].stdout == b"Wrote report.html.\n"
    assert printed[3].stdout.startswith(b"2026-03: ")
    assert b"target-duckdb" in printed[1].stderr
    assert not re.search(rb"WARNING +\| target-duckdb", printed[1].stderr)


TORN = ('{"bookmarks": {"messages": {}', "null\n", "{}\n", "\n")
"""Last lines of a target that was killed."""


@pytest.mark.e2e
def test_the_readme_saves_the_state_of_a_first_run(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    box = make_sandbox(workspace=few_senders(per_day=2, people=9))
    _, first, _, _, *keeping, again = recipe()
    keep = "\n".join(keeping)
    target = tmp_path / "tap-customerio-duckdb"
    target.write_text(f"#!{sys.executable}\n{TARGET}")
    target.chmod(0o755)
    path = f"{tmp_path}:{sysconfig.get_path('scripts')}:{os.environ['PATH']}"

    def sh(line: str, key: str) -> None:
        config = config_for(box, app_api_key=key, start_date="2026-03-31")
        (tmp_path / "config.json").write_text(json.dumps(config))
        env = {**os.environ, "PATH": path}
        subprocess.run(["sh", "-c", line], cwd=tmp_path, env=env, capture_output=True, check=False)

    kept = tmp_path / "state.json"  # without a key, there is no state
    sh(first, "")
    sh(keep, "")
    assert not kept.exists()
    sh(first, box.app_api_key)
    sh(keep, "")
    state = kept.read_text()
    assert "messages" in json.loads(state)["bookmarks"]
    sh(again, "")
    states = tmp_path / "states.jsonl"
    assert not states.read_text()
    sh(keep, "")
    assert kept.read_text() == state
    for last in TORN:
        states.write_text(last)
        sh(keep, "")
        assert kept.read_text() == state
    box.clock.advance(DAY)
    sh(again, box.app_api_key)
    sh(keep, "")
    assert json.loads(kept.read_text()) != json.loads(state)


def test_the_recipes_stay_short() -> None:
    assert TEXT.count("\n") <= 60


def test_inherited_plugins_and_their_settings_exist() -> None:
    loaders = MELTANO["plugins"]["loaders"]
    known = {plugin["name"]: plugin["settings"] for plugin in (TAP, *loaders)}
    plugins = [*WORKSPACES["plugins"]["extractors"], *WORKSPACES["plugins"]["loaders"]]
    assert len({plugin["name"] for plugin in plugins}) == len(plugins) == 4
    for plugin in plugins:
        settings = {setting["name"] for setting in known[plugin["inherit_from"]]}
        assert settings >= plugin.get("config", {}).keys()


def test_selected_streams_exist_and_contain_no_persons() -> None:
    names = {rule.removesuffix(".*") for rule in NUMBERS["select"]}
    kinds = {stream_class.name: stream_class for stream_class in all_streams()}
    assert names <= kinds.keys()
    assert not any("cio_id" in kinds[name].schema["properties"] for name in names)


@pytest.mark.slow
def test_addresses_become_hashes(sandbox: Sandbox) -> None:
    config: dict[str, Any] = config_for(sandbox, **HASHES["config"])
    records = run_tap(config, streams=HASHES["config"]["stream_maps"]).records
    emails = [row["email"] for row in records["customers"] if row["email"]]
    assert emails
    assert all(re.fullmatch("[0-9a-f]{64}", email) for email in emails)
    assert "@" not in repr(records)


def test_warehouses_are_complete_plugins() -> None:
    for loader in WAREHOUSES["loaders"]:
        assert loader.keys() == {"name", "namespace", "pip_url", "config"}
        assert "==" in loader["pip_url"]
    [bigquery] = [one for one in WAREHOUSES["loaders"] if one["name"] == "target-bigquery"]
    assert {"setuptools<81", "protobuf<5"} <= {*bigquery["pip_url"].split()}  # required to start
    assert bigquery["config"]["method"] == "batch_job"  # others reject objects without members
