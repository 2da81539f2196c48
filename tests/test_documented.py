"""Every command in README and docs is run, or there is a reason not to."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import click
import pytest
from documented import ROOT, TAP, fenced, inline, line
from harness import NOW, config_for, few_senders
from terminal import typed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from terminal import Screen

    from tap_customerio.sandbox import Sandbox

ADA = "tap-customerio privacy {} --email ada@example.com --output ada-{}"
BEFORE = {"opt-in": ADA.format("opt-out", "out"), "unsuppress": ADA.format("erase", "erased")}
"""Commands to run before another command makes sense."""

STATES = "test_the_readme_saves_the_state_of_a_first_run"
REPORT = "test_the_readme_leads_from_an_account_to_a_report"
MELTANO = "test_a_backfill_does_not_use_meltanos_hourly_state"
CLUSTER = "test_every_partition_succeeds_though_runs_fail_and_die"
CI = "CI runs it in a clean checkout: .ci/run "
TAKES = "not run: takes minutes, and writes or prints figures; the file is there"
EXTRAS = "not run: takes minutes; the extra is there, and the tests' own extra holds it"
DEV = "test_the_commands_report_a_workspace_that_fails"
MODELS = "test_models_are_built_on_what_was_loaded"
PART = "not run: part of a command, which is in full in the block beside it"
SHAPE = "not run: the shape of a command; one in full is run"
BACKFILL = "tap-customerio backfill --config config.json --from 2024-01-01 --to 2025-01-01"

ELSEWHERE = {
    # README
    "python3 -m venv .venv && .venv/bin/pip install -q --no-compile '.[demo]'": CI + "demo",
    "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]'": CI + "tests",
    "uv tool install '.[demo]'": CI + "install",
    "uv tool install . ": CI + "install",
    'echo \'{"path"': REPORT,
    "tap-customerio --config config.json | tap-customerio-duckdb": REPORT,
    "tap-customerio report --build": REPORT,
    "grep '^{\"' states.jsonl": STATES,
    "test -s state.new && mv": STATES,
    "tap-customerio --config config.json --state state.json | tap-customerio-duckdb": STATES,
    "pip install '.[sandbox]' meltano && meltano install": CI + "meltano",
    "tap-customerio sandbox --port 8765 &": CI + "meltano",
    "meltano --environment sandbox run": CI + "meltano",
    "meltano run hourly-sync": "test_a_job_of_the_meltano_project",
    "meltano add --from-ref": "test_the_hub_definition_can_be_added_to_a_project",
    f"{BACKFILL} --stream": "test_a_backfill_into_duckdb",
    "meltano invoke tap-customerio:backfill": MELTANO,
    "export TAP_CUSTOMERIO_RATE_LIMIT_URL=": "test_a_shard_of_a_backfill",
    "tap-customerio backfill --config ENV": "test_a_shard_of_a_backfill",
    "pytest -n 2 -m": CI + "fast",
    "pip install -e '.[test,lint]' && ruff check && ruff format --check && mypy": CI + "lint",
    "python tests/": TAKES,
    # docs
    **dict.fromkeys(
        (
            *("set -o pipefail", "set +o pipefail", "test -f state.json", "code=$?", "exit $code"),
            "17 * * * * ",
            "tap-customerio --config config.json --state state.json | target-jsonl",
        ),
        "test_cron_keeps_the_last_confirmed_state",
    ),
    f"{BACKFILL} --target": "test_a_backfill_through_several_pipes",
    "tap-customerio backfill --shard 1/2": PART,
    "tap-customerio backfill … | target …": SHAPE,
    "tap-customerio init --api-url": "test_track_api_credentials_are_checked_and_saved",
    "tap-customerio privacy access … --output DIR": SHAPE,
    "export DAGSTER_HOME=": DEV,
    "dg dev": DEV,
    "dg launch ": DEV,
    "dagster-graphql -r http://127.0.0.1:3000 -t": DEV,
    "dagster dev -f definitions.py": "not run: superseded; named as what Dagster advises against",
    "dagster job backfill": "not run: named as what not to do",
    "dagster instance migrate": CLUSTER,
    "dagster code-server start": CLUSTER,
    "dagster-daemon run": CLUSTER,
    "dagster-webserver ": CLUSTER,
    "dagster-celery worker start": CLUSTER,
    "dagster-graphql ": CLUSTER,
    "meltano config test": "not run: Meltano runs --test, whose last line a test checks",
    "meltano install": CI + "meltano",
    "meltano invoke dbt-duckdb:docs": "not run: dbt's own pages, of a package whose build is run",
    "meltano run tap-customerio target-duckdb dbt-duckdb:build": MODELS,
    "meltano run tap-customerio target-postgres dbt-postgres:build": "not run: "
    "test_a_job_of_the_meltano_project runs the same plugins",
    "tap-customerio backfill --jobs N": SHAPE,
    "tap-customerio report --warehouse": "test_numbers_match_the_models",
    "tap-customerio verify --warehouse": "test_matching_months_are_listed_with_their_numbers",
    "printf 'email:": "test_the_evidence_can_be_checked_as_documented",
    "sed ": "test_the_hub_definition_can_be_added_to_a_project",
    "pipx install": CI + "install",
    "python3 -m venv tap": CI + "install",
    "python3 -m venv target": CI + "install",
    "uv tool install '.[duckdb]'": PART,
    "pip install . #": CI + "demo",
    "pip install '.[cluster]'": EXTRAS,
    "pip install '.[dagster]'": EXTRAS,
}
"""The tests that run commands with this beginning, or the reason why none does."""


def is_alone(text: str) -> bool:
    """Whether a line only runs this program."""
    return text.startswith("tap-customerio ") and not re.search(
        r"[|&…]|--target|--shard|--warehouse|--jobs N|--api-url", text
    )


ALONE = sorted({text for _, text in fenced() + inline() if is_alone(text)})
OTHERS = sorted({text for _, text in fenced() + inline() if not is_alone(text)})


def is_name(words: list[str]) -> bool:
    """Whether a line is only a command's name."""
    found: click.Command | None = TAP
    for word in words:
        if not isinstance(found, click.Group):
            return False
        found = found.get_command(click.Context(found), word)
    return found is not None


