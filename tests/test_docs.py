"""README, meltano.yml and the code agree."""

from __future__ import annotations

import copy
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import stream_table
import yaml
from benchmarks import request_counts
from documented import line

from tap_customerio.settings import SETTINGS
from tap_customerio.streams import all_streams
from tap_customerio.tap import TapCustomerio

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
MELTANO = yaml.safe_load((ROOT / "meltano.yml").read_text())
[TAP] = MELTANO["plugins"]["extractors"]
KINDS = {
    "string": {"string", "options", "date_iso8601"},
    "integer": {"integer"},
    "number": {"string"},  # Meltano refuses decimals as integers, and breaks on kind: decimal
    "boolean": {"boolean"},
    "array": {"array"},
    "object": {"object"},
}


def test_the_pages_list_and_count_the_streams() -> None:
    pages = stream_table.pages()
    assert stream_table.TABLE.search(pages[stream_table.PAGE])
    assert stream_table.COUNT.search(pages[stream_table.README])
    for path, text in pages.items():
        assert path.read_text() == text, "renew it: python tests/stream_table.py"


def test_the_readme_stays_short_and_begins_with_the_two_commands() -> None:
    assert README.count("\n") <= 200
    demo, tests = re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)[:2]
    assert demo.endswith("tap-customerio demo")
    assert tests.endswith("-m pytest -n 3")
    assert "\n" not in demo + tests


@pytest.mark.parametrize("name", SETTINGS["properties"])
def test_a_setting_is_the_same_in_code_readme_and_meltano(name: str) -> None:
    kind = SETTINGS["properties"][name]
    [shipped] = [setting for setting in TAP["settings"] if setting["name"] == name]
    assert f"`{name}`" in README
    assert shipped["label"] == kind["title"]
    assert shipped["description"] == kind["description"]
    assert shipped["kind"] in KINDS[next(t for t in kind["type"] if t != "null")]
    assert bool(shipped.get("sensitive")) == bool(kind.get("secret"))
    if name != "user_agent":  # its default contains the version
        assert shipped.get("value") == kind.get("default")
    if shipped["kind"] == "options":
        values = [option["value"] for option in shipped["options"]]
        assert values == [value for value in kind["enum"] if value is not None]


def test_meltano_knows_every_setting_and_capability() -> None:
    schema = copy.deepcopy(TapCustomerio.config_jsonschema)
    TapCustomerio.append_builtin_config(schema)
    kinds = {setting["name"]: setting["kind"] for setting in TAP["settings"]}
    assert kinds.keys() == schema["properties"].keys()
    for name in kinds.keys() - SETTINGS["properties"].keys():
        assert kinds[name] in KINDS[schema["properties"][name]["type"][0]]
    assert set(TAP["capabilities"]) == {str(able.value) for able in TapCustomerio.capabilities}


def test_git_ignores_files_that_runs_create_in_the_project() -> None:
    patterns = (ROOT / ".gitignore").read_text().split()
    for name in ("backfill_2024-01-01_2025-01-01_messages.json", "states.jsonl", "state.new"):
        assert any(fnmatchcase(name, pattern) for pattern in patterns), name


def test_meltano_excludes_streams_that_are_off_by_default() -> None:
    off = sorted(
        stream_class.name for stream_class in all_streams() if not stream_class.selected_by_default
    )
    assert TAP["select"] == ["*.*", *(f"!{name}.*" for name in off)]


def test_meltano_needs_no_hub_and_reports_nothing() -> None:
    assert MELTANO["send_anonymous_usage_stats"] is False
    plugins: list[dict[str, Any]] = [TAP, *MELTANO["plugins"]["loaders"]]
    for plugin in plugins:
        assert {"namespace", "pip_url", "executable", "settings"} <= plugin.keys()


def test_jobs_schedules_and_environments_are_as_documented() -> None:
    jobs = {job["name"]: job["tasks"] for job in MELTANO["jobs"]}
    for name, kind in {"hourly": "postgres", "nightly": "duckdb"}.items():
        assert jobs[f"{name}-sync"] == [f"tap-customerio target-{kind}"]
        built = line(f"meltano run tap-customerio target-{kind} dbt-{kind}:build", "docs/models.md")
        assert jobs[f"{name}-models"] == [built.removeprefix("meltano run ")]
    schedules = {schedule["name"]: schedule["job"] for schedule in MELTANO["schedules"]}
    assert schedules == {"hourly": "hourly-sync", "nightly": "nightly-sync"}
    sandbox, *others = MELTANO["environments"]
    assert [other["name"] for other in others] == ["dev", "prod"]
    [extractor] = sandbox["config"]["plugins"]["extractors"]
    port = urlsplit(extractor["config"]["api_url"]).port
    assert line(f"tap-customerio sandbox --port {port} ")


def test_meltano_passes_dbt_the_variables_of_its_profiles() -> None:
    dbt, postgres = MELTANO["plugins"]["utilities"]
    named = {setting["name"]: setting["env"] for setting in dbt["settings"]}
    # Meltano fails on settings that the inherited plugin does not have.
    assert {setting["name"] for setting in postgres["settings"]} <= named.keys()
    profiles = (ROOT / "transform" / "profiles.yml").read_text()
    folders = {"DBT_PROJECT_DIR", "DBT_PROFILES_DIR", "DBT_TARGET_PATH", "DBT_LOG_PATH"}
    assert {*named.values()} - folders == {*re.findall(r"env_var\('(\w+)'", profiles)}


def test_every_stream_says_what_it_is_and_describes_unclear_fields() -> None:
    for stream_class in all_streams():
        first = (stream_class.__doc__ or "").split("\n")[0]
        assert re.match(r"[A-Z][\w -]+: ", first), stream_class.name
        for name, field in stream_class.schema["properties"].items():
            assert field.get("description", "x.").endswith((".", "…")), (
                f"{stream_class.name}.{name}"
            )


def test_the_changelog_has_a_section_for_unreleased_changes() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.slow
def test_no_change_adds_requests_unnoticed() -> None:
    assert request_counts.TABLE.read_text() == request_counts.table(), (
        "If that is intended, run: python tests/benchmarks/request_counts.py"
    )


def test_the_table_of_faults_lists_all_tests_of_faults() -> None:
    table = (ROOT / "tests" / "README.md").read_text()
    rows = re.findall(r"^\| (?!fault|-)(.*) \|$", table, re.MULTILINE)
    named = {re.fullmatch(r".*\| `(test_\w+)`", row) for row in rows}
    assert None not in named
    tests = {
        path: {*re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
        for path in (ROOT / "tests").rglob("test_*.py")
    }
    known = {found[1] for found in named if found is not None}
    assert known <= set().union(*tests.values())
    assert set().union(*(tests[path] for path in tests if path.parent.name == "faults")) <= known


def test_images_are_used_described_and_small() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    shown = {name for alt, name in re.findall(r"!\[([^\]]*)\]\((images/[^)]+)\)", text) if alt}
    images = list((ROOT / "docs" / "images").iterdir())
    assert shown == {f"images/{path.name}" for path in images}
    assert all(path.stat().st_size < 150_000 for path in images)
