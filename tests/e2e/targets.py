"""Third-party targets: how to install, configure and read each, and what must arrive."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import subprocess
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
from e2e.processes import environment, installed, write
from harness import Output, config_for, few_senders, new_sandbox, run_tap
from psycopg.conninfo import conninfo_to_dict

from tap_customerio.windows import DAY, HOUR, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

Row = dict[str, Any]
Rows = dict[str, list[Row]]
Key = tuple[Any, ...]

SCHEMA = "customerio"
MONTH = parse("2026-03-01")
CHANGING = (
    *("campaigns", "customers", "esp_suppressions", "journey_metrics", "messages"),
    "object_relationships",
)
"""Streams with new, changed or deleted rows on the second day."""
OLD = "import collections.abc; collections.MutableMapping = collections.abc.MutableMapping\n"
"""Restores what Python 3.10 removed, for older targets."""


@dataclass(frozen=True)
class TargetSpec:
    """A target.

    Attributes:
        requirements: What pip installs; empty for a target of the test extra.
        settings: Returns its configuration for a folder and a PostgreSQL server.
        read: Returns the rows that it wrote there.
        replaces: It replaces rows by key; otherwise the last row of a key counts.
        deletes: It handles ACTIVATE_VERSION.
        is_old: It needs Python 3.9 or `OLD`.
    """

    requirements: str
    program: str
    settings: Callable[[Path, str], dict[str, Any]]
    read: Callable[[Path, str], Rows]
    replaces: bool = True
    deletes: bool = False
    is_old: bool = False


@dataclass(frozen=True)
class Runs:
    """The output of two runs of the tap, a day apart."""

    lines: tuple[bytes, bytes]
    outputs: tuple[Output, Output]

    @classmethod
    def of_sandbox(cls) -> Runs:
        """All streams of a small workspace; the second run reads only those in `CHANGING`."""
        lines: list[bytes] = []
        outputs: list[Output] = []
        size = {"per_day": 3, "people": 10, "activities_per_day": 3, "objects_per_type": 3}
        workspace = few_senders(seed=2, since=MONTH, churn=0.2, **size)
        with new_sandbox(workspace=workspace) as box:
            for streams in (None, CHANGING):
                state = outputs[-1].states[-1] if outputs else None
                config = config_for(box, customers_sync="full")
                output = run_tap(config, streams=streams, state=state)
                outputs.append(output)
                lines.append(b"".join(json.dumps(m).encode() + b"\n" for m in output.messages))
                box.clock.advance(DAY)
                box.workspace.edit("campaigns", 3, at=int(box.clock.now()) - HOUR)
        return cls((lines[0], lines[1]), (outputs[0], outputs[1]))

    def newest(self, stream: str, *, deletes: bool) -> dict[Key, Row]:
        """The last record of each key, without those that the second run deletes."""
        last = self.outputs[1]
        is_whole = any(
            message["type"] == "ACTIVATE_VERSION" and message["stream"] == stream
            for message in last.messages
        )
        outputs = (last,) if deletes and is_whole else self.outputs
        keys = self.outputs[0].keys[stream]
        rows = [row for output in outputs for row in output.records[stream]]
        return {tuple(plain(row[name]) for name in keys): row for row in rows}


def load(
    kind: TargetSpec, runs: Runs, database: str, make_venv: Callable[[str], Path], folder: Path
) -> tuple[Rows, str, str]:
    """Load both runs; returns the rows, the last state, and the last log."""
    program = (
        str(make_venv(kind.requirements) / kind.program)
        if kind.requirements
        else installed(kind.program)
    )
    output = folder / "output"
    output.mkdir()
    config = write(folder / "config.json", kind.settings(output, database))
    state = log = ""
    for lines in runs.lines:
        ran = subprocess.run(
            [program, "--config", config],
            input=lines,
            capture_output=True,
            env=environment(),
            cwd=folder,
            check=False,
        )
        log = ran.stderr.decode(errors="replace")
        assert ran.returncode == 0, log[-3000:]
        state = (ran.stdout.decode().splitlines() or ["null"])[-1]
    return kind.read(output, database), state, log


def differences(kind: TargetSpec, runs: Runs, found: Rows, state: str) -> Iterator[str]:
    """The differences between the expected and the loaded rows, one sentence each."""
    if json.loads(state) != runs.outputs[1].states[-1]:
        yield "the last state is not ours"
    for stream, keys in runs.outputs[0].keys.items():
        expected = runs.newest(stream, deletes=kind.deletes)
        rows = found.get(stream, [])
        newest = {tuple(plain(row[name]) for name in keys): row for row in rows}
        if newest.keys() != expected.keys():
            yield f"{stream} has {len(newest)} of {len(expected)} keys"
        if kind.replaces and len(newest) != len(rows):
            yield f"{stream} has {len(rows)} rows of {len(newest)} keys"
        for name in _odd_columns(newest, expected):
            yield f"{stream}.{name} is not the newest"


def _odd_columns(found: dict[Key, Row], expected: dict[Key, Row]) -> Iterable[str]:
    return sorted(
        {
            name
            for key, row in expected.items()
            for name, value in row.items()
            if isinstance(value, (str, int, float))
            and key in found
            and plain(found[key].get(name)) != plain(value)
        }
    )


def lost(runs: Runs, found: Rows) -> list[str]:
    """Objects and lists that are in no column."""
    return sorted(
        {
            f"{stream}.{name}"
            for stream in runs.outputs[0].keys
            for row in runs.newest(stream, deletes=False).values()
            for name, value in row.items()
            if isinstance(value, (dict, list)) and value
            for columns in [found.get(stream, [{}])[0]]
            if not any(column == name or column.startswith(f"{name}__") for column in columns)
        }
    )


def plain(value: Any) -> Any:
    """A value in a form that all targets share: numbers and times are numbers, null is no text."""
    if isinstance(value, datetime):
        zone = value.tzinfo or timezone.utc
        return value.replace(tzinfo=zone).timestamp()
    if value is None:
        return ""
    text = {"True": "1", "False": "0"}.get(str(value), str(value))
    with suppress(ValueError):
        return float(text)
    if re.match(r"\d{4}-\d\d-\d\d[T ]", text):
        return plain(datetime.fromisoformat(text.replace("Z", "+00:00")))
    return text


def _read_jsonl(folder: Path, _: str) -> Rows:
    found: Rows = {}
    for path in _by_time(folder.glob("*.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        found.setdefault(path.stem.partition("-")[0], []).extend(rows)
    return found


def _by_time(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: path.stat().st_mtime_ns)


def _read_csv(folder: Path, _: str) -> Rows:
    found: Rows = {}
    for path in _by_time(folder.glob("*.csv")):
        with path.open(newline="") as file:
            found.setdefault(path.stem.partition("-")[0], []).extend(csv.DictReader(file))
    return found


def _ask(connection: Any, tables: str, schema: str) -> Rows:
    found: Rows = {}
    for (table,) in connection.execute(tables).fetchall():
        cursor = connection.execute(f'select * from {schema}"{table}"')
        names = [column[0] for column in cursor.description]
        found[table] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return found


def _read_sqlite(folder: Path, _: str) -> Rows:
    with closing(sqlite3.connect(folder / "a.db")) as connection:
        return _ask(connection, "select name from sqlite_master where type = 'table'", "")


_TABLES = f"select table_name from information_schema.tables where table_schema = '{SCHEMA}'"


def _read_duckdb(folder: Path, _: str) -> Rows:
    with duckdb.connect(str(folder / "a.duckdb"), read_only=True) as connection:
        return _ask(connection, _TABLES, f"{SCHEMA}.")


def _read_postgres(_: Path, uri: str) -> Rows:
    with psycopg.connect(uri) as connection:
        connection.execute("set time zone 'UTC'")
        return _ask(connection, _TABLES, f"{SCHEMA}.")


def _postgres(uri: str) -> dict[str, Any]:
    place = conninfo_to_dict(uri)
    return {
        **{name: place.get(name) for name in ("host", "user", "dbname")},
        "port": int(place.get("port") or 5432),
        "password": place.get("password") or "none",
    }


KINDS = {
    "target-jsonl 0.1.4": TargetSpec(
        "target-jsonl==0.1.4",
        "target-jsonl",
        lambda folder, _: {"destination_path": str(folder), "do_timestamp_file": False},
        _read_jsonl,
        replaces=False,
    ),
    "target-duckdb (of this tap)": TargetSpec(
        "",
        "tap-customerio-duckdb",
        lambda folder, _: {"path": str(folder / "a.duckdb"), "default_target_schema": SCHEMA},
        _read_duckdb,
        deletes=True,
    ),
    "meltanolabs-target-postgres 0.8.1": TargetSpec(
        "",
        "target-postgres",
        lambda _, uri: {
            "sqlalchemy_url": uri.replace("postgresql:", "postgresql+psycopg:"),
            "default_target_schema": SCHEMA,
            "use_copy": True,
            "validate_records": False,
            "hard_delete": True,
        },
        _read_postgres,
        deletes=True,
    ),
    "pipelinewise-target-postgres 2.1.2": TargetSpec(
        # It pins a release of psycopg2-binary that only installs up to Python 3.11.
        "--no-deps pipelinewise-target-postgres==2.1.2 psycopg2-binary attrs backoff==1.10.0 "
        "ciso8601 inflection==0.3.1 joblib==1.2.0 jsonschema==3.2.0 "
        "pipelinewise-singer-python==1.3.0 pyrsistent python-dateutil pytz setuptools<81 "
        "simplejson six",
        "target-postgres",
        lambda _, uri: {**_postgres(uri), "default_target_schema": SCHEMA},
        _read_postgres,
    ),
    "singer-target-postgres 0.2.4": TargetSpec(
        "singer-target-postgres==0.2.4",
        "target-postgres",
        lambda _, uri: {
            **{f"postgres_{name}": value for name, value in _postgres(uri).items()},
            "postgres_database": _postgres(uri)["dbname"],
            "postgres_username": _postgres(uri)["user"],
            "postgres_schema": SCHEMA,
        },
        _read_postgres,
    ),
    "target-csv 0.3.0": TargetSpec(
        "target-csv==0.3.0 setuptools<81",
        "target-csv",
        lambda folder, _: {"destination_path": str(folder), "disable_collection": True},
        _read_csv,
        replaces=False,
        is_old=True,
    ),
    "target-sqlite 0.2.0": TargetSpec(
        "target-sqlite==0.2.0 setuptools<81",
        "target-sqlite",
        lambda folder, _: {"database": str(folder / "a.db")},
        _read_sqlite,
        is_old=True,
    ),
    "target-s3-jsonl 2.0.1": TargetSpec(
        "target-s3-jsonl==2.0.1",
        "target-s3-jsonl",
        lambda folder, _: {
            "local": True,
            "s3_bucket": "none",
            "work_dir": str(folder),
            "path_template": "{stream}-{uuid}.jsonl",
        },
        _read_jsonl,
        replaces=False,
    ),
}
"""All targets."""

USUAL = tuple(KINDS)[:4]
"""The targets that every test run includes."""
