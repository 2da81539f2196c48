"""Lists made by hand, and lists of jobs."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from sandbox.sandbox_caller import DAY, SINCE, Caller, calling, token

from tap_customerio.sandbox import Clock, Sandbox, Workspace
from tap_customerio.sandbox.world.workspace_lists import PLAIN

NOW = SINCE + 20 * DAY
WORKSPACE = Workspace(per_day=10)
SENDERS = {row["id"]: row for row in WORKSPACE.sender_identities()}
VISIBLE = [sender for sender, row in SENDERS.items() if not row["hidden"]]
EMPTY_ANSWERS = {
    "collections": ("/v1/collections", {"collections": None}),
    "exports": ("/v1/exports", {"exports": None}),
    "reporting_webhooks": ("/v1/reporting_webhooks", {"reporting_webhooks": None}),
    "suppressions": ("/v1/esp/suppression/bounces", {"suppressions": None}),
    "snippets": ("/v1/snippets", {"snippets": []}),
    "opt_outs": ("/v1/optouts", {"optouts": []}),
    "sender_identities": ("/v1/sender_identities", {"sender_identities": [], "next": ""}),
    "subscription_topics": ("/v1/subscription_topics", {"topics": []}),
    "subscription_channels": ("/v1/subscription_channels", {"channels": []}),
}


def ids(rows: list[dict[str, Any]]) -> list[int]:
    """The ids of rows."""
    return [row["id"] for row in rows]


@pytest.mark.parametrize("name", PLAIN)
def test_lists_without_pages_are_one_response_and_ignore_parameters(api: Caller, name: str) -> None:
    body = api.json(f"/v1/{name}")
    assert body == api.json(f"/v1/{name}", limit=1, start="nonsense", sort="asc")
    assert body == {name: WORKSPACE.plain(name, NOW)}
    assert len(body[name]) > 3


@pytest.mark.parametrize("name", list(EMPTY_ANSWERS))
def test_lists_can_be_empty_and_some_of_them_are_then_null(name: str) -> None:
    path, expected = EMPTY_ANSWERS[name]
    with (
        Sandbox(Workspace(per_day=5, empty=[name]), clock=Clock(NOW)) as sandbox,
        calling(sandbox) as api,
    ):
        assert api.json(path) == expected
        preferences = api.json("/v1/customers/u-1/subscription_preferences")["customer"]
        assert (preferences["topics"] == []) == (name == "subscription_topics")


def test_only_some_lists_can_be_empty() -> None:
    with pytest.raises(ValueError, match="campaigns, nonsense"):
        Workspace(empty={"nonsense", "campaigns", "exports"})


@pytest.mark.parametrize(
    ("name", "key", "stamp"),
    [("collections", "id", "updated_at"), ("snippets", "name", "updated_at")],
)
def test_an_edit_updates_the_last_change(name: str, key: str, stamp: str) -> None:
    workspace = Workspace(per_day=5)
    listing = getattr(workspace, name)
    before = listing(NOW)
    workspace.edit(name, before[1][key], at=NOW + 1)
    assert listing(NOW) == before
    assert listing(NOW + 1) == [before[0], {**before[1], stamp: NOW + 1}, *before[2:]]
    assert all(row[stamp] < SINCE for row in before)


def test_contents_of_collections_are_rows_or_one_object(api: Caller) -> None:
    kinds = set()
    for row in api.json("/v1/collections")["collections"]:
        content = api.json(f"/v1/collections/{row['id']}/content")
        assert content == WORKSPACE.collection_content(row["id"])
        rows = content if isinstance(content, list) else [content]
        assert len(rows) == row["rows"]
        assert all(list(some) == row["schema"] for some in rows)
        assert row["bytes"] == len(json.dumps(content))
        kinds.add(type(content))
    assert kinds == {list, dict}
    assert api.get("/v1/collections/99/content").status_code == 404


def test_snippets_are_identified_by_name_only(api: Caller) -> None:
    rows = api.json("/v1/snippets")["snippets"]
    assert {frozenset(row) for row in rows} == {frozenset({"name", "value", "updated_at"})}
    assert len({row["name"] for row in rows}) == len(rows) == 24


def test_hidden_senders_are_listed_only_on_request(api: Caller) -> None:
    path, key = "/v1/sender_identities", "sender_identities"
    visible, hidden = api.rows(path, key), api.rows(path, key, hidden="true")
    assert ids(visible) == VISIBLE
    assert visible + hidden == sorted(SENDERS.values(), key=lambda row: row["hidden"])
    assert api.rows(path, key, hidden="false") == visible
    assert len(hidden) == 3


def test_senders_come_in_pages_with_one_empty_page_at_the_end(api: Caller) -> None:
    path, key = "/v1/sender_identities", "sender_identities"
    pages = api.pages(path, key, limit=7)
    assert pages[-1] == []
    assert [ids(page) for page in pages[:-1]] == [VISIBLE[at : at + 7] for at in range(0, 21, 7)]
    assert api.json(path, limit=1)["next"] == token(str(VISIBLE[0]))
    assert api.json(path, limit=100)["next"] == token(str(VISIBLE[-1]))
    assert api.json(path, start=token("9999")) == {key: [], "next": ""}
    for start in ("notbase64!!", token("0:1"), token("x")):
        assert api.get(path, start=start).status_code == 400


def test_senders_can_be_sorted(api: Caller) -> None:
    path, key = "/v1/sender_identities", "sender_identities"
    assert ids(api.rows(path, key, limit=5, sort="desc")) == VISIBLE[::-1]
    assert ids(api.rows(path, key, limit=5, sort="asc")) == VISIBLE
    assert api.get(path, sort="up").status_code == 400


def test_senders_are_addresses_or_telephone_numbers() -> None:
    for row in SENDERS.values():
        if row["template_type"] == "phone":
            assert row["name"] is None
            assert row["phone"].startswith("+1555")
            assert "email" not in row
        else:
            assert row["address"] == f"{row['name']} <{row['email']}>"
            assert "phone" not in row
    assert {row["template_type"] for row in SENDERS.values()} == {"email", "phone"}


def test_only_the_deduplicate_id_of_a_sender_contains_its_last_change() -> None:
    workspace = Workspace(per_day=5)
    workspace.edit("sender_identities", 43, at=NOW)
    after = {row["id"]: row for row in workspace.sender_identities(NOW)}
    assert after == {**SENDERS, 43: {**SENDERS[43], "deduplicate_id": f"43:{NOW}"}}
    assert workspace.sender_identities(NOW - 1) == list(SENDERS.values())
    assert all(int(row["deduplicate_id"].split(":")[1]) < SINCE for row in SENDERS.values())


def test_senders_list_their_uses(api: Caller) -> None:
    used: dict[str, set[int]] = {"campaigns": set(), "sent_newsletters": set()}
    for sender in SENDERS:
        usage = api.json(f"/v1/sender_identities/{sender}/used_by")
        assert usage.keys() == {"campaigns", "draft_newsletters", "sent_newsletters"}
        for campaign in usage["campaigns"]:
            rows = WORKSPACE.actions("campaigns", campaign)
            keys = ("from_id", "sender_identity_id")
            assert sender in {row.get(key) for row in rows for key in keys}
        for newsletter in usage["sent_newsletters"] + usage["draft_newsletters"]:
            rows = WORKSPACE.contents("newsletters", newsletter)
            assert sender in {row["from_id"] for row in rows}
        for key, senders in used.items():
            senders |= set(usage[key])
    sending = {row["id"] for row in WORKSPACE.campaigns(NOW) if row["actions"]}
    assert used["campaigns"] == sending
    assert used["sent_newsletters"]
    assert api.get("/v1/sender_identities/7/used_by").status_code == 404


def test_senders_of_actions_are_visible_ones() -> None:
    used = {
        row.get("from_id") or row.get("sender_identity_id")
        for campaign in WORKSPACE.ids("campaigns", NOW)
        for row in WORKSPACE.actions("campaigns", campaign)
    }
    assert used - {None} <= set(VISIBLE)


def test_urls_of_reporting_webhooks_contain_passwords(api: Caller) -> None:
    urls = [urlsplit(row["endpoint"]) for row in WORKSPACE.reporting_webhooks()]
    assert any(url.password for url in urls)
    assert any("token=" in url.query for url in urls)
    assert any("s3cr3t" in url.path for url in urls)
    rows = api.json("/v1/reporting_webhooks")["reporting_webhooks"]
    assert any(row["events"] is None for row in rows)
    assert any(row["disabled"] for row in rows)


def test_exports_run_for_a_while_and_disappear() -> None:
    workspace = Workspace(per_day=5)
    (newest, *_) = rows = workspace.exports(NOW)
    assert len(rows) == 20
    assert all(NOW - 60 * DAY <= row["created_at"] <= NOW for row in rows)
    assert {row["status"] for row in rows} == {"done", "failed"}
    assert all(row["failed"] == (row["status"] == "failed") for row in rows)
    sandbox = Sandbox(workspace, clock=Clock(newest["created_at"]))
    with sandbox, calling(sandbox) as api:
        row = api.json("/v1/exports")["exports"][0]
        assert (row["id"], row["status"], row["total"]) == (newest["id"], "pending", 0)
        sandbox.clock.advance(90)
        assert api.json("/v1/exports")["exports"][0] == newest
        sandbox.clock.advance(61 * DAY)
        assert newest["id"] not in ids(api.json("/v1/exports")["exports"])


def test_imports_are_in_no_list(api: Caller) -> None:
    assert api.get("/v1/imports").text == "404 page not found"
    rows = [api.json(f"/v1/imports/{number}")["import"] for number in range(50, 60)]
    assert ids(rows) == list(range(50, 60))
    assert {row["type"] for row in rows} == {"people", "event", "object", "relationship"}
    assert all(("identifier" in row) == (row["type"] != "object") for row in rows)
    assert all(("object_type_id" in row) == (row["type"] == "object") for row in rows)
    assert all(("error_export_id" in row) == (row["state"] == "failed") for row in rows)
    assert api.get("/v1/imports/60").status_code == 404


def test_outgoing_ip_addresses(api: Caller) -> None:
    body = api.json("/v1/info/ip_addresses")
    assert list(body) == ["ip_addresses"]
    assert all(address.startswith("192.0.2.") for address in body["ip_addresses"])
