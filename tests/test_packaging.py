"""What a release needs: metadata, workflows, a Meltano Hub definition, examples."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hub_definition
import pytest
import yaml
from dotenv import dotenv_values
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager
from packaging.specifiers import SpecifierSet
from terminal import typed

from tap_customerio.settings import SETTINGS

if TYPE_CHECKING:
    from tap_customerio.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text())
    for path in (ROOT / ".github" / "workflows").glob("*.yml")
}
PARTS = set(re.findall(r"^    (\w+)\)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE))


def metadata() -> Any:
    """The core metadata of a build."""
    return ProjectMetadata(str(ROOT), PluginManager()).core


def steps(workflow: str) -> list[dict[str, Any]]:
    """All steps of a workflow."""
    return [step for job in WORKFLOWS[workflow]["jobs"].values() for step in job.get("steps", ())]


@pytest.mark.slow
def test_the_hub_definition_is_generated_from_about() -> None:
    assert hub_definition.FILE.read_text() == hub_definition.definition(), (
        "run: python tests/hub_definition.py"
    )


def test_a_release_links_to_its_repository(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("REPOSITORY_URL", raising=False)
    assert metadata().urls == {}
    monkeypatch.setenv("REPOSITORY_URL", "https://git.example/acme/tap-customerio/")
    urls = metadata().urls
    assert urls["Changelog"] == "https://git.example/acme/tap-customerio/blob/main/CHANGELOG.md"
    assert urls["Issues"] == "https://git.example/acme/tap-customerio/issues"
    for workflow in WORKFLOWS.values():
        assert workflow["env"]["REPOSITORY_URL"].endswith("/${{ github.repository }}")


def test_a_release_names_its_author_and_its_requirements() -> None:
    core = metadata()
    assert core.authors
    pythons = [
        name.rpartition(" ")[2]
        for name in core.classifiers
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", name)
    ]
    assert pythons == WORKFLOWS["ci"]["jobs"]["tests"]["strategy"]["matrix"]["python"]
    supported = SpecifierSet(core.requires_python)
    assert [python in supported for python in ("3.9", *pythons)] == [False, *[True] * len(pythons)]


def test_every_imported_library_is_declared() -> None:
    files = (ROOT / "tap_customerio").rglob("*.py")
    imported = {
        name
        for path in files
        for name in re.findall(r"^ *(?:import|from) (\w+)", path.read_text(), re.MULTILINE)
    }
    declared = {re.split(r"[^\w-]", name)[0] for name in metadata().dependencies}
    assert "jsonschema" in imported
    assert "jsonschema" in declared  # target-jsonl pins an old one, which pip reports at once


@pytest.mark.parametrize(
    ("builder", "place"), [(WheelBuilder, "tap_customerio/transform"), (SdistBuilder, "transform")]
)
def test_a_release_contains_the_models_that_the_demo_builds(builder: Any, place: str) -> None:
    packed = {file.distribution_path for file in builder(str(ROOT)).recurse_included_files()}
    models = (ROOT / "transform").rglob("*.*")
    wanted = [str(path.relative_to(ROOT / "transform")) for path in models if path.is_file()]
    assert {f"{place}/{name}" for name in wanted} <= packed
    assert "tap_customerio/tap.py" in packed
    assert len(wanted) > 80


def test_workflows_run_existing_parts() -> None:
    matrix = WORKFLOWS["ci"]["jobs"]["checks"]["strategy"]["matrix"]["part"]
    assert set(matrix) == PARTS - {"tests", "fast"}  # in tests
    calls = [step["run"] for name in WORKFLOWS for step in steps(name) if ".ci/run" in str(step)]
    named = {call.removeprefix(".ci/run ") for call in calls}
    assert named - {"${{ matrix.part }}"} <= PARTS
    assert "tests" in named


def test_a_release_is_tested_built_checked_and_published_without_a_password() -> None:
    jobs = WORKFLOWS["release"]["jobs"]
    assert jobs["ci"]["uses"].endswith("/ci.yml")
    assert jobs["build"]["needs"] == "ci"
    assert any(step.get("run") == ".ci/run package" for step in jobs["build"]["steps"])
    assert "twine check --strict" in (ROOT / ".ci" / "run").read_text()
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "with" not in jobs["publish"]["steps"][-1]
    assert "secrets." not in str(WORKFLOWS)


def test_the_example_environment_names_settings_and_works(sandbox: Sandbox, tmp_path: Path) -> None:
    example = (ROOT / ".env.example").read_text()
    named = {
        name.lower() for name in re.findall(r"^(?:# )?TAP_CUSTOMERIO_(\w+)=", example, re.MULTILINE)
    }
    secret = {name for name, schema in SETTINGS["properties"].items() if schema.get("secret")}
    assert secret <= named <= SETTINGS["properties"].keys()
    (tmp_path / ".env").write_text(example.replace("REGION=auto", "REGION=us"))
    filled = {name: value or "" for name, value in dotenv_values(tmp_path / ".env").items()}
    place = {"TAP_CUSTOMERIO_API_URL": sandbox.url}
    key = {"TAP_CUSTOMERIO_APP_API_KEY": sandbox.app_api_key}
    words = ("preview", "--config", "ENV", "campaigns")
    assert "app_api_key" in typed(*words, environment={**filled, **place}).err
    screen = typed(*words, environment={**filled, **place, **key})
    assert screen.code == 0, screen.err


def test_git_ignores_files_with_keys() -> None:
    assert ".env" in (ROOT / ".gitignore").read_text().split()
