"""demo: from a made-up workspace to a report, as a new user sees it."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple

import duckdb
import pytest
from terminal import Screen, typed

from tap_customerio.demo import load
from tap_customerio.report import models

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.e2e

FILES = ("customerio-demo.duckdb", "customerio-demo.html")


class FinishedDemo(NamedTuple):
    """The output of a finished demo, and its folder."""

    screen: Screen
    folder: Path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinishedDemo]:
    """A demo at full speed in a folder with files of an earlier one."""
    folder = tmp_path_factory.mktemp("demo")
    for name in FILES:
        (folder / name).write_text("of an earlier demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "REQUESTS_PER_SECOND", 1000)
        patch.chdir(folder)
        yield FinishedDemo(typed("demo"), folder)


def number(text: str) -> int:
    """A number with separators."""
    return int(text.replace(",", ""))


def test_the_demo_leaves_only_a_database_and_a_report(finished: FinishedDemo) -> None:
    assert finished.screen.code == 0, finished.screen.err
    assert sorted(path.name for path in finished.folder.iterdir()) == sorted(FILES)
    assert f"\n  {finished.folder / FILES[1]}\n" in finished.screen.out
    page = (finished.folder / FILES[1]).read_text(encoding="utf-8")
    assert page.count("<figure>") == 8
    assert "Nothing" not in page


def test_the_counts_of_the_demo_match_the_database(finished: FinishedDemo) -> None:
    shown = dict(re.findall(r"^ (\w+) +([\d,]+) *$", finished.screen.out, re.MULTILINE))
    [(others, rest)] = re.findall(r" (\d+) smaller ones +([\d,]+)", finished.screen.out)
    [(streams, total)] = re.findall(r" all (\d+) +([\d,]+)", finished.screen.out)
    with duckdb.connect(str(finished.folder / FILES[0]), read_only=True) as database:
        tables = database.execute(
            "select table_name from duckdb_tables() where schema_name = 'customerio'"
        ).fetchall()
        counts = {
            name: database.execute(f"select count(*) from customerio.{name}").fetchall()[0][0]
            for (name,) in tables
        }
    assert len(counts) == number(streams) == len(shown) + number(others)
    assert {name: number(text) for name, text in shown.items()} == {
        name: counts.pop(name) for name in shown
    }
    assert number(rest) == sum(counts.values())
    assert number(total) == number(rest) + sum(map(number, shown.values()))
    assert max(counts.values()) <= min(map(number, shown.values()))
    assert len(finished.screen.lines) <= 40


def test_the_numbers_of_the_demo_are_right(finished: FinishedDemo) -> None:
    since = datetime.now(timezone.utc).date() - timedelta(days=30)
    with duckdb.connect(str(finished.folder / FILES[0]), read_only=True) as database:
        [(people,)] = database.execute("select count(*) from customerio.customers").fetchall()
        [(sent, mails, opened)] = database.execute(
            "select count(metrics->>'sent') filter (created >= ?), "
            "count(metrics->>'sent') filter (type = 'email'), "
            "count(metrics->>'human_opened') filter (type = 'email') from customerio.messages",
            [since],
        ).fetchall()
    words = finished.screen.words()
    assert f"People {people:,} " in words
    assert f"Deliveries sent in the last 30 days {sent:,} " in words
    assert f"E-mails opened by people, of those sent {opened / mails:.1%} " in words
    assert min(people, sent, opened) > 100


def test_progress_ends_at_its_total(finished: FinishedDemo) -> None:
    [(requests, builds)] = re.findall(
        r"Load .* ([\d,]+) requests .*\nBuild .* ([\d,]+) models and tests ", finished.screen.out
    )
    assert abs(number(requests) - load.REQUESTS) < 15
    assert number(builds) > 100


def test_the_commands_that_the_demo_suggests_work(
    finished: FinishedDemo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished.folder)
    commands = re.findall(
        r"^  (\S*(?:python|tap-customerio).*)$", finished.screen.out, re.MULTILINE
    )
    assert [shlex.split(command)[1] for command in commands] == ["-c", "verify", "init"]
    for command, shown in zip(commands, ("rows", "sent by Customer.io", ""), strict=False):
        ran = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert shown in ran.stdout
        assert ran.returncode == 0 or "run it in a terminal" in ran.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-m", "tap_customerio", "demo"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "in about a minute" in process.stdout.readline()
        while not list(tmp_path.glob(".demo-*/*.json")):
            assert process.poll() is None
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        _, output = process.communicate()
    assert output == "Stopped; nothing was written. Run it again at any time.\n"
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["warehouse.duckdb", "warehouse.html"])
def test_a_demo_replaces_no_other_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("mine")
    screen = typed("demo", "--output", str(tmp_path / "warehouse.duckdb"))
    assert screen.code == 1
    assert f"{path} exists, and a demo replaces only customerio-demo.duckdb" in screen.err
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["x.html", "x.HTML", "x", ".duckdb", "x.csv", ""])
def test_a_name_that_is_no_database_is_rejected_at_once(name: str) -> None:
    screen = typed("demo", "--output", name)
    assert screen.code == 1
    assert screen.out == ""
    assert f"--output is '{name or '.'}': name the DuckDB file, with .duckdb at its end" in (
        " ".join(screen.err.split())
    )


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "none" / "demo.duckdb"
    screen = typed("demo", "--output", str(path))
    assert screen.code == 1
    assert f"Cannot write {path} (No such file or directory): choose" in screen.err


def test_a_failing_step_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = load.new_sandbox

    def closed() -> Sandbox:
        box = make()
        box.app_api_key = "another"
        return box

    monkeypatch.setattr(load, "new_sandbox", closed)
    monkeypatch.setattr(models, "waiting", lambda *_: contextlib.nullcontext())  # takes seconds
    screen = typed("demo", "--output", str(tmp_path / "demo.duckdb"))
    assert screen.code == 1
    assert "The demo's tap ended with 1: " in screen.err
    assert "app_api_key" in screen.err
    assert list(tmp_path.iterdir()) == []


def test_failing_models_are_reported_with_the_error_of_dbt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "load", lambda *_: None)
    monkeypatch.setattr(models, "project", lambda: tmp_path)
    screen = typed("demo", "--output", str(tmp_path / "demo.duckdb"))
    assert screen.code == 1
    assert "dbt could not build the models (exit code 1): " in screen.err
    assert "dbt_project.yml" in screen.err
    assert list(tmp_path.iterdir()) == []
