"""The models compile to the SQL of warehouses that the tests cannot reach."""

from __future__ import annotations

import hashlib
import re
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import sqlglot
from e2e.processes import ROOT, environment, run
from sqlglot import TokenType, exp
from transform.dbt_run import TRANSFORM

from transform import time_types

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

REQUIREMENTS = ("dbt-core>=1.10,<1.12", "dbt-snowflake", "dbt-bigquery")
WORDS = "and as exists from in over using"
BOTH = "cast coalesce count current_timestamp extract lag lower max md5 min nullif parse_json "
BOTH += "regexp_replace replace row_number sqrt sum to_json"
FUNCTIONS = {
    "snowflake": "convert_timezone date_trunc dateadd datediff flatten get numeric position "
    "regexp_substr to_variant",
    "bigquery": "datetime datetime_add datetime_diff json_keys json_query_array json_value "
    "regexp_extract strpos timestamp timestamp_trunc to_hex to_json_string trim unnest",
}
"""What may stand before a parenthesis: words, and functions that the warehouse has."""
FOREIGN = re.compile(r"->|::|\bat time zone\b|'g'|(?<!r)'[^'$\n]*\\")
"""Operators, flags and escapes of other databases, which sqlglot accepts."""


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
    used: set[str] = set()
    for name, path in compiled.items():
        text = path.read_text()
        [query] = sqlglot.parse(text, dialect=kind)
        assert isinstance(query, exp.Delete if name == "deletions" else exp.Query), name
        assert not FOREIGN.findall(text), name
        used |= called(text, kind)
    assert used == {*f"{WORDS} {BOTH} {FUNCTIONS[kind]}".split()}
    staging = "".join(path.read_text() for name, path in compiled.items() if name[:4] == "stg_")
    assert ("convert_timezone" in staging) == (kind == "snowflake")  # BigQuery's times are in UTC
    del compiled["deletions"]
    assert time_types.mixed(compiled, kind) == []
    deliveries, events = (
        compiled[f"customerio__{name}"].read_text() for name in ("deliveries", "message_events")
    )
    assert "kept.row_hash = hashed.row_hash" in deliveries  # includes the incremental part
    # BigQuery cannot replace several rows of a delivery.
    assert ("kept.events_hash = messages.events_hash" in events) == (kind == "snowflake")


def called(text: str, kind: str) -> set[str]:
    """The words before parentheses."""
    tokens = sqlglot.tokenize(text, read=kind)
    return {
        one.text.lower()
        for one, other in pairwise(tokens)
        if other.token_type is TokenType.L_PAREN and one.text.isidentifier()
    }
