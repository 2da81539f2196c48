"""SQL that removes one person, and no one else, from loaded tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from harness import NOW, config_for, run_tap

from tap_customerio.api.track import Track
from tap_customerio.privacy.identity import Match, Person, Request
from tap_customerio.privacy.warehouse import statements, tables
from tap_customerio.sandbox import Behaviours
from tap_customerio.streams import all_streams
from tap_customerio.windows import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from privacy_case import PrivacyCase

DUCKDB = ("--warehouse-dialect", "duckdb")
NAMES = [table.name for table in tables()]


def load(case: PrivacyCase) -> duckdb.DuckDBPyConnection:
    """Create the tables as a target does, with text columns only."""
    output = run_tap(config_for(case.box), streams=NAMES)
    warehouse = duckdb.connect()
    warehouse.execute("CREATE SCHEMA raw")
    for stream_class in all_streams():
        if stream_class.name in NAMES:
            columns = list(stream_class.schema["properties"])
            warehouse.execute(
                f"CREATE TABLE raw.{stream_class.name} ({' TEXT, '.join(columns)} TEXT)"
            )
            rows = [
                [text(r.get(column)) for column in columns]
                for r in output.records[stream_class.name]
            ]
            if rows:
                marks = ", ".join("?" * len(columns))
                warehouse.executemany(f"INSERT INTO raw.{stream_class.name} VALUES ({marks})", rows)
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


@pytest.mark.slow
def test_copies_of_a_person_are_removed_and_others_stay(
    open_case: Callable[..., PrivacyCase],
) -> None:
    size = {
        "since": parse("2026-03-16"),
        "people": 12,
        "objects_per_type": 4,
        "activities_per_day": 6,
    }
    case = open_case(size)
    names = case.known()
    warehouse = load(case)
    before = {name: content(warehouse, name) for name in NAMES}
    script = case.folder / "erase.sql"
    words = ("--warehouse-sql", str(script), "--warehouse-schema", "raw", *DUCKDB)
    assert case.erase("--id", names["id"], *words).code == 0
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


def test_statements_are_printed_alone(case: PrivacyCase) -> None:
    names = case.known()
    screen = case.ask("erase", "--dry-run", "--id", names["id"], "--warehouse-sql", "-")
    assert screen.out.startswith("BEGIN;\n")
    assert "DELETE FROM activities\n WHERE cio_id = " in screen.out
    assert screen.out.endswith("COMMIT;\n")
    assert "1 person" in screen.err
    assert case.has(names["cio_id"])


@pytest.mark.parametrize("value", ["a'b", "'; DROP TABLE raw.customers; --", "ä'' OR 1=1"])
def test_identifiers_cannot_end_their_quotes(value: str) -> None:
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


def test_text_that_databases_read_differently_is_left_to_people() -> None:
    script = statements(Match(Request("id", "a\\"), [Person("abc", {"id": "a\\' OR 1=1"})]))
    assert "OR 1=1" not in script
    assert "handle it manually" in script
    assert "cio_id = 'abc'" in script


def test_replies_to_messages_are_removed_with_the_person() -> None:
    script = statements(Match(Request("id", "a"), [Person("abc", {"id": "a"})]))
    update = script.partition("UPDATE messages")[2].partition(";")[0]
    assert "tracked_responses = NULL" in update


def test_an_address_that_others_share_removes_no_one() -> None:
    person = Person("abc", {"email": "family@example.com"})
    other = Person("def", {"email": "Family@example.com"})
    script = statements(Match(Request("cio_id", "abc"), [person], [other]))
    assert "amily" not in script


def test_people_who_are_already_gone_are_found_by_the_request() -> None:
    script = statements(Match(Request("email", "ada@example.com"), []))
    assert "DELETE FROM customers\n WHERE lower(email) = lower('ada@example.com');" in script
    assert "lower(recipient) = lower('ada@example.com')" in script


def ada(**more: Any) -> Match:
    """A person with an id and an address."""
    return Match(
        Request("id", "u-1"), [Person("abc", {"id": "u-1", "email": "ada@example.com"})], **more
    )


@pytest.mark.slow
@pytest.mark.parametrize("schema", ["raw", "Raw", "", "lake.raw"])
@pytest.mark.parametrize("loaded", [["customers"], ["activities", "messages"], NAMES[-1:]])
def test_it_runs_on_any_subset_of_tables(schema: str, loaded: list[str]) -> None:
    warehouse = duckdb.connect()
    warehouse.execute("ATTACH ':memory:' AS lake; CREATE SCHEMA lake.raw; CREATE SCHEMA raw")
    place = schema or "main"
    for table in tables():
        if table.name in loaded:
            columns = dict.fromkeys(("cio_id", *table.keys.values(), *table.personal))
            text = " TEXT, ".join(columns)
            warehouse.execute(f"CREATE TABLE {place}.{table.name} ({text} TEXT)")
            insert = f"INSERT INTO {place}.{table.name} (cio_id) VALUES ('abc'), ('other')"
            warehouse.execute(insert)
    before = existing(warehouse)
    warehouse.execute(statements(ada(), schema, "duckdb"))
    assert existing(warehouse) == before
    for name in loaded:
        found = warehouse.execute(f"SELECT cio_id FROM {place}.{name} ORDER BY 1").fetchall()
        assert found == ([("other",), (None,)] if name == "messages" else [("other",)])
    assert warehouse.execute("SELECT current_schema()").fetchall() == [("main",)]


def existing(warehouse: duckdb.DuckDBPyConnection) -> list[Any]:
    """All tables."""
    names = "SELECT database_name, schema_name FROM duckdb_schemas() ORDER BY ALL"
    tables = "SELECT database_name, schema_name, table_name FROM duckdb_tables() ORDER BY ALL"
    return [*warehouse.execute(names).fetchall(), *warehouse.execute(tables).fetchall()]


@pytest.mark.parametrize("schema", ["", "wrong"])
def test_a_schema_without_the_tables_is_an_error_and_changes_nothing(schema: str) -> None:
    warehouse = duckdb.connect()
    warehouse.execute("CREATE SCHEMA raw; CREATE TABLE raw.customers (cio_id TEXT)")
    with pytest.raises(duckdb.Error, match="None of the tables is in this schema"):
        warehouse.execute(statements(ada(), schema, "duckdb"))


def test_a_failure_changes_nothing() -> None:
    warehouse = duckdb.connect()
    warehouse.execute(
        "CREATE TABLE activities (cio_id TEXT, customer_id TEXT); CREATE TABLE customers (x TEXT);"
        "INSERT INTO activities VALUES ('abc', 'u-1')"
    )
    with pytest.raises(duckdb.Error):
        warehouse.execute(statements(ada(), "", "duckdb"))
    warehouse.execute("ROLLBACK")
    assert warehouse.execute("SELECT count(*) FROM activities").fetchall() == [(1,)]


def test_sql_for_the_erased_is_written_though_another_person_is_gone(
    open_case: Callable[..., PrivacyCase], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = open_case({"identified_by": ["id"]})
    ada, bob = (case.add(id=name, email="family@example.com") for name in ("ada", "bob"))

    def confirm(*_: Any, **__: Any) -> None:
        case.people_admin.delete("id", "bob", at=NOW)

    monkeypatch.setattr("click.confirm", confirm)
    script = case.folder / "copies.sql"
    words = ("--email", "family@example.com", "--warehouse-sql", str(script))
    assert case.ask("erase", *words, answers=["y"]).code == 1
    assert f"cio_id = '{ada}'" in script.read_text()
    assert bob not in script.read_text()
    assert "family@example.com" not in script.read_text()


def test_rows_with_former_identifiers_are_removed_too(case: PrivacyCase) -> None:
    person = case.add(id="new", email="new@example.com")
    changed = {"id": "newer", "email": "newer@example.com"}
    case.people_admin.change(person, changed, at=NOW)
    loser = case.add(id="loser", email="loser@example.com")
    taken = case.add(id="taken", email="taken@example.com")
    case.people_admin.merge(person, loser, at=NOW)
    words = ("--also-email", "loser@example.com", "--also-id", "loser", "--also-id", "taken")
    screen = case.erase("--cio-id", person, *words, "--warehouse-sql", "-", *DUCKDB)
    assert screen.code == 0
    assert case.has(taken)
    for value in ("new", "newer", "loser"):
        assert f"= '{value}'" in screen.out
        assert f"lower(recipient) = lower('{value}@example.com')" in screen.out
    assert "'taken'" not in screen.out
    assert "-- An earlier identifier is left out: another person has it" in screen.out
    assert "-- Other people were merged into them, and the log does not say which" in screen.out
    assert "only from 30 days of the activity log" in screen.out
    evidence = case.read("evidence.json")
    assert sorted(each["type"] for each in evidence["former_identifiers"]) == [
        *("email", "email", "id", "id"),
    ]
    assert any("only from 30 days of the activity log" in each for each in evidence["residue"])


def test_identifiers_in_a_merge_are_former_identifiers(case: PrivacyCase) -> None:
    person = case.add(id="ada")
    data = {"secondary": {"cio_id": "cio_dead01", "identifiers": [{"email": "old@example.com"}]}}
    row = {"id": "1", "type": "profile_merge", "timestamp": NOW, "data": data}
    case.box.fail(status=200, body={"activities": [row], "next": ""}, path="/v1/activities")
    screen = case.ask("erase", "--dry-run", "--cio-id", person, "--warehouse-sql", "-")
    assert "cio_id = 'dead01'" in screen.out
    assert "lower('old@example.com')" in screen.out
    assert "does not say which" not in screen.out


def test_an_unreadable_log_is_mentioned_in_the_script(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case(behaviours=Behaviours(without=frozenset({"/v1/activities"})))
    person = case.add(id="ada")
    screen = case.ask("erase", "--dry-run", "--cio-id", person, "--warehouse-sql", "-")
    assert screen.code == 0
    assert "-- The activity log could not be read" in screen.out


def test_former_identifiers_survive_an_interruption(
    case: PrivacyCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = case.add(id="old")
    case.people_admin.change(person, {"id": "new"}, at=NOW)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Track, "act", killed)
        case.erase("--cio-id", person)
    screen = case.erase("--cio-id", person, "--warehouse-sql", "-")
    assert screen.code == 0
    assert "customer_id = 'old'" in screen.out


@pytest.mark.parametrize("written", [True, False])
def test_the_terminal_says_that_copies_remain(case: PrivacyCase, *, written: bool) -> None:
    path = case.folder / "copies.sql"
    words = ("--warehouse-sql", str(path)) if written else ()
    screen = case.ask("erase", "--id", case.known()["id"], *words, answers=["y"])
    text = screen.words()
    if written:
        assert f"Copies in warehouses remain until {path} is run there." in text
    else:
        assert "privacy erase --dry-run --warehouse-sql FILE' writes the SQL" in text
        assert "Add --warehouse-sql FILE now" in " ".join(screen.err.split())


def test_copies_of_unknown_people_may_remain(case: PrivacyCase) -> None:
    text = case.erase("--cio-id", "nobody").words()
    assert "Copies in warehouses remain" not in text
    assert "Warehouses may still hold copies. 'tap-customerio privacy erase --dry-run" in text
    assert "use the same --cio-id, another --output, and --also-id" in text


def test_the_file_of_several_requests_is_used_again(case: PrivacyCase) -> None:
    path = case.folder / "requests.csv"
    path.write_text(f"id,{case.known()['id']}\nid,nobody\n")
    text = case.erase("--input", str(path)).words()
    assert "Copies in warehouses remain. 'tap-customerio privacy erase --dry-run" in text
    assert "use the same --input, another --output, and one command per person" in text
    again = case.erase("--input", str(path)).words()
    assert "arehouses" not in again, "this run finds no one, and erases no one"


def test_without_any_change_no_copy_and_no_file_is_named(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case(behaviours=Behaviours(without=frozenset({"/v1/customers"})))
    script = case.folder / "copies.sql"
    text = case.erase("--email", "ada@example.com", "--warehouse-sql", str(script)).words()
    assert "failed" in text
    assert not script.exists()
    assert "copies.sql" not in text


def test_a_dry_run_names_the_file_of_statements(case: PrivacyCase) -> None:
    script = case.folder / "copies.sql"
    words = ("--id", case.known()["id"], "--warehouse-sql", str(script))
    assert f"The SQL is in {script}." in case.ask("erase", "--dry-run", *words).words()
    assert script.exists()


def test_a_schema_must_be_a_name(case: PrivacyCase) -> None:
    screen = case.erase("--id", "u-7", "--warehouse-schema", "x; DROP")
    assert screen.code == 2
    assert "is not a schema name" in screen.err
    assert case.erase("--id", "u-7", "--warehouse-schema", "db.raw").code == 2
