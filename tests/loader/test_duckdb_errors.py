"""Errors of the DuckDB loader: one sentence each, without values of records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from duckdb_case import run, schema

if TYPE_CHECKING:
    from pathlib import Path

PEOPLE = {"id": {"type": "string"}, "name": {"type": ["null", "string"]}}
SECRET_ROW = {"type": "RECORD", "stream": "people", "record": "ada@example.com"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


@pytest.mark.slow
def test_an_invalid_line_is_not_quoted(path: Path) -> None:
    code, said = run(path, "ada@example.com")
    assert code == 1
    assert "A line of the input is not a Singer message" in said
    assert "ada@" not in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ({"type": "RECORDS", "stream": "people"}, "Messages of type 'RECORDS' are unknown."),
        ({"stream": "people", "record": {"id": "ada@example.com"}}, "missing required type key"),
    ],
)
def test_an_unknown_message_type_is_rejected(
    path: Path, message: dict[str, Any], sentence: str
) -> None:
    code, said = run(path, schema(PEOPLE, "id"), message)
    assert code == 1
    assert sentence in said
    assert "ada@" not in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([schema(PEOPLE, "id"), SECRET_ROW], "Error: Records of people are not readable as JSON"),
        (
            [schema({**PEOPLE, "ID": {"type": "string"}}, "id")],
            "target-duckdb: Catalog Error: Column with name",
        ),
        ([{**schema({}), "schema": None}], "target-duckdb: Unexpected AttributeError in"),
        ([schema(PEOPLE, "id"), {"type": "ACTIVATE_VERSION", "stream": "people"}], "version key"),
    ],
)
def test_any_error_is_one_sentence_without_values(
    path: Path, messages: list[Any], sentence: str
) -> None:
    code, said = run(path, *messages)
    assert code == 1
    assert sentence in said
    assert "ada@" not in said
