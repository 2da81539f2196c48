"""The command line: Singer's flags as ever, and commands for people beside them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pytest

from tap_customerio.streams import all_streams

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tap_customerio", *arguments],
        capture_output=True,
        text=True,
        check=check,
        timeout=120,
    )


def test_help_shows_singers_flags_and_the_commands() -> None:
    text = run("--help").stdout
    for word in ("--config", "--catalog", "--state", "--discover", "--test", "demo", "sandbox"):
        assert word in text


@pytest.mark.parametrize("command", ["demo", "sandbox"])
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    assert f"Example: tap-customerio {command}" in run(command, "--help").stdout


def test_version_names_the_tap() -> None:
    assert run("--version").stdout.startswith("tap-customerio v")


def test_discovery_needs_no_account_and_lists_every_stream() -> None:
    catalog = json.loads(run("--discover").stdout)
    kinds = {kind.name: kind for kind in all_streams()}
    assert {stream["tap_stream_id"] for stream in catalog["streams"]} == kinds.keys()
    for stream in catalog["streams"]:
        root = next(item["metadata"] for item in stream["metadata"] if not item["breadcrumb"])
        assert root["selected"] is kinds[stream["tap_stream_id"]].selected_by_default
        assert stream["key_properties"]


@pytest.mark.parametrize("style", ["json", "markdown"])
def test_about_lists_the_settings_and_all_streams(style: str) -> None:
    text = run("--about", f"--format={style}").stdout
    for kind in all_streams():
        assert f"`{kind.name}`: {kind.about()[:20]}" in text
    for word in ("app_api_key", "metrics_timezone", "requests_per_second"):
        assert word in text


def test_an_unknown_command_is_no_traceback() -> None:
    answer = run("backfil", check=False)
    assert answer.returncode == 2
    assert "No such command" in answer.stderr


def test_a_command_without_its_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "starlette", None)
    script = (
        "import sys; sys.modules['starlette'] = sys.modules['starlette.applications'] = None\n"
        "sys.argv = ['tap-customerio', 'demo']\n"
        "from tap_customerio.cli import main; main()"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1
    assert "pip install 'tap-customerio[demo]'" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.e2e
def test_the_demo_loads_duckdb_and_shows_what_arrived(tmp_path: Path) -> None:
    path = tmp_path / "demo.duckdb"
    answer = run("demo", "--output", str(path), "--deliveries", "3000")
    for word in ("messages", "E-mail by campaign", "People by region", "Deliveries by day"):
        assert word in answer.stdout
    with duckdb.connect(str(path), read_only=True) as database:
        [loaded] = database.execute("select count(*) from customerio.messages").fetchall()
    shown = re.search(r"│ messages\s+│\s*([\d,]+)", answer.stdout)
    assert shown is not None
    assert int(shown[1].replace(",", "")) == loaded[0] > 2000


def test_the_sandbox_command_serves_until_it_is_stopped() -> None:
    command = [sys.executable, "-m", "tap_customerio", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = process.stderr.readline()
        process.terminate()
    assert re.search(r"Sandbox at http://127.0.0.1:\d+, App API key sandbox-app-api-key", told)
