"""The reader makes any response fit the schemas and counts unreadable values."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_customerio.api.values import identifier, seconds, time_of, whole_number, within
from tap_customerio.streams.reader import Reader
from tap_customerio.streams.schema import (
    array_of,
    boolean,
    integer,
    mapping_of,
    nested,
    object_of,
    record,
    text,
    timestamp,
)
from tap_customerio.sync.outcome import ReadOutcome
from tap_customerio.windows import rfc3339

SCHEMA = record(
    integer("id", count="How many."),
    text("name"),
    boolean("active"),
    timestamp("created", "updated"),
    array_of(integer(""), "numbers"),
    array_of(nested(integer("id"), text("kind")), "actions"),
    object_of(nested(text("email"), timestamp("seen")), "person"),
    object_of(mapping_of(text("")), "attributes"),
    object_of(mapping_of(timestamp("")), "times"),
    object_of(mapping_of(), "data"),
)


def read(outcome: ReadOutcome | None = None, **raw: Any) -> dict[str, Any]:
    reader = Reader("things", SCHEMA, outcome or ReadOutcome(), bookmark="updated")
    found = reader({"id": 1, **raw})
    assert found is not None
    return found


def test_absent_fields_are_null_and_absent_or_null_lists_are_empty() -> None:
    lists: dict[str, Any] = {"numbers": [], "actions": []}
    assert read(numbers=None) == {**dict.fromkeys(SCHEMA["properties"]), "id": 1, **lists}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("created", 1_789_073_105, "2026-09-10T20:45:05Z"),
        ("created", 0, None),
        ("created", "0", None),
        ("created", "", None),
        ("created", "1789073105", "2026-09-10T20:45:05Z"),
        ("created", 1_789_073_105_999, "2026-09-10T20:45:05Z"),
        ("created", "1789073105999", "2026-09-10T20:45:05Z"),
        ("created", 1_789_073_105_999.0, "2026-09-10T20:45:05Z"),
        ("created", "2026-09-10T22:45:05+02:00", "2026-09-10T20:45:05Z"),
        ("created", "2026-09-10T20:45:05.123456789Z", "2026-09-10T20:45:05Z"),
        ("created", "0001-01-01T00:00:00Z", None),
        ("created", -62_135_596_800, None),
        ("count", "25", 25),
        ("count", " -25 ", -25),
        ("count", "25.0", 25),
        ("count", "", None),
        ("count", 25.0, 25),
        ("count", 2**63 - 1, 2**63 - 1),
        ("count", str(2**63 - 1), 2**63 - 1),
        ("name", 7, "7"),
        ("name", "", ""),
        ("name", {"and": []}, '{"and":[]}'),
        ("name", 10**40, "1" + "0" * 40),
        ("active", "true", True),
        ("active", "False", False),
        ("active", "1", True),
        ("active", 0, False),
        ("active", "", None),
        ("numbers", [1, "2", None, ""], [1, 2, None, None]),
        ("numbers", "nil", []),
        ("numbers", "", []),
        ("numbers", {}, []),
        ("actions", [{"id": "3", "kind": "email"}], [{"id": 3, "kind": "email"}]),
        ("person", {"seen": 0, "email": None}, {"seen": None, "email": None}),
        ("person", "", None),
        ("person", [], None),
        ("attributes", {"plan": "pro", "seats": 5}, {"plan": "pro", "seats": "5"}),
        ("times", {"plan": 1_789_073_105_000}, {"plan": "2026-09-10T20:45:05Z"}),
        ("data", {"a": [1.5, None, {"b": True}]}, {"a": [1.5, None, {"b": True}]}),
    ],
)
def test_unambiguous_values_are_converted(field: str, value: Any, expected: Any) -> None:
    outcome = ReadOutcome()
    assert read(outcome, **{field: value})[field] == expected
    assert not outcome.unreadable.total


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("field", "value", "expected", "path"),
    [
        ("count", "many", None, "count"),
        ("count", True, None, "count"),
        ("count", 1.5, None, "count"),
        ("count", "1.5", None, "count"),
        ("count", "1_000", None, "count"),
        ("count", 2**63, None, "count"),
        ("count", "9" * 5000, None, "count"),
        ("count", float("inf"), None, "count"),
        ("count", [], None, "count"),
        ("name", float("inf"), None, "name"),
        ("created", "soon", None, "created"),
        ("created", 10**20, None, "created"),
        ("created", 10**400, None, "created"),
        ("created", True, None, "created"),
        ("created", float("nan"), None, "created"),
        ("created", {}, None, "created"),
        ("active", "perhaps", None, "active"),
        ("active", [], None, "active"),
        ("active", 2, None, "active"),
        ("numbers", {"a": 1}, None, "numbers"),
        ("numbers", "ada@example.org", None, "numbers"),
        ("numbers", [1, "x", 3], [1, None, 3], "numbers[]"),
        ("person", "ada@example.org", None, "person"),
        ("person", {"seen": "x", "email": "e"}, {"seen": None, "email": "e"}, "person.seen"),
        ("actions", ["email", {"id": 1}], [None, {"id": 1}], "actions[]"),
        ("actions", [{"id": "x", "kind": "k"}], [{"id": None, "kind": "k"}], "actions[].id"),
        ("times", {"a": 1, "ada@example.org": "x"}, None, "times.*"),
        ("data", {"a": 1, "b": {"c": 2**64}}, {"a": 1, "b": {"c": None}}, "data.*"),
        ("data", {"a": 1, "b": [float("inf")]}, {"a": 1, "b": [None]}, "data.*"),
        ("data", {"a": 1, "b": _nested(200)}, {"a": 1, "b": None}, "data.*"),
    ],
)
def test_unreadable_values_are_null_and_named_by_field_and_row(
    field: str, value: Any, expected: Any, path: str
) -> None:
    outcome = ReadOutcome()
    found = read(outcome, **{"id": 77, "name": "kept", field: value})
    if field == "times":
        expected = {"a": "1970-01-01T00:00:01Z", "ada@example.org": None}
    assert found == {**read(id=77, name="kept"), field: expected}
    assert str(outcome.unreadable) == f"{path}: 1 (77)"
    assert outcome.is_complete
    assert outcome.proves_absence


def test_values_are_counted_by_field_and_three_rows_are_named() -> None:
    outcome = ReadOutcome()
    reader = Reader("things", SCHEMA, outcome)
    for number in range(5):
        reader({"id": number, "count": "x", "numbers": ["y", "z"] if number == 3 else []})
    assert str(outcome.unreadable) == "count: 5 (0, 1, 2, …); numbers[]: 2 (3)"


@pytest.mark.parametrize("key", [None, "", "x", True, {}, [], 1.5, 2**63, float("nan")])
def test_only_a_row_without_its_key_is_lost(key: Any) -> None:
    outcome = ReadOutcome()
    reader = Reader("things", SCHEMA, outcome)
    assert reader({"id": key, "name": "nameless"}) is None
    assert reader({"name": "nameless"}) is None
    assert reader({"id": 3}) is not None
    assert str(outcome.lost) == "id: 2"
    assert outcome.rows_lost == 2
    assert not outcome.is_complete
    assert not outcome.unreadable.total


@pytest.mark.parametrize("key", ["", None, True, {"a": 1}, [1], 1.5])
def test_only_text_and_whole_numbers_are_keys(key: Any) -> None:
    schema = record(text("name"), key=("name",))
    outcome = ReadOutcome()
    reader = Reader("texts", schema, outcome)
    assert reader({"name": 7}) == {"name": "7"}
    assert reader({"name": key}) is None
    assert outcome.rows_lost == 1


@pytest.mark.parametrize("value", ["soon", 10**20, {}, True])
def test_a_row_with_an_unreadable_bookmark_value_is_lost(value: Any) -> None:
    outcome = ReadOutcome()
    reader = Reader("things", SCHEMA, outcome, bookmark="updated")
    assert reader({"id": 5, "updated": value}) is None
    assert reader({"id": 6, "updated": None}) is not None
    assert reader({"id": 7, "updated": 1_789_073_105_000}) is not None
    assert str(outcome.lost) == "updated: 1 (5)"


def test_ids_of_rows_show_no_personal_data() -> None:
    keys = ("suppression_type", "domain", "email")
    schema = record(text(*keys), timestamp("created"), key=keys)
    outcome = ReadOutcome()
    reader = Reader("esp_suppressions", schema, outcome)
    reader({"suppression_type": "bounces", "domain": "*", "email": "ada", "created": "x"})
    for domain in ("a@b.org", "x" * 64, "y" * 65):
        reader({"suppression_type": "bounces", "domain": domain, "email": None})
    assert str(outcome.unreadable) == "created: 1 (bounces/*/***)"
    assert str(outcome.lost) == f"email: 3 (bounces/***/?, bounces/{'x' * 64}/?)"


def test_unknown_fields_are_left_out_and_named() -> None:
    reader = Reader("things", SCHEMA, ReadOutcome())
    result = reader({"id": 1, "new": 1, "person": {"phone": "1"}})
    assert result is not None
    assert "new" not in result
    assert result["person"] == {}
    assert reader.dropped == {"new", "person.phone"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(""),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(list(SCHEMA["properties"])), JSON))
def test_any_response_fits_the_schema(raw: dict[str, Any]) -> None:
    outcome = ReadOutcome()
    result = Reader("things", SCHEMA, outcome)({**raw, "id": 1})
    jsonschema.validate(result, SCHEMA)
    assert not outcome.rows_lost


@given(st.integers(1, 4_000_000_000))
def test_a_time_is_the_same_in_seconds_milliseconds_and_text(moment: int) -> None:
    written = rfc3339(moment)
    assert time_of(moment) == time_of(str(moment)) == time_of(written) == moment
    assert time_of(written.replace("Z", ".9999Z")) == moment
    if moment * 1000 >= 253_402_300_800:  # no plausible second
        assert time_of(moment * 1000 + 999) == time_of(str(moment * 1000)) == moment


@given(st.integers() | st.floats())
def test_a_number_is_a_time_only_with_a_four_digit_year(number: float) -> None:
    try:
        moment = time_of(number)
    except (ValueError, OverflowError):
        return
    assert moment is None or 1 <= datetime.fromtimestamp(moment, timezone.utc).year < 9999


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_whole_number_is_the_same_as_text(number: int) -> None:
    assert whole_number(str(number)) == whole_number(f"{number}.0") == number


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_789_073_105, 1_789_073_105),
        ("1789073105", 1_789_073_105),
        (1_789_073_105.7, 1_789_073_105),
        (1_789_073_105_700, 1_789_073_105),
        ("2026-09-10T22:45:05+02:00", 1_789_073_105),
        (None, None),
        (0, None),
        ("0", None),
        ("", None),
    ],
)
def test_a_time_of_a_row_is_in_seconds_in_every_form(value: Any, expected: int | None) -> None:
    assert seconds({"updated": value}, "updated", -1) == expected
    assert seconds({}, "updated", -1) is None


@pytest.mark.parametrize("value", ["soon", [], {}, True, 10**20, "9" * 40, float("inf")])
def test_an_invalid_time_of_a_row_becomes_the_callers_default(value: Any) -> None:
    assert seconds({"updated": value}, "updated", -1) == -1
    assert seconds({"updated": value}, "updated") is None


@pytest.mark.parametrize("value", [None, "", ".", "..", True, 1.5, [1], {"a": 1}, float("nan")])
def test_rows_are_identified_only_by_text_and_whole_numbers(value: Any) -> None:
    assert identifier({"id": value}) is None
    assert identifier({"id": 7}) == identifier({"id": 7.0}) == 7
    assert identifier({"id": "x-7"}) == "x-7"


def test_an_invalid_object_in_a_row_is_empty() -> None:
    assert within({"part": {"a": 1}}, "part") == {"a": 1}
    assert within({"part": None}, "part") == within({"part": [1]}, "part") == within({}, "p") == {}


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, -1, 2**63 - 1, 2**63, 1_789_073_105, 253_370_764_800, 5.0, 0.5, 1e300]),
    st.sampled_from(["", "null", "5", "true", "x", "2026-09-10", "1789073105"]),
    st.lists(st.sampled_from([1, "1", None, {"id": 1, "new": 2}, {"kind": "k"}]), max_size=2),
    st.dictionaries(st.sampled_from(["email", "seen", "new"]), st.sampled_from([0, 1, "x", None])),
)


UNIFORM = record(
    SCHEMA["properties"],
    object_of(nested(text("email")), "names"),
    object_of(nested(timestamp("seen")), "states"),
)


@pytest.mark.slow
@given(
    st.dictionaries(st.sampled_from([*UNIFORM["properties"], "new"]), ODD),
    st.sets(
        st.sampled_from([("name",), ("created",), ("person",), ("person", "email"), ("data",)])
    ),
)
def test_typed_rows_are_read_like_all_others(raw: dict[str, Any], left_out: set[Any]) -> None:
    outcomes = [ReadOutcome(), ReadOutcome()]
    plain, typed = (
        Reader("things", UNIFORM, one, bookmark="updated", deselected=left_out, computed=["name"])
        for one in outcomes
    )
    with suppress(msgspec.DecodeError):
        row = typed.typed.decode(msgspec.Raw(msgspec.json.encode(raw)))
        found = json.loads(msgspec.json.encode(typed(row)))
        expected = plain(raw)
        assert found == expected
        assert list(found) == list(expected or ())
        assert str(outcomes[0].unreadable) == str(outcomes[1].unreadable)
        assert plain.dropped == typed.dropped


def test_rows_in_the_form_of_the_api_are_typed() -> None:
    usual: dict[str, Any] = {
        "id": 1,
        "count": 2,
        "name": "a",
        "active": True,
        "created": 5,
        "updated": None,
    }
    usual |= {"numbers": None, "person": {"email": "e", "seen": 0}, "data": {"a": [1]}}
    usual |= {"attributes": {"a": "b", "c": None}, "times": {"a": 0, "b": 5}}
    reader = Reader("things", SCHEMA, ReadOutcome())
    row = reader(reader.typed.decode(msgspec.Raw(msgspec.json.encode(usual))))
    assert json.loads(msgspec.json.encode(row)) == read(**usual)


@pytest.mark.parametrize("moment", [None, 5, -5, 1_789_073_105])
def test_computed_times_are_in_seconds(moment: int | None) -> None:
    reader = Reader("things", SCHEMA, ReadOutcome(), computed=["id", "created"])
    row = reader.typed.decode(msgspec.Raw(b"{}"))
    row.update(id=1, created=moment)
    found = json.loads(msgspec.json.encode(reader(row)))
    assert found == read(created=moment)


def test_a_typed_row_with_an_unknown_computed_key_is_lost() -> None:
    outcome = ReadOutcome()
    reader = Reader("things", SCHEMA, outcome, computed=["id"])
    assert reader(reader.typed.decode(msgspec.Raw(b"{}"))) is None
    assert outcome.rows_lost == 1


@pytest.mark.parametrize("value", [0, "x", True, {"a": 1}])
def test_an_unreadable_list_of_a_typed_row_is_null_as_in_all_rows(value: Any) -> None:
    raw = {"id": 1, "numbers": value}
    plain, typed = (Reader("things", SCHEMA, ReadOutcome()) for _ in range(2))
    row = typed(typed.typed.decode(msgspec.Raw(msgspec.json.encode(raw))))
    assert row is not None
    assert row["numbers"] is None
    assert json.loads(msgspec.json.encode(row)) == plain(raw)
