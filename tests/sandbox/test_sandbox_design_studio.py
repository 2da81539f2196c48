"""Assets and the Design Studio: numbered pages, folders, and strict parameters."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sandbox.sandbox_caller import DAY, SINCE, Caller, calling

from tap_customerio.sandbox import Behaviours, Clock, Sandbox, Workspace

NOW = SINCE + 20 * DAY
WORKSPACE = Workspace(per_day=10)
EMAILS = "/v1/design_studio/emails"
LISTS = {
    "/v1/assets": ("assets", "assets"),
    "/v1/assets/folders": ("folders", "asset_folders"),
    EMAILS: ("emails", "design_studio_emails"),
    "/v1/design_studio/components": ("components", "design_studio_components"),
    "/v1/design_studio/folders": ("folders", "design_studio_folders"),
}
DESIGNS = [path for path in LISTS if "design" in path]
FOLDERS = {row["name"]: row["id"] for row in WORKSPACE.files("design_studio_folders")}

Rows = list[dict[str, Any]]


def rows_of(path: str) -> Rows:
    """The rows at a path, by id."""
    return sorted(WORKSPACE.files(LISTS[path][1]), key=lambda row: str(row["id"]))


def read(api: Caller, path: str, **query: object) -> Rows:
    """The rows of a response, by id."""
    rows: Rows = api.json(path, **query)[LISTS[path][0]]
    return sorted(rows, key=lambda row: str(row["id"]))


def refusal(api: Caller, path: str, **query: object) -> tuple[int, str]:
    """Status and reason of an error."""
    response = api.get(path, **query)
    (error,) = response.json()["errors"]
    assert error["status"] == str(response.status_code)
    return response.status_code, error["detail"]


@pytest.mark.parametrize("path", list(LISTS))
def test_pages_are_numbered_from_1_and_empty_past_the_end(api: Caller, path: str) -> None:
    key, total = LISTS[path][0], len(rows_of(path))
    found: Rows = []
    for page in range(1, total // 4 + 3):
        body = api.json(path, page=page, limit=4)
        assert body["meta"]["pagination"] == {"page": page, "limit": 4, "total": total}
        assert "next" not in body
        found += body[key]
    assert found == api.json(path)[key]
    assert sorted(found, key=lambda row: str(row["id"])) == rows_of(path)
    assert body[key] == []
    assert api.json(path, page=99_999, limit=1)["meta"]["pagination"]["total"] == total


@pytest.mark.parametrize("path", list(LISTS))
def test_pages_have_1000_rows_by_default(api: Caller, path: str) -> None:
    assert api.json(path)["meta"]["pagination"]["limit"] == 1000
    assert api.json(path, limit=10_000)["meta"]["pagination"]["limit"] == 10_000


@pytest.mark.parametrize("path", list(LISTS))
def test_sizes_and_numbers_of_pages_are_validated(api: Caller, path: str) -> None:
    for limit in (0, 10_001, -1, "x"):
        complaint = "limit must be an integer between 1 and 10000"
        assert refusal(api, path, limit=limit) == (400, complaint)
    for page in (0, -1, "x"):
        assert refusal(api, path, page=page) == (400, "page must be an integer >= 1")


@pytest.mark.parametrize("path", DESIGNS)
def test_everything_in_the_design_studio_has_a_uuid(path: str) -> None:
    rows = rows_of(path)
    assert all(str(UUID(row["id"])) == row["id"] for row in rows)
    assert {UUID(row["id"]).version for row in rows} == {4}
    assert len({row["id"] for row in rows}) == len(rows)


def test_assets_and_their_folders_have_numbers(api: Caller) -> None:
    folders = {row["id"] for row in read(api, "/v1/assets/folders")}
    assets = read(api, "/v1/assets")
    assert all(type(row["id"]) is int for row in assets)
    parents = {row["parent_folder_id"] for row in assets}
    assert None in parents
    assert parents - {None} <= folders
    assert parents & folders


def test_a_folder_lists_its_whole_subtree_or_only_its_own_rows(api: Caller) -> None:
    product, icons, archive = FOLDERS["Product"], FOLDERS["Icons"], FOLDERS["Archive"]
    below = {product, icons, archive, FOLDERS["2025"]}
    rows = rows_of(EMAILS)
    inside = read(api, EMAILS, parent_folder_id=product)
    assert inside == [row for row in rows if row["parent_folder_id"] in below]
    own = read(api, EMAILS, parent_folder_id=product, direct_descendants_only="true")
    assert own == [row for row in rows if row["parent_folder_id"] == product]
    at_root = read(api, EMAILS, direct_descendants_only="true")
    assert at_root == [row for row in rows if row["parent_folder_id"] is None]
    assert 0 < len(own) < len(inside) < len(rows)
    assert 0 < len(at_root) < len(rows)
    folders = read(api, "/v1/design_studio/folders", parent_folder_id=icons)
    assert {row["id"] for row in folders} == {archive, FOLDERS["2025"]}


def test_folders_of_assets_work_the_same_and_0_is_the_root(api: Caller) -> None:
    whole, rows = read(api, "/v1/assets"), rows_of("/v1/assets")
    assert whole == rows == read(api, "/v1/assets", parent_folder_id=0)
    inside = read(api, "/v1/assets", parent_folder_id=4)
    assert inside == [row for row in rows if row["parent_folder_id"] in {4, 5, 6, 7}]
    own = {"parent_folder_id": 4, "direct_descendants_only": "true"}
    assert read(api, "/v1/assets/folders", **own) == [rows_of("/v1/assets/folders")[3]]
    body = api.json("/v1/assets", **own)
    assert body["meta"]["filters"] == {"parent_folder_id": 4, "direct_descendants_only": True}
    assert list(body) == ["assets", "meta"]


@pytest.mark.parametrize("path", list(LISTS))
def test_lists_may_contain_only_rows_without_a_folder(path: str) -> None:
    behaviours = Behaviours(lists_root_only=True)
    with (
        Sandbox(WORKSPACE, clock=Clock(NOW), behaviours=behaviours) as sandbox,
        calling(sandbox) as api,
    ):
        at_root = [row for row in rows_of(path) if row["parent_folder_id"] is None]
        assert read(api, path) == at_root
        folder = FOLDERS["Product"] if path in DESIGNS else 4
        inside = read(api, path, parent_folder_id=folder)
    assert any(row["parent_folder_id"] != folder for row in inside)


@pytest.mark.parametrize("path", list(LISTS))
def test_a_missing_folder_is_not_found(api: Caller, path: str) -> None:
    folder = "123e4567-e89b-12d3-a456-426614174000" if path in DESIGNS else 99
    assert refusal(api, path, parent_folder_id=folder) == (404, "parent folder not found")


@pytest.mark.parametrize("stamp", ["created", "updated"])
@pytest.mark.parametrize("path", DESIGNS)
def test_time_filters_exclude_both_ends(api: Caller, path: str, stamp: str) -> None:
    rows = rows_of(path)
    at = sorted(row[stamp] for row in rows)[len(rows) // 2]
    for bound in (at - 1, at, at + 1):
        after = read(api, path, **{f"{stamp}_after": bound})
        assert after == [row for row in rows if row[stamp] > bound]
        before = read(api, path, **{f"{stamp}_before": bound})
        assert before == [row for row in rows if row[stamp] < bound]
    both = {f"{stamp}_after": at - 1, f"{stamp}_before": at + 1}
    body = api.json(path, **both)
    assert [row[stamp] for row in body[LISTS[path][0]]] == [at]
    assert body["meta"]["pagination"]["total"] == 1
    assert both.items() <= body["meta"]["filters"].items()


@pytest.mark.parametrize("path", DESIGNS)
def test_malformed_parameters_of_designs_are_rejected_by_name(api: Caller, path: str) -> None:
    for name in ("created_before", "created_after", "updated_before", "updated_after"):
        assert refusal(api, path, **{name: "notanumber"}) == (
            400, f"invalid value for {name}: notanumber",
        )  # fmt: skip
    words = "sort_by must be one of: created, updated, name"
    assert refusal(api, path, sort_by="bogus") == (400, words)
    assert refusal(api, path, sort_order="up") == (400, "sort_order must be one of: asc, desc")


@pytest.mark.parametrize("by", ["created", "updated", "name"])
def test_designs_can_be_sorted(api: Caller, by: str) -> None:
    rising = api.json(EMAILS, sort_by=by)["emails"]
    assert [row[by] for row in rising] == sorted(row[by] for row in rising)
    assert api.json(EMAILS, sort_by=by, sort_order="desc")["emails"] == rising[::-1]
    if by == "created":
        assert api.json(EMAILS)["emails"] == rising


@pytest.mark.parametrize("flag", ["is_template", "has_translations", "is_linked"])
def test_emails_can_be_filtered_by_a_property(api: Caller, flag: str) -> None:
    rows = rows_of(EMAILS)
    for text, value in (("true", True), ("false", False)):
        assert read(api, EMAILS, **{flag: text}) == [row for row in rows if row[flag] is value]
    assert read(api, EMAILS, **{flag: "any"}) == rows
    assert {row[flag] for row in rows} == {True, False}
    assert api.get(EMAILS, **{flag: "yes"}).status_code == 400


def test_components_can_be_filtered_by_tag(api: Caller) -> None:
    path = "/v1/design_studio/components"
    tagged = [row for row in rows_of(path) if row["tag"] == "x-part-1"]
    assert read(api, path, tag="x-part-1") == tagged
    unknown = api.json(path, tag="nonexistent-tag")
    assert unknown["components"] == []
    assert unknown["meta"]["filters"]["tag"] == "nonexistent-tag"
    assert 0 < len(tagged) < len(rows_of(path))


@pytest.mark.parametrize("path", DESIGNS)
def test_filters_are_repeated_with_null_for_unused_ones(api: Caller, path: str) -> None:
    extra = {EMAILS: ("is_template", "has_translations", "is_linked")}
    names = ("created_before", "created_after", "updated_before", "updated_after")
    others = extra.get(path, ("tag",) if "components" in path else ())
    assert api.json(path)["meta"]["filters"] == {
        "parent_folder_id": None,
        "direct_descendants_only": False,
        "sort_by": "created",
        "sort_order": "asc",
        **dict.fromkeys((*names, *others)),
    }


@pytest.mark.parametrize("path", DESIGNS[:2])
def test_the_folders_of_a_page_are_included_and_also_in_their_own_list(
    api: Caller, path: str
) -> None:
    body = api.json(path, limit=5)
    parents = {row["parent_folder_id"] for row in body[LISTS[path][0]]} - {None}
    assert {row["id"] for row in body["folders"]} == parents
    listed = read(api, "/v1/design_studio/folders")
    assert all(row in listed for row in body["folders"])
    assert parents
    assert api.json(path, page=99)["folders"] == []


@pytest.mark.parametrize("path", list(LISTS))
def test_an_edit_updates_the_last_change(path: str) -> None:
    workspace, name = Workspace(per_day=5), LISTS[path][1]
    (first, *others) = before = workspace.files(name, NOW)
    workspace.edit(name, first["id"], at=NOW + 1)
    assert workspace.files(name, NOW) == before
    assert workspace.files(name, NOW + 1) == [{**first, "updated": NOW + 1}, *others]
    assert all(row["created"] <= row["updated"] < SINCE for row in before)


@pytest.mark.parametrize("path", list(LISTS))
def test_lists_can_be_empty(path: str) -> None:
    key, name = LISTS[path]
    workspace = Workspace(per_day=5, empty={name})
    with Sandbox(workspace, clock=Clock(NOW)) as sandbox, calling(sandbox) as api:
        body = api.json(path)
        for other, (other_key, _) in LISTS.items():
            assert bool(api.json(other)[other_key]) == (other != path)
    assert body[key] == []
    assert body["meta"]["pagination"]["total"] == 0
