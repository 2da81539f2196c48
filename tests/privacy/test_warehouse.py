"""SQL that removes a person from loaded tables, and nobody else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from harness import config_for, run_tap

from tap_customerio.privacy.identity import Match, Person, Request
from tap_customerio.privacy.warehouse import statements, tables
from tap_customerio.streams import all_streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from desk import Desk

NAMES = [table.name for table in tables()]


def load(desk: Desk) -> duckdb.DuckDBPyConnection:
    """The tables as a target makes them, all columns of text."""
    output = run_tap(config_for(desk.box), streams=NAMES)
    warehouse = duckdb.connect()
    warehouse.execute("CREATE SCHEMA raw")
    for kind in all_streams():
        if kind.name in NAMES:
            columns = list(kind.schema["properties"])
            warehouse.execute(f"CREATE TABLE raw.{kind.name} ({' TEXT, '.join(columns)} TEXT)")
            rows = [[text(r.get(column)) for column in columns] for r in output.records[kind.name]]
            if rows:
                marks = ", ".join("?" * len(columns))
                warehouse.executemany(f"INSERT INTO raw.{kind.name} VALUES ({marks})", rows)
    return warehouse


def text(value: Any) -> str | None:
    """A value as text."""
    return value if value is None or isinstance(value, str) else json.dumps(value)


def content(warehouse: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    """The rows of a table."""
    return [str(row) for row in warehouse.execute(f"SELECT * FROM raw.{name}").fetchall()]


def test_every_table_with_people_is_known() -> None:
    assert set(NAMES) == {
        *("activities", "customer_relationships", "customers", "esp_suppressions", "messages"),
        *("object_relationships", "opt_outs", "segment_memberships", "subscription_preferences"),
    }


def test_copies_of_a_person_go_and_others_stay(open_desk: Callable[..., Desk]) -> None:
    size = {"people": 12, "objects_per_type": 4, "activities_per_day": 6}
    desk = open_desk(size)
    names = desk.known()
    warehouse = load(desk)
    before = {name: content(warehouse, name) for name in NAMES}
    script = desk.folder / "erase.sql"
    words = ("--warehouse-sql", str(script), "--warehouse-schema", "raw")
    assert desk.erase("--id", names["id"], *words).code == 0
    assert script.stat().st_mode & 0o777 == 0o600
    warehouse.execute(script.read_text())
    for name in NAMES:
        left = content(warehouse, name)
        assert not any(value in row for row in left for value in map(repr, names.values())), name
        others = [row for row in before[name] if names["cio_id"] not in row]
        others = [row for row in others if repr(names["email"]) not in row]
        assert [row for row in left if row in others] == others, name
        if name == "messages":
            assert len(left) == len(before[name]) > len(others)
        else:
            assert left == others
    assert all(before[name] for name in ("customers", "activities", "segment_memberships"))


def test_statements_are_printed_alone(desk: Desk) -> None:
    names = desk.known()
    screen = desk.ask("erase", "--dry-run", "--id", names["id"], "--warehouse-sql", "-")
    assert screen.out.startswith("DELETE FROM activities\n WHERE cio_id = ")
    assert screen.out.rstrip().endswith(";")
    assert "1 person" in screen.err
    assert desk.has(names["cio_id"])


@pytest.mark.parametrize("value", ["a'b", "'; DROP TABLE raw.customers; --", "ä'' OR 1=1"])
def test_identifiers_stay_within_their_quotes(value: str) -> None:
    script = statements(Match(Request("id", value), [Person("abc", {"id": value})]), "raw")
    warehouse = duckdb.connect()
    warehouse.execute("CREATE SCHEMA raw")
    for table in tables():
        columns = dict.fromkeys(("cio_id", *table.keys.values(), *table.personal))
        warehouse.execute(f"CREATE TABLE raw.{table.name} ({' TEXT, '.join(columns)} TEXT)")
    insert = "INSERT INTO raw.customers (cio_id, id) VALUES ('x', ?), ('y', 'other')"
    warehouse.execute(insert, [value])
    warehouse.execute(script)
    assert warehouse.execute("SELECT id FROM raw.customers").fetchall() == [("other",)]


def test_what_databases_read_in_different_ways_is_left_to_people() -> None:
    script = statements(Match(Request("id", "a\\"), [Person("abc", {"id": "a\\' OR 1=1"})]))
    assert "OR 1=1" not in script
    assert "handle it by hand" in script
    assert "cio_id = 'abc'" in script


def test_an_address_that_others_share_removes_nobody() -> None:
    person = Person("abc", {"email": "family@example.com"})
    other = Person("def", {"email": "Family@example.com"})
    script = statements(Match(Request("cio_id", "abc"), [person], [other]))
    assert "amily" not in script


def test_people_who_are_gone_already_are_found_by_what_was_asked() -> None:
    script = statements(Match(Request("email", "ada@example.com"), []))
    assert "DELETE FROM customers\n WHERE lower(email) = lower('ada@example.com');" in script
    assert "lower(recipient) = lower('ada@example.com')" in script


def test_a_schema_is_a_name(desk: Desk) -> None:
    screen = desk.erase("--id", "u-7", "--warehouse-schema", "x; DROP")
    assert screen.code == 2
    assert "is no name of a schema" in screen.err
