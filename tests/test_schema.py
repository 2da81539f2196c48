"""The vocabulary of schemas, and the reader that makes any answer fit."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_customerio.problems import Problem
from tap_customerio.reader import Reader, identifier, listed, seconds, within
from tap_customerio.schema import (
    array_of,
    boolean,
    integer,
    nested,
    object_of,
    record,
    text,
    timestamp,
)

SCHEMA = record(
    integer("id", count="How many."),
    text("name"),
    boolean("active"),
    timestamp("created"),
    array_of(integer(""), "numbers"),
    array_of(nested(integer("id"), text("kind")), "actions"),
    object_of(nested(text("email"), timestamp("seen")), "person"),
    object_of(nested(extra=text("")), "attributes"),
)


def read(**raw: Any) -> dict[str, Any]:
    return Reader("things", SCHEMA)({"id": 1, **raw})


def test_keys_are_required_and_everything_else_may_be_null() -> None:
    assert SCHEMA["required"] == ["id"]
    assert SCHEMA["properties"]["id"]["type"] == ["integer"]
    assert SCHEMA["properties"]["name"]["type"] == ["string", "null"]
    assert SCHEMA["properties"]["count"]["description"] == "How many."


def test_absent_fields_are_null_and_absent_or_null_lists_are_empty() -> None:
    assert read(numbers=None) == {
        "id": 1,
        "count": None,
        "name": None,
        "active": None,
        "created": None,
        "numbers": [],
        "actions": [],
        "person": None,
        "attributes": None,
    }


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("created", 1_789_073_105, "2026-09-10T20:45:05Z"),
        ("created", 0, None),
        ("created", "1789073105", "2026-09-10T20:45:05Z"),
        ("created", "2026-09-10T22:45:05+02:00", "2026-09-10T20:45:05Z"),
        ("count", "25", 25),
        ("count", 25.0, 25),
        ("count", 2**63 - 1, 2**63 - 1),
        ("name", 7, "7"),
        ("name", {"and": []}, '{"and":[]}'),
        ("active", "true", True),
        ("active", 0, False),
        ("numbers", [1, "2", None], [1, 2, None]),
        ("numbers", "nil", []),
        ("actions", [{"id": "3", "kind": "email"}], [{"id": 3, "kind": "email"}]),
        ("person", {"seen": 0, "email": None}, {"seen": None, "email": None}),
        ("attributes", {"plan": "pro", "seats": 5}, {"plan": "pro", "seats": "5"}),
    ],
)
def test_values_take_the_declared_type(field: str, value: Any, expected: Any) -> None:
    assert read(**{field: value})[field] == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("count", "many"),
        ("count", True),
        ("count", 1.5),
        ("count", 2**63),
        ("created", "soon"),
        ("created", 10**20),
        ("active", "perhaps"),
        ("active", []),
        ("numbers", {"a": 1}),
        ("person", "ada@example.org"),
        ("actions", ["email"]),
    ],
)
def test_what_does_not_fit_is_a_problem_that_names_the_field_and_not_the_value(
    field: str, value: Any
) -> None:
    with pytest.raises(Problem) as problem:
        read(**{field: value})
    assert "'things'" in str(problem.value)
    assert field in str(problem.value)
    assert "ada@example.org" not in str(problem.value)


def test_a_record_without_its_key_is_a_problem() -> None:
    with pytest.raises(Problem, match="'id' that is no key"):
        Reader("things", SCHEMA)({"id": None, "name": "nameless"})


def test_fields_out_of_the_schema_are_left_out_and_named() -> None:
    reader = Reader("things", SCHEMA)
    result = reader({"id": 1, "new": 1, "person": {"phone": "1"}})
    assert "new" not in result
    assert result["person"] == {}
    assert reader.dropped == {"new", "person.phone"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(list(SCHEMA["properties"])), JSON))
def test_any_answer_fits_the_schema_or_is_a_problem(raw: dict[str, Any]) -> None:
    try:
        result = Reader("things", SCHEMA)({**raw, "id": 1})
    except Problem:
        return
    jsonschema.validate(result, SCHEMA)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_789_073_105, 1_789_073_105),
        ("1789073105", 1_789_073_105),
        (1_789_073_105.7, 1_789_073_105),
        ("2026-09-10T22:45:05+02:00", 1_789_073_105),
        (None, None),
        (0, None),
        ("0", None),
    ],
)
def test_a_time_of_a_row_is_seconds_however_it_is_written(value: Any, expected: int | None) -> None:
    assert seconds("things", {"updated": value}, "updated") == expected
    assert seconds("things", {}, "updated") is None


@pytest.mark.parametrize("value", ["soon", [], {}, 10**13, "9" * 40, float("inf")])
def test_what_is_no_time_of_a_row_is_a_problem(value: Any) -> None:
    with pytest.raises(Problem, match="'updated' that is no time"):
        seconds("things", {"updated": value}, "updated")


@pytest.mark.parametrize("value", [None, "", True, 1.5, [1], {"a": 1}])
def test_rows_are_known_by_texts_and_whole_numbers_alone(value: Any) -> None:
    with pytest.raises(Problem, match="'id' that is no key"):
        identifier("things", {"id": value})
    assert identifier("things", {"id": 7}) == 7
    assert identifier("things", {"id": "x-7"}) == "x-7"


def test_parts_of_rows_are_empty_where_they_are_null_and_problems_where_they_are_odd() -> None:
    assert within("things", {"part": None}, "part") == {}
    assert listed("things", {"part": None}, "part") == []
    with pytest.raises(Problem, match="'part' that is no object"):
        within("things", {"part": [1]}, "part")
    with pytest.raises(Problem, match="'part' that is no list"):
        listed("things", {"part": "text"}, "part")
