"""Objects and their relations to people."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from sandbox.sandbox_caller import DAY, SINCE, Caller, calling, token

from tap_customerio.sandbox import Clock, Sandbox, Workspace

NOW = SINCE + 20 * DAY
WORKSPACE = Workspace(per_day=10)
ALL = {kind: WORKSPACE.objects(kind) for kind in ("1", "2", "3")}
SEARCH = "/v1/objects"


def condition(field: str, kind: str = "1", **value: object) -> dict[str, Any]:
    """A condition about an object."""
    operator = "eq" if value else "exists"
    return {"object_attribute": {"field": field, "operator": operator, "type_id": kind, **value}}


def search(api: Caller, condition: object, kind: object = "1") -> list[str]:
    """The ids of all objects that match a condition."""
    found: list[str] = []
    start = ""
    while True:
        body = {"object_type_id": kind, "filter": condition}
        page = api.post(SEARCH, body, limit=25, **({"start": start} if start else {})).json()
        found += page["ids"] or []
        start = page["next"]
        if not start:
            return found


def own_id(row: dict[str, Any]) -> str:
    """The own id of an object."""
    return str(row["identifiers"]["object_id"])


def path(kind: str, object_id: str, what: str) -> str:
    """The path of an object."""
    return f"{SEARCH}/{kind}/{quote(object_id, safe='')}/{what}"


def test_ids_of_types_are_text_with_a_separate_key(api: Caller) -> None:
    types = api.json("/v1/object_types")["types"]
    assert types == WORKSPACE.object_types()
    assert [row["id"] for row in types] == ["1", "2", "3"]
    assert [row["enabled"] for row in types] == [True, True, False]
    assert "icon" not in types[1]


def test_the_number_of_objects_of_a_type_is_configurable() -> None:
    assert [len(rows) for rows in ALL.values()] == [60, 60, 0]
    assert len(Workspace(per_day=10, objects_per_type=700).objects(2)) == 700


def test_the_workspace_counts_types_and_objects(api: Caller) -> None:
    (row,) = api.json("/v1/workspaces")["workspaces"]
    assert (row["object_types"], row["objects"]) == (3, 120)


@pytest.mark.parametrize("kind", ["1", "2"])
def test_a_search_finds_every_object(api: Caller, kind: str) -> None:
    for field in ("object_id", "cio_object_id"):
        found = search(api, {"and": [condition(field, kind)]}, kind)
        assert found == [own_id(row) for row in ALL[kind]]


def test_objects_without_a_name_are_not_found_by_name(api: Caller) -> None:
    found = search(api, condition("name"))
    assert found == [own_id(row) for row in ALL["1"] if "name" in row["attributes"]]
    assert 50 < len(found) < 60
    assert search(api, {"not": condition("name")}) == [
        own_id(row) for row in ALL["1"] if "name" not in row["attributes"]
    ]


def test_objects_can_be_found_by_value_and_by_groups_of_conditions(api: Caller) -> None:
    active = [own_id(row) for row in ALL["1"] if row["attributes"]["active"]]
    assert search(api, condition("active", value=True)) == active
    either = {"or": [condition("name", value="Acme 0"), condition("name", value="Globex 1")]}
    assert search(api, either) == [own_id(row) for row in ALL["1"][:2]]
    assert search(api, {"and": [either, {"not": condition("object_id")}]}) == []


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"object_type_id": "1"},
        {"object_type_id": 1, "filter": condition("name")},
        {"object_type_id": "x", "filter": condition("name")},
        {"object_type_id": "1", "filter": condition("name", "2")},
        {"object_type_id": "1", "filter": condition("name", "2", value="x")},
        {"object_type_id": "1", "filter": {"attribute": {"field": "a", "operator": "exists"}}},
        {"object_type_id": "1", "filter": {"object_attribute": {"field": "name"}}},
        {"object_type_id": "1", "filter": {"and": []}},
        {"object_type_id": "1", "filter": condition("name", value="x", more=1)},
        {
            "object_type_id": "1",
            "filter": {
                "object_attribute": {
                    "field": "name", "operator": "exists", "type_id": "1", "more": 1,
                }
            },
        },
    ],
)  # fmt: skip
def test_malformed_searches_are_rejected(api: Caller, body: object) -> None:
    assert api.post(SEARCH, body).status_code == 400


def test_missing_types_are_not_found(api: Caller) -> None:
    body = {"object_type_id": "9", "filter": condition("name", "9")}
    assert api.post(SEARCH, body).status_code == 404
    assert api.get("/v1/objects/9/acme/attributes").status_code == 404


def test_a_search_without_a_match_is_null(api: Caller) -> None:
    body = {"object_type_id": "3", "filter": condition("object_id", "3")}
    assert api.post(SEARCH, body).json() == {"identifiers": None, "ids": None, "next": ""}


def test_pages_of_objects_have_50_rows_by_default_and_1000_at_most(api: Caller) -> None:
    body = {"object_type_id": "1", "filter": condition("object_id")}
    page = api.post(SEARCH, body).json()
    assert len(page["ids"]) == len(page["identifiers"]) == 50
    assert page["next"] == token("0:50")
    assert api.post(SEARCH, body, limit=60).json()["next"] == ""
    assert api.post(SEARCH, body, start="nonsense!").status_code == 400
    sandbox = Sandbox(Workspace(per_day=5, objects_per_type=1001), clock=Clock(NOW))
    with sandbox, calling(sandbox) as large:
        assert len(large.post(SEARCH, body, limit=5000).json()["ids"]) == 1000


@pytest.mark.parametrize("kind", ["1", "2"])
def test_objects_are_found_by_both_ids_with_any_characters(api: Caller, kind: str) -> None:
    rows = ALL[kind][:16]
    assert all(any(sign in own_id(row) for row in rows) for sign in "/+ &?%ü")
    for row in rows:
        by_id = api.json(path(kind, own_id(row), "attributes"))
        assert by_id == {"object": row}
        other = path(kind, row["identifiers"]["cio_object_id"], "attributes")
        assert api.json(other, id_type="cio_object_id") == by_id


def test_ids_that_are_not_percent_encoded_are_not_found(api: Caller) -> None:
    with_slash = next(own_id(row) for row in ALL["1"] if "/" in own_id(row))
    response = api.get(f"{SEARCH}/1/{with_slash}/attributes")
    assert response.text == "404 page not found"
    with_plus = next(own_id(row) for row in ALL["1"] if "+" in own_id(row))
    assert api.get(f"{SEARCH}/1/{with_plus}/attributes").status_code == 404


def test_kinds_of_object_ids_are_checked(api: Caller) -> None:
    where = path("1", own_id(ALL["1"][0]), "attributes")
    assert api.get(where, id_type="email").status_code == 400
    assert api.get(where, id_type="cio_object_id").status_code == 404
    assert api.get(path("1", "nobody", "relationships")).status_code == 404


def test_attributes_of_objects_are_of_any_type() -> None:
    values = [value for row in ALL["1"] for value in row["attributes"].values()]
    assert {type(value) for value in values} == {str, int, float, bool, dict}
    for row in ALL["1"]:
        assert row["object_type_id"] == "1"
        assert row["attributes"].keys() == row["timestamps"].keys()
        assert max(row["timestamps"].values()) < SINCE


@pytest.mark.slow
def test_relationships_are_the_same_in_both_directions(api: Caller) -> None:
    pairs, sizes = set(), set()
    for kind, rows in ALL.items():
        for row in rows[:20]:
            where = path(kind, own_id(row), "relationships")
            pages = api.pages(where, "cio_relationships", limit=100)
            related = [person for page in pages for person in page or ()]
            names = [person["identifiers"] for person in related]
            assert names == WORKSPACE.object_relationships(kind, own_id(row), NOW)
            assert all(person["object_type_id"] == kind for person in related)
            pairs |= {(name["cio_id"], int(kind), own_id(row)) for name in names}
            sizes.add(len(names))
    assert {0, 1, 2, 3, 4} < sizes
    listed = {own_id(row) for rows in ALL.values() for row in rows[:20]}
    some = sorted({cio_id for cio_id, _, _ in pairs})[::4]
    mine = set()
    for cio_id in some:
        where = f"/v1/customers/{cio_id}/relationships"
        for row in api.json(where, id_type="cio_id")["cio_relationships"]:
            mine.add((cio_id, row["object_type_id"], own_id(row)))
            assert row["attributes"].keys() == row["timestamps"].keys() == {"role"}
    assert {pair for pair in mine if pair[2] in listed} == {p for p in pairs if p[0] in some}


def test_people_related_to_objects_exist() -> None:
    names = [person["identifiers"] for person in WORKSPACE.everyone(NOW)]
    for row in ALL["1"][:9]:
        related = WORKSPACE.object_relationships(1, own_id(row), NOW)
        assert all(name in names for name in related)
    lonely = Workspace(per_day=5, people=0)
    assert lonely.object_relationships(1, own_id(lonely.objects(1)[0]), NOW) == []


def test_pages_of_relationships_have_50_rows_by_default(api: Caller) -> None:
    where = path("1", own_id(ALL["1"][0]), "relationships")
    assert len(api.json(where)["cio_relationships"]) == 50
    pages = api.pages(where, "cio_relationships")
    assert len(pages) == 3
    assert api.json(where, start=token("0:999")) == {"cio_relationships": None, "next": ""}


def test_relationships_of_a_person_come_in_pages_and_none_are_null(api: Caller) -> None:
    names = (person["identifiers"] for person in WORKSPACE.everyone(NOW))
    seen = set()
    for name in names:
        where = f"/v1/customers/{name['cio_id']}/relationships"
        body = api.json(where, id_type="cio_id")
        if not body["cio_relationships"]:
            assert body == {"cio_relationships": None, "next": ""}
        elif len(body["cio_relationships"]) > 1:
            rows = api.rows(where, "cio_relationships", id_type="cio_id", limit=1)
            assert rows == body["cio_relationships"]
        seen.add(bool(body["cio_relationships"]) + (len(body["cio_relationships"] or ()) > 1))
        if seen == {0, 1, 2}:
            return
    raise AssertionError(seen)


def test_a_workspace_without_types_has_no_objects() -> None:
    workspace = Workspace(per_day=5, empty={"object_types"})
    with Sandbox(workspace, clock=Clock(NOW)) as sandbox, calling(sandbox) as api:
        assert api.json("/v1/object_types") == {"types": []}
        body = {"object_type_id": "1", "filter": condition("object_id")}
        assert api.post(SEARCH, body).status_code == 404
        assert api.get(path("1", own_id(ALL["1"][0]), "attributes")).status_code == 404
        related = api.json("/v1/customers/u-0/relationships")
        assert related == {"cio_relationships": None, "next": ""}
        (row,) = api.json("/v1/workspaces")["workspaces"]
        assert (row["object_types"], row["objects"]) == (0, 0)
        assert workspace.objects(1) == []
