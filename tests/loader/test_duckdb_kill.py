"""The DuckDB loader is killed at any time: confirmed rows are there, and the rest comes again."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from random import Random
from threading import Thread
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROWS = 25_000
STEP = 100
KILLS = 6
SCHEMA = {"properties": {"id": {"type": "integer"}, "seen": {"type": "integer"}}}


def lines(start: int, seen: int) -> str:
    """Messages of a tap that resumes from `start`; each run marks its rows."""
    said: list[dict[str, Any]] = [
        {"type": "SCHEMA", "stream": "t", "schema": SCHEMA, "key_properties": ["id"]}
    ]
    for number in range(start, ROWS):
        said.append({"type": "RECORD", "stream": "t", "record": {"id": number, "seen": seen}})
        if number % STEP == STEP - 1:
            said.append({"type": "STATE", "value": number + 1})
    return "".join(json.dumps(message) + "\n" for message in said)


def feed(target: subprocess.Popen[str], text: str) -> None:
    """Write until the target ends."""
    assert target.stdin is not None
    with suppress(BrokenPipeError), target.stdin as pipe:
        pipe.write(text)


def test_kills_lose_no_confirmed_row(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"path": str(path), "batch_size_rows": 2 * STEP}))
    command = [sys.executable, "-m", "tap_customerio.duckdb_target", "--config", str(config)]
    moments = Random(7)
    confirmed = 0
    for run in range(KILLS + 1):
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as target:
            writer = Thread(target=feed, args=(target, lines(confirmed, run)))
            writer.start()
            assert target.stdout is not None
            wanted = moments.randint(1, 9) if run < KILLS else ROWS
            for count, line in enumerate(target.stdout, start=1):
                confirmed = json.loads(line)
                if count == wanted:
                    target.kill()
            writer.join()
        if run < KILLS:
            assert target.returncode == -9
        with duckdb.connect(str(path), read_only=True) as database:
            query = f"select count(*), count(distinct id) from t where id < {confirmed}"
            assert database.execute(query).fetchall() == [(confirmed, confirmed)]
    assert target.returncode == 0
    assert confirmed == ROWS
