"""The SQL that removes a person, run in a real PostgreSQL on all subsets of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tap_customerio.privacy.identity import Match, Person, Request
from tap_customerio.privacy.warehouse import statements, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e
NAMES = [table.name for table in tables()]
ADA = Match(
    Request("email", "ada@example.com"),
    [Person("abc", {"id": "o'1", "email": "ada@example.com"})],
    notes=["What is said of it."],
)


@pytest.fixture
def warehouse(postgres: str) -> Iterator[psycopg.Connection[tuple[str, ...]]]:
    """A separate schema, dropped afterwards."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create schema raw")
        yield connection
        connection.execute("rollback")
        connection.execute("drop schema raw cascade")


def make(warehouse: psycopg.Connection[tuple[str, ...]], loaded: list[str]) -> None:
    """Tables of two people."""
    for table in tables():
        if table.name in loaded:
            columns = dict.fromkeys(("cio_id", *table.keys.values(), *table.personal))
            text = " text, ".join(columns)
            warehouse.execute(f"create table raw.{table.name} ({text} text)".encode())
            insert = f"insert into raw.{table.name} (cio_id) values ('abc'), ('other')"
            warehouse.execute(insert.encode())


def existing(warehouse: psycopg.Connection[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """All tables except those of PostgreSQL, and the search path."""
    names = (
        "select schemaname, tablename from pg_tables where schemaname !~ '^(pg_|inf)' order by 2"
    )
    return [*warehouse.execute(names).fetchall(), *warehouse.execute("show search_path").fetchall()]


@pytest.mark.parametrize("schema", ["raw", "RAW", ""])
@pytest.mark.parametrize("loaded", [NAMES, ["customers"], ["activities", "messages"], NAMES[-1:]])
def test_it_runs_on_any_subset_of_tables(
    warehouse: psycopg.Connection[tuple[str, ...]], schema: str, loaded: list[str]
) -> None:
    make(warehouse, loaded)
    if not schema:
        warehouse.execute("set search_path to raw")
    before = existing(warehouse)
    warehouse.execute(statements(ADA, schema, "postgres").encode())
    assert existing(warehouse) == before
    for name in loaded:
        if name == "esp_suppressions":
            continue  # its rows only contain addresses
        found = warehouse.execute(f"select cio_id from raw.{name} order by 1".encode()).fetchall()
        assert found == ([("other",), (None,)] if name == "messages" else [("other",)])


@pytest.mark.parametrize("schema", ["wrong", ""])
def test_a_schema_without_the_tables_is_an_error_and_changes_nothing(
    warehouse: psycopg.Connection[tuple[str, ...]], schema: str
) -> None:
    make(warehouse, ["customers"])
    with pytest.raises(psycopg.Error, match="None of the tables is in this schema"):
        warehouse.execute(statements(ADA, schema, "postgres").encode())


def test_a_failure_changes_nothing(
    warehouse: psycopg.Connection[tuple[str, ...]],
) -> None:
    make(warehouse, ["activities"])
    warehouse.execute("create table raw.customers (other text)")
    with pytest.raises(psycopg.Error):
        warehouse.execute(statements(ADA, "raw", "postgres").encode())
    warehouse.execute("rollback")
    assert len(warehouse.execute("select * from raw.activities").fetchall()) == 2
