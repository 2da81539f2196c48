"""report --build: the models are built before the page."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import duckdb
import pytest
from report.marts_warehouse import make_warehouse
from terminal import typed

from tap_customerio.report import models

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_models_are_only_built_from_loaded_tables(tmp_path: Path) -> None:
    url = make_warehouse(tmp_path / "warehouse.duckdb")
    for schema in ("analytics", "none"):
        screen = typed("report", "--warehouse", url, "--build", "--loaded-schema", schema)
        assert screen.code == 1
        assert f"Schema '{schema}' has no table messages: load it first" in screen.err
    screen = typed("report", "--warehouse", "postgresql://host/name", "--build")
    assert screen.code == 1
    assert "--build works with duckdb:///…, not with 'postgresql'" in screen.err


@pytest.mark.parametrize("option", ["--schema", "--loaded-schema"])
def test_a_schema_has_a_name(option: str) -> None:
    screen = typed("report", "--build", "--warehouse", "duckdb:///a.duckdb", option, " ")
    assert screen.code == 1
    assert f"{option} is ' ': name a schema, or leave the option out for " in screen.err


def test_a_failing_model_is_named_with_its_error_but_without_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project of one model is parsed faster; variables of other projects do not change it."""
    with duckdb.connect(str(tmp_path / "a.duckdb")) as database:
        database.execute("create schema customerio")
        database.execute("create table customerio.messages as select 'ada@example.com' as metrics")
    shutil.copy(models.project() / "profiles.yml", tmp_path)
    project = {"name": "customerio", "version": "0.1.0", "profile": "customerio"}
    (tmp_path / "dbt_project.yml").write_text(json.dumps(project))
    (tmp_path / "models").mkdir()
    query = "select unnest(metrics::json::json[]) as one from customerio.messages"
    (tmp_path / "models" / "opens.sql").write_text("{{ config(materialized='table') }} " + query)
    monkeypatch.setattr(models, "project", lambda: tmp_path)
    elsewhere = {"DBT_PROFILE": "another", "DBT_TARGET": "prod", "DBT_DEFER": "1"}
    url = f"duckdb:///{tmp_path / 'a.duckdb'}"
    screen = typed("report", "--build", "--warehouse", url, environment=elsewhere)
    assert screen.code == 1
    assert "(exit code 1): opens: Conversion Error: Malformed JSON at byte …" in screen.err
    assert "ada" not in screen.err


@pytest.mark.parametrize("missing", ["dbt", "dbt.adapters.duckdb"])
def test_building_models_needs_dbt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    def find(name: str) -> None:
        if missing == "dbt":
            raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("tap_customerio.commands.report.find_spec", find)
    url = make_warehouse(tmp_path / "warehouse.duckdb")
    screen = typed("report", "--warehouse", url, "--build")
    assert screen.code == 1
    assert "'tap-customerio report --build' needs an extra: run pip install '.[demo]'" in screen.err
