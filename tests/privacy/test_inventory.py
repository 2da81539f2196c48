"""inventory: the fields of a workspace, without values."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW
from hypothesis import given
from hypothesis import strategies as st

from tap_customerio.privacy.categories import (
    CATEGORIES,
    Shapes,
    by_name,
    guarded,
    guess,
    unguarded,
)
from tap_customerio.sandbox import Behaviours
from tap_customerio.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from privacy_case import PrivacyCase
    from terminal import Screen


TWO_MONTHS = {"since": (NOW // DAY - 60) * DAY}


@pytest.fixture
def case(open_case: Callable[..., PrivacyCase]) -> PrivacyCase:
    """Two months of a workspace."""
    return open_case(TWO_MONTHS)


def take(case: PrivacyCase, *words: str, to: str = "out") -> Screen:
    """Create the inventory."""
    return case.ask("inventory", *words, to=to)


def fields(case: PrivacyCase, folder: str = "out") -> dict[tuple[str, str], dict[str, Any]]:
    """The fields of an inventory by source and name."""
    found = json.loads((case.folder / folder / "inventory.json").read_bytes())
    return {(each["source"], each["name"]): each for each in found["fields"]}


@pytest.mark.slow
def test_every_field_has_a_share_a_category_an_origin_and_a_place(case: PrivacyCase) -> None:
    case.people_admin.identify(
        {"id": "ada"}, at=NOW, attributes={"allergies": "nuts", "homeAddress": "Main St 1"}
    )
    screen = take(case)
    assert screen.code == 0
    found = fields(case)
    people = sum(1 for _ in case.box.workspace.everyone(NOW))
    allergies = found["person", "allergies"]
    assert (allergies["have"], allergies["of"]) == (1, people)
    assert allergies["share"] == round(1 / people, 4)
    assert (allergies["category"], allergies["guessed_by"]) == ("special", "name")
    assert allergies["origin"] == "your apps, imports and integrations"
    assert (allergies["stream"], allergies["column"]) == ("customers", "attributes.allergies")
    assert found["person", "cio_id"]["share"] == 1
    assert found["person", "cio_id"]["origin"] == "Customer.io"
    assert found["person", "homeAddress"]["category"] == "contact"
    assert found["person", "email"]["guessed_by"] == "name and values"
    assert found["device", "id"]["stream"] == "customers"
    assert found["delivery", "recipient"]["category"] == "contact"
    assert any(source.startswith("event: ") for source, _ in found)
    link = found["delivery", "metrics.link:*"]
    assert (link["category"], link["column"]) == ("behaviour", "links")
    assert not any(source.endswith("attribute_change") and "." in name for source, name in found)
    assert any(source.startswith("object: ") for source, _ in found)
    suppressed = found["stream: esp_suppressions", "email"]
    assert (suppressed["category"], suppressed["share"]) == ("contact", None)
    assert "people: spread evenly over" in screen.out


@pytest.mark.slow
def test_columns_that_no_sampled_field_covers_are_listed(case: PrivacyCase) -> None:
    take(case)
    found = fields(case)
    for stream, column in (
        *(("customers", "email"), ("customers", "identifiers"), ("activities", "customer_id")),
        ("activities", "customer_identifiers"),
    ):
        assert found[f"stream: {stream}", column]["column"] == column
    assert ("stream: messages", "recipient") not in found


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", [{"attributes": ["eve"]}, {"devices": "eve"}, {"devices": ["eve"]}, {"metrics": "eve"}]
)
def test_a_part_of_another_shape_affects_only_itself(
    case: PrivacyCase, part: dict[str, Any]
) -> None:
    [name] = part
    if name == "metrics":
        row = {"id": "dg1", "created": NOW - 10, "recipient": "eve@example.com", **part}
        case.box.fail(status=200, body={"messages": [row], "next": ""}, path="/v1/messages")
    else:
        cio_id = case.add(id="ada", email="ada@example.com")
        profile = {**(case.box.workspace.find("cio_id", cio_id, NOW) or {}), **part}
        body = {"customers": [profile]}
        case.box.fail(status=200, body=body, path="/v1/customers/attributes")
    assert take(case).code == 3
    found = json.loads((case.folder / "out" / "inventory.json").read_bytes())
    assert [each["what"] for each in found["not_read"]] == [name]
    assert ("delivery", "recipient") in fields(case)
    assert "eve" not in {word for place in fields(case) for word in place}


@pytest.mark.slow
def test_an_object_deleted_meanwhile_affects_no_other(case: PrivacyCase) -> None:
    case.box.fail(status=404, path="/v1/objects/*/*/attributes")
    assert take(case).code == 0
    assert any(source.startswith("object: ") for source, _ in fields(case))


@pytest.mark.slow
def test_names_that_contain_values_are_masked(case: PrivacyCase) -> None:
    names = ("+358401234567", "10.1.2.3", "0b7a2f0e-6f0a-4a43-9a51-1f5a6f0c7d11")
    case.people_admin.identify({"id": "ada"}, at=NOW, attributes=dict.fromkeys(names, "1"))
    take(case)
    assert not [name for name in names if name in case.all_text()]
    assert ("person", "***") in fields(case)


@pytest.mark.slow
def test_no_file_contains_a_value(case: PrivacyCase) -> None:
    secret = {"note": "met her at the clinic on Main Street", "score_eve@example.com": "47114711"}
    case.people_admin.identify({"id": "xyzzy-1"}, at=NOW, attributes=secret)
    screen = take(case)
    text = case.all_text() + screen.out + screen.err
    assert "score_" not in text or "score_eve" not in text
    values = {"xyzzy-1", *secret.values()}
    for profile in case.box.workspace.everyone(NOW):
        held = profile["attributes"]
        personal = ("first_name", "email", "id", "cio_id", "phone")
        values |= {held[name] for name in personal if name in held}
    assert not [value for value in values if re.search(rf"\b{re.escape(value)}\b", text)]
    assert case.modes() == {"d700", "f600"}


@pytest.mark.slow
def test_a_person_can_correct_categories(case: PrivacyCase) -> None:
    case.people_admin.identify({"id": "ada"}, at=NOW, attributes={"=plan": "pro", "lunch": "vegan"})
    take(case)
    assert fields(case)["person", "lunch"]["category"] == "other"
    path = case.folder / "out" / "inventory.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert {row["name"] for row in rows if row["source"] == "person"} >= {"'=plan", "lunch"}
    for row in rows:
        if row["name"] in {"lunch", "'=plan"}:
            row["category"] = "special"
    mine = io.StringIO()
    writer = csv.DictWriter(mine, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    (case.folder / "mine.csv").write_text(mine.getvalue())
    assert take(case, "--categories", str(case.folder / "mine.csv"), to="again").code == 0
    found = fields(case, "again")
    for name in ("lunch", "=plan"):
        each = found["person", name]
        assert (each["category"], each["guessed_by"]) == ("special", "you")
    assert found["person", "email"]["guessed_by"] == "name and values"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("source,name,category\nperson,plan,secret\n", "Line 2 of --categories"),
        ("a,b\n1,2\n", "no columns source, name and category"),
        (None, "Cannot read"),
    ],
)
def test_a_wrong_file_of_categories_is_an_error(
    case: PrivacyCase, text: str | None, reason: str
) -> None:
    path = case.folder / "mine.csv"
    if text:
        path.write_text(text)
    screen = take(case, "--categories", str(path))
    assert screen.code == 1
    assert reason in " ".join(screen.err.split())
    assert not (case.folder / "out").exists()


def test_sample_sizes_are_stated_and_used(case: PrivacyCase) -> None:
    assert take(case, "--sample", "7").code == 0
    found = json.loads((case.folder / "out" / "inventory.json").read_bytes())
    counts = {each["what"]: each["count"] for each in found["sampled"]}
    assert counts["people"] <= 7
    assert counts["activities"] == counts["messages"] == 7
    assert counts["objects"] == 1
    assert max(each["of"] for each in found["fields"]) <= 7


@pytest.mark.slow
def test_unreadable_parts_are_listed_and_the_rest_is_included(
    open_case: Callable[..., PrivacyCase],
) -> None:
    unreadable = Behaviours(without=frozenset({"/v1/activities", "/v1/object_types"}))
    case = open_case(TWO_MONTHS, behaviours=unreadable)
    screen = take(case)
    assert screen.code == 3
    found = json.loads((case.folder / "out" / "inventory.json").read_bytes())
    assert {each["what"] for each in found["not_read"]} == {"activities", "objects"}
    assert ("person", "email") in fields(case)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("x", ["ada@example.com", "bob@example.com"], ("contact", "values")),
        ("x", ["+358 40 1234567"], ("contact", "values")),
        ("x", ["192.0.2.10", "2001:db8::1"], ("device", "values")),
        ("x", ["60.1699, 24.9384"], ("location", "values")),
        ("x", ["8c5d7f4e-0f64-4f0e-9d3a-0f0f0f0f0f0f"], ("identifier", "values")),
        ("x", ["She said that she wants to be called back"], ("free text", "values")),
        ("x", ["1698000000"], ("behaviour", "values")),
        ("x", ["pro", "free"], ("other", "neither")),
        ("x", ["pro", "free", "ada@example.com"], ("other", "neither")),
        ("favouriteColour", ["red"], ("other", "neither")),
        ("firstName", ["Ada"], ("name", "name")),
        ("last_ip", ["192.0.2.10"], ("device", "name and values")),
        ("notes", ["ada@example.com"], ("contact", "values")),
        ("religion", ["ada@example.com"], ("special", "name")),
        ("Health Status", ["ok"], ("special", "name")),
        ("birthday", ["1990-01-01"], ("demographic", "name")),
        ("zip", ["00100"], ("location", "name")),
        ("iban", ["FI21"], ("financial", "name")),
        ("reply_to", [], ("contact", "name")),
        ("from", [], ("contact", "name")),
        ("from_app", [], ("other", "neither")),
        ("created_by", [], ("identifier", "name")),
    ],
)
def test_categories_depend_on_name_and_shape(
    name: str, values: list[str], expected: tuple[str, str]
) -> None:
    shapes = Shapes()
    for value in values:
        shapes.see(value)
    assert guess(name, shapes) == expected


@pytest.mark.slow
@given(st.text())
def test_names_of_any_kind_have_a_category_or_none(name: str) -> None:
    assert by_name(name) in {None, *CATEGORIES}
    assert unguarded(guarded(name)) == name or name.startswith("'")
    assert guarded(name)[:1] not in {"=", "+", "-", "@"}
