"""Compile the models for unreachable warehouses: run with the adapters in PYTHONPATH.

`compile_offline.py FOLDER` writes FOLDER/snowflake/target/compiled and the same for bigquery. The
project is without tests and descriptions, which take time and change no SQL.
Tables of the loader have the columns that staging reads, except the last one. Models exist already,
so that incremental parts are compiled. The model `deletions` is the hook that deletes rows.
"""

from __future__ import annotations

import gc
import json
import re
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

TRANSFORM = Path(__file__).parent.parent.parent / "transform"
PROFILES: dict[str, dict[str, Any]] = {
    "snowflake": {"account": "none", "user": "none", "password": "none", "database": "raw"},
    "bigquery": {"method": "oauth-secrets", "token": "none", "project": "raw"},
}
ADAPTERS = {"snowflake": "SnowflakeAdapter", "bigquery": "BigQueryAdapter"}
TYPES = {
    "snowflake": {
        "text": ["VARCHAR"],
        "integer": ["NUMBER"],
        "boolean": ["BOOLEAN"],
        "timestamp": ["TIMESTAMP_NTZ", "TIMESTAMP_TZ"],
        "json": ["VARIANT", "VARCHAR"],
    },
    "bigquery": {
        "text": ["STRING"],
        "integer": ["INT64"],
        "boolean": ["BOOL"],
        "timestamp": ["TIMESTAMP", "DATETIME"],
        "json": ["JSON", "STRING"],
    },
}
"""The types that loaders use; a table has them in turn."""
STRATEGIES = {"snowflake": "delete+insert", "bigquery": "merge"}
"""How incremental models replace rows; BigQuery has no other way."""
DELETIONS = "{{ config(materialized='incremental') }}{{ customerio.delete_vanished('row_hash') }}"


def columns(stream: str) -> dict[str, str]:
    """Columns of a stream's table, and their types."""
    text = (TRANSFORM / "models" / "staging" / f"stg_customerio__{stream}.sql").read_text()
    found = re.findall(r"'(\w+)': \['(\w+)'", text)
    return dict(found[:-1] or found)


def types(stream: str, kind: str) -> dict[str, str]:
    """Columns of a stream's table, and their types in a warehouse."""
    choices = {name: TYPES[kind][each] for name, each in columns(stream).items()}
    return {name: each[place % len(each)] for place, (name, each) in enumerate(choices.items())}


def _closed(*arguments: Any) -> Any:
    """A connection that rejects every query."""
    connection = arguments[-1]
    connection.state, connection.handle = "open", mock.NonCallableMagicMock(spec=["close"])
    return connection


def compile_models(project: Path, kind: str, folder: Path) -> bool:
    """Run dbt with an adapter that connects to nothing."""
    from dbt.cli.main import dbtRunner  # noqa: PLC0415

    module = import_module(f"dbt.adapters.{kind}")
    adapter = getattr(module, ADAPTERS[kind])

    def get_relation(self: Any, database: str, schema: str, identifier: str, **_: Any) -> Any:
        return self.Relation.create(
            database=database, schema=schema, identifier=identifier, type="table"
        )

    def get_columns(self: Any, relation: Any) -> list[Any]:
        return [self.Column(name, each) for name, each in types(relation.identifier, kind).items()]

    profile = {"type": kind, "schema": "models", "threads": 1, **PROFILES[kind]}
    profiles = {"customerio": {"target": "it", "outputs": {"it": profile}}}
    (folder / "profiles.yml").write_text(json.dumps(profiles))
    options = ["--project-dir", str(project), "--profiles-dir", str(folder)]
    options += ["--target-path", str(folder / "target"), "--log-path", str(folder)]
    options += ["--no-populate-cache", "--no-send-anonymous-usage-stats", "--quiet"]
    options += ["--log-level-file", "none", "--no-write-json"]
    with (
        mock.patch.object(adapter, "get_relation", get_relation),
        mock.patch.object(adapter, "get_columns_in_relation", get_columns),
        mock.patch.object(adapter.ConnectionManager, "open", _closed),
    ):
        ran = dbtRunner().invoke(["compile", "--select", "resource_type:model", *options])
    if ran.exception:
        sys.stderr.write(str(ran.exception))
        return False
    results: Any = ran.result
    strategies = {result.node.config.incremental_strategy for result in results}
    return ran.success and strategies == {STRATEGIES[kind], None}


if __name__ == "__main__":
    gc.disable()  # collections take a fifth of the time
    sys.path.pop(0)  # dbt loads every module there whose name starts with dbt_ as a plugin
    lean = Path(sys.argv[1]) / "project"
    left_out = shutil.ignore_patterns("tests", "customerio__*.yml", "_staging.yml")
    shutil.copytree(TRANSFORM, lean, ignore=left_out)
    (lean / "models" / "deletions.sql").write_text(DELETIONS)
    for wanted in PROFILES:
        place = Path(sys.argv[1]) / wanted
        place.mkdir()
        if not compile_models(lean, wanted, place):
            sys.exit(f"dbt failed for {wanted}")
