"""Check BigQuery and Snowflake as far as possible without an account.

python tests/benchmarks/warehouses.py

Installs the loaders of docs/recipes.md, each in its own environment. Their own code translates
every schema and encodes every row of the tap.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from e2e.targets import Runs

ROOT = Path(__file__).parents[2]

BIGQUERY = """
import json, sys
import orjson
from target_bigquery.core import SchemaTranslator
from target_bigquery.target import TargetBigQuery
known, unknown, rows = {}, set(), 0
def compare(fields, value, path):
    if isinstance(value, list):
        for one in value:
            compare(fields, one, path)
    elif isinstance(value, dict) and fields:
        by_name = {field.name: field for field in fields}
        for name in value:
            if name not in by_name:
                unknown.add(f"{path}.{name}")
            else:
                compare(by_name[name].fields, value[name], f"{path}.{name}")
for line in sys.stdin:
    message = json.loads(line)
    stream = message.get("stream")
    if message["type"] == "SCHEMA":
        known[stream] = SchemaTranslator(message["schema"], {})
        assert known[stream].translated_schema_transformed
    elif message["type"] == "RECORD":
        row = known[stream].translate_record(message["record"])
        orjson.dumps(row)
        compare(known[stream].translated_schema_transformed, row, stream)
        rows += 1
print(f"{len(known)} schemas, {rows} rows; unknown to the table, and so lost: {sorted(unknown)}")
"""
SNOWFLAKE = """
import json, sys
from singer_sdk.helpers._typing import conform_record_data_types
from singer_sdk.helpers.conform import TypeConformanceLevel
from snowflake.sqlalchemy import URL, snowdialect
from sqlalchemy.schema import CreateTable, Column, Table, MetaData
from target_snowflake.connector import SnowflakeConnector
import logging
config = {"account": "a", "user": "u", "password": "p", "database": "d"}
connector = SnowflakeConnector(config=config)
known, unknown, rows = {}, set(), 0
for line in sys.stdin:
    message = json.loads(line)
    stream = message.get("stream")
    if message["type"] == "SCHEMA":
        properties = message["schema"]["properties"]
        columns = [Column(name, connector.to_sql_type(kind)) for name, kind in properties.items()]
        table = Table(stream, MetaData(), *columns)
        str(CreateTable(table).compile(dialect=snowdialect.dialect()))
        known[stream] = message["schema"]
    elif message["type"] == "RECORD":
        names = message["record"].keys() - known[stream]["properties"].keys()
        unknown |= {f"{stream}.{name}" for name in names}
        row = conform_record_data_types(
            stream_name=stream, record=message["record"], schema=known[stream],
            level=TypeConformanceLevel.RECURSIVE, logger=logging.getLogger(),
        )
        json.dumps(row, default=str)
        rows += 1
print(f"{len(known)} schemas, {rows} rows; unknown to the table, and so lost: {sorted(unknown)}")
"""
CHECKS = {"target-bigquery": BIGQUERY, "target-snowflake": SNOWFLAKE}


def main() -> None:
    """Check each recipe."""
    recipes = (ROOT / "docs" / "recipes.md").read_text()
    [block] = [
        text for text in re.findall(r"```yaml\n(.*?)```", recipes, re.DOTALL) if "pip_url" in text
    ]
    lines = b"".join(Runs.of_sandbox().lines)
    for loader in yaml.safe_load(block)["loaders"]:
        with tempfile.TemporaryDirectory(prefix="warehouse") as folder:
            uv = [sys.executable, "-m", "uv", "-q"]
            subprocess.run([*uv, "venv", "--python", sys.executable, folder], check=True)
            programs = Path(folder) / "bin"
            install = [*uv, "pip", "install", "--python", str(programs / "python")]
            subprocess.run([*install, *loader["pip_url"].split()], check=True)
            about = [str(programs / loader["name"]), "--about", "--format=json"]
            said = json.loads(subprocess.run(about, check=True, capture_output=True).stdout)
            unknown = loader["config"].keys() - said["settings"]["properties"].keys()
            check = [str(programs / "python"), "-W", "ignore", "-c", CHECKS[loader["name"]]]
            found = subprocess.run(check, input=lines, check=False, capture_output=True)
            last_line = (found.stdout or found.stderr).decode().strip().splitlines()[-1]
            print(
                f"{loader['name']}: {last_line}; settings it does not know: {sorted(unknown)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