@pytest.fixture
def folder(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder with a configuration, of a workspace with a person named Ada."""
    box = make_sandbox(workspace=few_senders(per_day=4, people=12))
    keys = {"site_id": box.site_id, "track_api_key": box.track_api_key}
    config = config_for(box, track_api_url=box.track_url, **keys)
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.chdir(tmp_path)
    assert box.workspace.people_admin.identify({"id": "ada", "email": "ada@example.com"}, at=NOW)
    return tmp_path


def run(text: str) -> Screen:
    """Type a command in a terminal, and confirm everything."""
    words = shlex.split(text, comments=True)[1:]
    return typed(*words, *(["--help"] if is_name(words) else []), answers=["y"] * 9)


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("text", ALONE)
def test_a_command_works_as_documented(text: str) -> None:
    for word, first in BEFORE.items():
        if f" {word} --" in text:
            assert run(first).code == 0
    screen = run(text)
    assert screen.code == 0, screen.err + screen.out


def test_the_sandbox_as_an_account_has_both_apis(sandbox: Sandbox) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    [block] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    config = json.loads(block)
    port = int(line("tap-customerio sandbox", "docs/configuration.md").split()[3])
    assert config.pop("start_date")
    assert config == {
        "app_api_key": sandbox.app_api_key,
        "api_url": f"http://127.0.0.1:{port}",
        "site_id": sandbox.site_id,
        "track_api_key": sandbox.track_api_key,
        "track_api_url": f"http://127.0.0.1:{port + 1}",
    }


def test_the_evidence_can_be_checked_as_documented(folder: Path) -> None:
    assert shutil.which("openssl"), "openssl is missing"
    assert run(ADA.format("erase", "erased")).code == 0
    check = line("printf 'email:", "docs/privacy.md")
    printed = subprocess.run(check, shell=True, check=True, capture_output=True, text=True).stdout
    [hashed] = re.findall(r"[0-9a-f]{64}", printed)
    known = json.loads((folder / "ada-erased" / "evidence.json").read_text())
    assert known["request"] == {"type": "email", "hash": hashed}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tap", "target", "is_locked", "kept", "code"),
    [
        ("exit 0", "echo '{}'; echo '{\"new\": 1}'", False, {"new": 1}, 0),
        ("exit 1", "echo '{\"new\": 1}'", False, {"new": 1}, 1),
        ("exit 0", "echo '{\"new\": 1}'; exit 3", False, {"new": 1}, 3),
        ("exit 0", "echo '{\"new\": 1}'; printf '{\"newer\":'; kill -9 $$", False, {"new": 1}, 137),
        ("exit 0", "echo '{\"new\": 1}'; printf '{\"a\": {}'; kill -9 $$", False, {"new": 1}, 137),
        ("exit 0", "printf '{\"new\":'; kill -9 $$", False, {}, 137),
        ("exit 0", "printf '{\"a\": {}'", False, {}, 1),
        ("exit 0", "echo '{\"new\": 1}'; echo; echo null; echo 1", False, {"new": 1}, 0),
        ("exit 0", 'printf \'{"old": 1}\\n{"new": 1}\\r\\n\'', False, {"new": 1}, 0),
        ("exit 0", 'printf \'{"old": 1}\\n{"new": 1} \\n\'', False, {"new": 1}, 0),
        ("exit 0", "echo '{\"new\": 1}'; echo '{}'", False, {"new": 1}, 0),
        ("exit 0", "echo '{}'", False, {}, 1),
        ("exit 0", "echo null", False, {}, 1),
        ("exit 0", "true", False, {}, 1),
        ("exit 3", "true", False, {}, 3),
        ("exit 0", "echo '{\"new\": 1}'", True, None, 1),
    ],
)
@pytest.mark.parametrize("former", [None, {"former": 1}])
def test_cron_keeps_the_last_confirmed_state(  # noqa: PLR0913 - one case
    tmp_path: Path,
    *,
    tap: str,
    target: str,
    is_locked: bool,
    kept: dict[str, int] | None,
    code: int,
    former: dict[str, int] | None,
) -> None:
    programs(tmp_path, **{"tap-customerio": f"echo said >&2; {tap}"})
    programs(tmp_path, **{"target-jsonl": f"cat > rows; {target}"})
    if former:
        (tmp_path / "state.json").write_text(json.dumps(former))
    done = run_cron(tmp_path, "exec 9>lock; flock 9; " if is_locked else "")
    assert (done.returncode, done.stderr) == (code, b"")
    assert ("said" in (tmp_path / "tap.log").read_text()) != is_locked
    state = tmp_path / "state.json"
    found = json.loads(state.read_text()) if state.exists() else None
    assert found == (kept or former or kept)


def test_cron_keeps_the_former_state_if_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    programs(tmp_path, **{"tap-customerio": "true", "target-jsonl": "cat; echo '{\"new\": 1}'"})
    programs(tmp_path, tail="printf '{\"ne'; exit 1")  # as on a full disk
    (tmp_path / "state.json").write_text("{}")
    assert run_cron(tmp_path).returncode == 1
    assert (tmp_path / "state.json").read_text() == "{}"


def programs(folder: Path, **scripts: str) -> None:
    """Write shell scripts as programs."""
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)


def run_cron(folder: Path, lock: str = "") -> subprocess.CompletedProcess[bytes]:
    """Run the documented crontab line and script in a folder with its programs."""
    page = (ROOT / "docs" / "targets.md").read_text()
    [script] = re.findall(r"```sh\n(set -o pipefail\n.*?)```", page, re.DOTALL)
    (folder / "sync.sh").write_text(script)
    cron = line("17 * * * * ", "docs/targets.md")
    command = cron.replace("17 * * * * cd /srv/customerio && ", "")
    assert command.startswith("flock ")
    whole = f'export PATH="$PWD:$PATH"; {lock}{command}'
    return subprocess.run(["bash", "-c", whole], cwd=folder, capture_output=True, check=False)


def test_every_other_command_is_run_elsewhere_or_has_a_reason() -> None:
    known = sorted(ELSEWHERE, key=len, reverse=True)
    found = {text: next(filter(text.startswith, known), None) for text in OTHERS}
    assert [text for text, beginning in found.items() if not beginning] == [], (
        "name the test that runs it"
    )
    assert set(known) - set(found.values()) == set(), "no longer in the docs"


@pytest.mark.parametrize(("beginning", "where"), ELSEWHERE.items())
def test_a_command_is_in_the_test_that_is_named(beginning: str, where: str) -> None:
    texts = [text for text in OTHERS if text.startswith(beginning)]
    if where.startswith("test_"):
        tests = (path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
        assert any(f"\ndef {where}(" in text for text in tests)
    elif where.startswith(CI):
        assert f"\n    {where.removeprefix(CI)})" in (ROOT / ".ci" / "run").read_text()
    else:
        assert where.startswith("not run")
    for script in re.findall(r"^python (\S+\.py)", "\n".join(texts), re.MULTILINE):
        assert (ROOT / script).exists()
    for extra in re.findall(r"\.\[(\w+)\]", "\n".join(texts)):
        assert f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text()
