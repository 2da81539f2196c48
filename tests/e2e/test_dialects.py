"""The models compile to the SQL of warehouses that the tests cannot reach."""

from __future__ import annotations

import hashlib
import re
import sys
from typing import TYPE_CHECKING

import pytest
import sqlglot
from e2e.processes import ROOT, environment, run
from sqlglot import exp
from transform.dbt_run import TRANSFORM

from transform import time_types

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

REQUIREMENTS = ("dbt-core>=1.10,<1.12", "dbt-snowflake", "dbt-bigquery")


@pytest.fixture(scope="module")
def adapters(cache: Path) -> Path:
    """A folder with the packages that the adapters need and this Python lacks."""
    env = environment(UV_CACHE_DIR=str(cache / "uv"))
    install = [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable]
    planned = run([*install, "--dry-run", *REQUIREMENTS], env=env)
    lacking = re.findall(r"^ \+ (\S+)$", planned.log, re.MULTILINE)
    key = hashlib.sha256(" ".join([sys.version, *lacking]).encode()).hexdigest()[:12]
    folder, partial = cache / f"adapters-{key}", cache / f"adapters-{key}-partial"
    if lacking and not folder.exists():
        run([*install, "-q", "--no-deps", "--target", str(partial), *lacking], env=env)
        partial.rename(folder)
    return folder


@pytest.fixture(scope="module")
def compiled_models(adapters: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each warehouse; one process compiles for all, because dbt starts slowly."""
    folder = tmp_path_factory.mktemp("compiled")
    script = ROOT / "tests" / "transform" / "compile_offline.py"
    command = [sys.executable, str(script), str(folder)]
    run(command, env=environment(PYTHONPATH=str(adapters)))
    return folder


@pytest.mark.parametrize("kind", ["snowflake", "bigquery"])
def test_models_compile_to_the_sql_of_the_warehouse(kind: str, compiled_models: Path) -> None:
    compiled = {
        path.stem: path for path in (compiled_models / kind).glob("target/compiled/**/*.sql")
    }
    assert compiled.keys() >= {path.stem for path in TRANSFORM.glob("models/**/*.sql")}
    for name, path in compiled.items():
        [query] = sqlglot.parse(path.read_text(), dialect=kind)
        assert isinstance(query, exp.Query), name
        unknown = {function.name for function in query.find_all(exp.Anonymous)}
        assert not unknown, f"{name} calls {unknown}"
    assert time_types.mixed(compiled, kind) == []
    deliveries = compiled["customerio__deliveries"].read_text()
    assert "kept.row_hash = hashed.row_hash" in deliveries  # includes the incremental part
