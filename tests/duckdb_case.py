"""Singer messages, and the DuckDB loader that loads them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import duckdb

from tap_customerio.duckdb_target.target import TargetDuckDB

if TYPE_CHECKING:
    from pathlib import Path


def schema(properties: dict[str, Any], *keys: str, stream: str = "people") -> dict[str, Any]:
    members = {"type": "object", "properties": properties}
    return {"type": "SCHEMA", "stream": stream, "schema": members, "key_properties": list(keys)}


def row(version: int | None = None, stream: str = "people", **record: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": record, "version": version}


def state(**value: Any) -> dict[str, Any]:
    return {"type": "STATE", "value": value}


def activate(version: int, stream: str = "people") -> dict[str, Any]:
    return {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}


def load(path: Path, *messages: dict[str, Any], **settings: Any) -> list[Any]:
    """Run the target on messages; returns the states that it confirmed."""
    lines = io.BytesIO(b"".join(json.dumps(message).encode() + b"\n" for message in messages))
    confirmed = io.StringIO()
    target = TargetDuckDB(config={"path": str(path), **settings})
    with redirect_stdout(confirmed):
        try:
            target.listen(lines)  # type: ignore[arg-type]
        finally:
            target.close()
    return [json.loads(line) for line in confirmed.getvalue().splitlines()]


def ask(path: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as database:
        return database.execute(query).fetchall()


def run(path: Path | str, *messages: Any) -> tuple[int, str]:
    """Run as a process: its exit code, and the last line of its log."""
    lines = "".join(json.dumps(message) + "\n" for message in messages)
    command = [sys.executable, "-m", "tap_customerio.duckdb_target", "--config", "ENV"]
    ended = subprocess.run(
        command,
        input=lines,
        env={"TARGET_DUCKDB_PATH": str(path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr.splitlines()[-1]
