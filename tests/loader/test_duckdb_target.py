"""The DuckDB loader: records of any tap into tables, and states confirmed only for loaded rows."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from click import ClickException
from duckdb_case import activate, ask, load, row, run, schema, state
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.exceptions import MissingKeyPropertiesError
from singer_sdk.testing import get_target_test_class

from tap_customerio.duckdb_target.columns import column_type, widened
from tap_customerio.duckdb_target.loading import Loading
from tap_customerio.duckdb_target.target import TargetDuckDB

if TYPE_CHECKING:
    from pathlib import Path

TestSuiteOfTheSdk: type = get_target_test_class(TargetDuckDB, config={"path": ":memory:"})

TEXT = {"type": ["null", "string"]}
PEOPLE = {"id": {"type": "string"}, "name": TEXT, "age": {"type": ["null", "integer"]}}
HOSTILE = [
    "",
    "null",
    "a\0b",
    "\\N",
    "a\tb,c;d\r\n\"e\"'f'\\",
    "\x01\x1b\x7f\x85\u2028",
    "'); drop table people; --",
    '{"a": [1]}',
    "\U0001f600",
    "x" * (1 << 20),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


def test_the_last_row_of_a_key_wins_within_and_between_batches(path: Path) -> None:
    rows = [row(id=key, name=f"{key}{n}") for n in range(3) for key in "abc"]
    load(path, schema(PEOPLE, "id"), *rows, batch_size_rows=4)
    assert ask(path, "from people order by id") == [(key, f"{key}2", None) for key in "abc"]


def test_its_log_names_its_version_and_nothing_unnecessary(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    load(path, schema(PEOPLE, "id"), row(id="a"))
    assert TargetDuckDB.plugin_version == version("tap-customerio")
    assert "METRIC" not in caplog.text
    assert "Skipping parse" not in caplog.text


def test_rows_that_stay_text_are_counted(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TARGET_DUCKDB_LOGLEVEL", "DEBUG")
    rows = [row(id=key, name=key) for key in "abc"]
    with caplog.at_level("INFO"):
        load(path, schema(PEOPLE, "id"), *rows, batch_size_rows=2)
    points = [
        json.loads(line.removeprefix("METRIC: ")) for line in caplog.messages if "METRIC" in line
    ]
    counted = [point["value"] for point in points if point["metric"] == "record_count"]
    assert sum(counted) == len(rows)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_loaded_as_value_and_as_key(path: Path, text: str) -> None:
    messages = [schema(PEOPLE, "id"), row(id=text, name=text), row(id="other", name=text)]
    load(path, *messages)
    load(path, *messages)
    assert sorted(ask(path, "select id, name from people")) == sorted(
        [(text, text), ("other", text)]
    )


@pytest.mark.parametrize("name", ['a"b', "a'b", "select", "link:2", "a b", "é", "$x", "{y}"])
def test_any_name_can_be_a_column_a_key_and_a_stream(path: Path, name: str) -> None:
    key = f"{name} key"
    messages = [schema({key: {"type": "string"}, name: TEXT}, key, stream=name)]
    records: list[dict[str, Any]] = [{key: "a", name: value} for value in "xy"]
    messages += [row(stream=name, **record) for record in records]
    load(path, *messages)
    table = name.replace('"', '""')
    assert ask(path, f'from main."{table}"') == [("a", "y")]


def test_types_are_those_of_earlier_tables(path: Path) -> None:
    properties = {
        "at": {"type": ["null", "string"], "format": "date-time"},
        "day": {"type": ["null", "string"], "format": "date"},
        "whole": {"type": "integer"},
        "number": {"type": "number"},
        "yes": {"type": "boolean"},
        "object": {"type": ["null", "object"]},
        "list": {"type": "array", "items": {"type": "string"}},
        "any": {},
        "mixed": {"type": ["string", "integer"]},
    }
    record: dict[str, Any] = {
        "at": "2026-03-01T02:00:00.5+02:00",
        "day": "2026-03-01",
        "whole": 2**63 - 1,
        "number": 0.5,
        "yes": True,
        "object": {"b": [1, None], "a": "\u2028"},
        "list": ["x", ""],
        "any": 5,
        "mixed": 7,
    }
    load(path, schema(properties), row(**record))
    ((at, day, whole, number, yes, thing, listed, anything, mixed),) = ask(path, "from people")
    assert at == datetime(2026, 3, 1, 0, 0, 0, 500_000)  # noqa: DTZ001 - in UTC, by convention
    assert (str(day), whole, number, yes, mixed) == ("2026-03-01", 2**63 - 1, 0.5, True, "7")
    assert [json.loads(text) for text in (thing, listed, anything)] == [
        record["object"],
        record["list"],
        5,
    ]
    described = ask(path, "select column_type from (describe people)")
    assert [kind for (kind,) in described] == [
        *("TIMESTAMP", "DATE", "BIGINT", "DOUBLE", "BOOLEAN", "JSON", "JSON", "JSON", "VARCHAR")
    ]


@given(st.sampled_from(["BIGINT", "DOUBLE", "VARCHAR", "JSON", "TIMESTAMP", "DATE", "BOOLEAN"]))
def test_text_columns_accept_every_type_and_no_type_is_narrowed(kind: str) -> None:
    assert widened("VARCHAR", kind) == "VARCHAR"
    assert widened(kind, kind) == kind
    assert widened(kind, "VARCHAR") == "VARCHAR"


def test_integers_widen_to_numbers_and_no_other_type_changes() -> None:
    assert widened("BIGINT", "DOUBLE") == "DOUBLE"
    assert widened("HUGEINT", "BIGINT") == "HUGEINT"
    assert widened("TIMESTAMP", "BIGINT") == "VARCHAR"
    assert column_type({"anyOf": [{"type": "integer"}, {"type": "null"}]}) == "BIGINT"
    assert column_type({"type": ["integer", "number", "null"]}) == "DOUBLE"


def test_a_changed_schema_adds_and_widens_columns_and_keeps_rows(path: Path) -> None:
    wider = {**PEOPLE, "age": TEXT, "city": TEXT}
    load(
        path,
        schema(PEOPLE, "id"),
        row(id="a", name="Ada", age=1),
        row(id="b", name="Bob", age=2),
        schema(wider, "id"),
        row(id="b", name="Bob", age="two", city="Rome"),
    )
    assert ask(path, "from people order by id") == [
        ("a", "Ada", "1", None),
        ("b", "Bob", "two", "Rome"),
    ]
    load(path, schema(PEOPLE, "id"), row(id="a", name="Ada", age=3))
    assert ask(path, "select age, city from people order by id") == [("3", None), ("two", "Rome")]


def test_a_table_of_target_duckdb_0_8_0_continues(path: Path) -> None:
    with duckdb.connect(str(path)) as database:
        database.execute("create table people (id varchar, name varchar, age hugeint)")
        database.execute("alter table people add primary key (id)")
        database.execute("insert into people values ('a', 'Ada', 1), ('b', 'Bob', 2)")
    messages = [schema(PEOPLE, "id"), row(5, id="a", name="", age=9), row(5, id="c", name="C")]
    load(path, *messages, activate(5))
    assert ask(path, "select id, name, age from people order by id") == [
        ("a", "", 9),
        ("c", "C", None),
    ]


@pytest.mark.slow
def test_activate_version_deletes_rows_that_a_complete_read_did_not_find(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    first = [row(1, id=key, name="1") for key in "abc"]
    load(path, schema(PEOPLE, "id"), *first, activate(1))
    load(path, schema(PEOPLE, "id"), row(2, id="b", name="2"), row(2, id="d", name="2"))
    assert len(ask(path, "from people")) == 4  # not activated: nothing is deleted
    load(path, schema(PEOPLE, "id"), row(3, id="d", name="3"), activate(3))
    load(path, schema(PEOPLE, "id"), row(3, id="d", name="3"), activate(3))
    deleted = [line for line in caplog.messages if "deleted" in line]
    assert deleted == ["Table people: deleted 3 rows that the source no longer has."]
    assert ask(path, "select id, name from people") == [("d", "3")]
    load(path, schema(PEOPLE, "id"), activate(4))
    assert ask(path, "from people") == []


def test_a_state_is_confirmed_only_after_all_rows_before_it(path: Path) -> None:
    streams = ("people", "cities")
    messages: list[dict[str, Any]] = [schema(PEOPLE, "id", stream=name) for name in streams]
    for number in range(10):
        messages += [row(stream=name, id=str(number), name="x") for name in streams]
        messages.append(state(seen=number))
    broken = {"type": "RECORD", "stream": "nowhere", "record": {}}
    confirmed = io.StringIO()
    target = TargetDuckDB(config={"path": str(path), "batch_size_rows": 6})
    lines = io.BytesIO(b"".join(json.dumps(m).encode() + b"\n" for m in [*messages, broken]))
    with redirect_stdout(confirmed):
        with pytest.raises(Exception, match="nowhere"):
            target.listen(lines)  # type: ignore[arg-type]
        target.close()
    states = [json.loads(line)["seen"] for line in confirmed.getvalue().splitlines()]
    assert states == [2, 5, 8]
    for name in streams:
        assert ask(path, f"select count(*) from {name}") == [(9,)]


def test_the_last_state_is_confirmed_at_the_end(path: Path) -> None:
    messages = [schema(PEOPLE, "id"), row(id="a"), state(n=1), row(id="b"), state(n=2)]
    assert load(path, *messages) == [{"n": 2}]
    assert len(ask(path, "from people")) == 2


@pytest.mark.slow
def test_rows_without_a_key_are_rejected_with_their_batch(path: Path) -> None:
    messages = [schema(PEOPLE, "id"), row(id="a"), row(name="Bob"), state(n=1)]
    with pytest.raises(MissingKeyPropertiesError, match="1 record of people has no id"):
        load(path.with_name("other.duckdb"), *messages)
    assert run(path, *messages) == (1, "target-duckdb: 1 record of people has no id.")
    assert ask(path, "from people") == []


@pytest.mark.slow
def test_a_value_that_does_not_fit_is_named_by_column_and_not_quoted(path: Path) -> None:
    messages = [schema(PEOPLE, "id"), row(id="a", age="ada@example.com")]
    code, said = run(path, *messages)
    assert code == 1
    assert "1 record of people has a age that is not of type BIGINT" in said
    assert "example.com" not in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("missing/folder/x.duckdb", "Setting path is 'missing/folder/x.duckdb', which cannot be"),
        (__file__, "which cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_opened_is_named(path: str, sentence: str) -> None:
    code, said = run(path, schema(PEOPLE, "id"))
    assert code == 1
    assert sentence in said
    assert "Traceback" not in said


def test_nothing_is_confirmed_once_a_batch_has_failed(path: Path) -> None:
    good = [row(id=str(number)) for number in range(3)]
    messages = [schema(PEOPLE, "id"), *good[:2], state(n=1), good[2], state(n=2)]
    messages += [row(id="x", age="old"), *good, state(n=3)]
    confirmed = io.StringIO()
    target = TargetDuckDB(config={"path": str(path), "batch_size_rows": 3})
    lines = io.BytesIO(b"".join(json.dumps(m).encode() + b"\n" for m in [*messages, *messages]))
    with redirect_stdout(confirmed):
        with pytest.raises(ClickException, match="a age that is not of type BIGINT"):
            target.listen(lines)  # type: ignore[arg-type]
        target.close()
    assert [json.loads(line) for line in confirmed.getvalue().splitlines()] == [{"n": 1}]
    assert ask(path, "select id from people order by id") == [("0",), ("1",), ("2",)]


def test_tasks_run_in_order_and_none_after_a_failure() -> None:
    loading, done = Loading(), list[int]()
    for number in range(20):
        loading.start(lambda number=number: done.append(1 // (10 - number)))  # type: ignore[misc]
    with pytest.raises(ZeroDivisionError):
        loading.wait()
    loading.close()
    assert done == [1 // (10 - number) for number in range(10)]


def test_stream_maps_flattening_and_metadata_apply(path: Path) -> None:
    properties = {**PEOPLE, "at": {"type": "object", "properties": {"city": TEXT}}}
    messages = [
        schema(properties, "id"),
        row(7, id="a", name="Ada", age=1, at={"city": "Rome"}),
        row(7, id="b", name="Bob", age=2, at={"city": "Oslo"}),
        activate(7),
    ]
    load(
        path,
        *messages,
        stream_maps={"people": {"name": "name.upper()", "age": "__NULL__"}},
        flattening_enabled=True,
        flattening_max_depth=1,
        add_record_metadata=True,
        default_target_schema="crm",
    )
    query = "select id, name, at__city, _sdc_table_version from crm.people order by id"
    assert ask(path, query) == [("a", "ADA", "Rome", 7), ("b", "BOB", "Oslo", 7)]
    columns = {name for (name,) in ask(path, "select column_name from (describe crm.people)")}
    assert "age" not in columns
    assert "_sdc_extracted_at" in columns


def test_descriptions_become_comments(path: Path) -> None:
    load(path, schema({"id": {"type": "string", "description": "Permanent id; it's text."}}, "id"))
    found = ask(path, "select comment from duckdb_columns() where table_name = 'people'")
    assert found == [("Permanent id; it's text.",)]


def test_comments_follow_changed_descriptions(path: Path) -> None:
    comments = (
        "select comment from duckdb_tables() where table_name = 'people' union all "
        "select comment from duckdb_columns() where table_name = 'people'"
    )
    plain = schema({"Id": {"type": "string"}, "name": TEXT}, "Id")
    load(path, plain)
    assert ask(path, comments) == [(None,), (None,), (None,)]
    later = schema({"Id": {"type": "string", "description": "It's text."}, "name": TEXT}, "Id")
    later["schema"]["description"] = "People."
    load(path, later, row(Id="a"))
    assert ask(path, comments) == [("People.",), ("It's text.",), (None,)]
    later["schema"]["description"] = "Everyone."
    load(path, later)
    load(path, plain)  # without descriptions
    assert ask(path, comments) == [("Everyone.",), ("It's text.",), (None,)]


@pytest.mark.slow
def test_temporary_rows_are_in_a_private_folder_that_is_removed(path: Path) -> None:
    left = path.with_name(f"{path.name}.staging-killed")
    left.mkdir()
    (left / "rows.jsonl").write_text("of a run that was killed")
    load(path, schema(PEOPLE, "id"), row(id="a"))
    assert run(path, schema(PEOPLE, "id"), row(id="b"))[0] == 0
    assert ask(path, "select id from people order by id") == [("a",), ("b",)]
    assert [found.name for found in path.parent.iterdir()] == [path.name]
