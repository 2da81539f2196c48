"""The most common targets: all streams, each key once, newest values, and the tap's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from e2e.targets import KINDS, USUAL, Runs, differences, load, lost

from tap_customerio.streams import all_streams

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def runs() -> Runs:
    """Two runs of the tap, for all targets."""
    return Runs.of_sandbox()


@pytest.fixture
def database(postgres: str, request: pytest.FixtureRequest) -> str:
    """The URI of an empty PostgreSQL database."""
    name = f"t{abs(hash(request.node.name))}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
    return postgres.replace("/postgres?", f"/{name}?")


@pytest.mark.parametrize("name", USUAL)
def test_a_target_loads_everything_and_keeps_the_newest_values(
    runs: Runs,
    database: str,
    make_venv: Callable[[str], Path],
    tmp_path: Path,
    name: str,
) -> None:
    kind = KINDS[name]
    found, state, _ = load(kind, runs, database, make_venv, tmp_path)
    names = {stream.name for stream in all_streams()}
    assert names == runs.outputs[0].keys.keys() == names & found.keys()
    assert [*differences(kind, runs, found, state)] == []
    assert lost(runs, found) == []
