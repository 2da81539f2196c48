"""The parts of senders: actions, contents, test groups, and triggers."""

from __future__ import annotations

from typing import Any

import pytest
from harness import sender_of
from sandbox.sandbox_caller import DAY, SINCE, Caller, calling, token

from tap_customerio.sandbox import Clock, Sandbox, Workspace

NOW = SINCE + 40 * DAY
WORKSPACE = Workspace(per_day=60)
NEWSLETTERS = {row["id"]: row for row in WORKSPACE.newsletters(NOW)}
MISSING = [
    "/v1/campaigns/999999/actions",
    "/v1/broadcasts/1/actions",
    "/v1/broadcasts/1/triggers",
    "/v1/newsletters/1/contents",
    "/v1/newsletters/1/test_groups",
    "/v1/transactional/99/contents",
]

Rows = list[dict[str, Any]]


def actions(api: Caller, collection: str, sender: int) -> Rows:
    """All actions of a sender."""
    return api.rows(f"/v1/{collection}/{sender}/actions", "actions")


def contents(api: Caller, collection: str) -> dict[int, Rows]:
    """All contents of all senders of a type."""
    senders = WORKSPACE.ids(collection, NOW)
    return {s: api.json(f"/v1/{collection}/{s}/contents")["contents"] for s in senders}


@pytest.mark.parametrize("path", MISSING)
def test_children_of_missing_parents_are_not_found(api: Caller, path: str) -> None:
    response = api.get(path)
    assert response.status_code == 404
    assert response.json()["errors"][0]["status"] == "404"


@pytest.mark.parametrize("collection", ["campaigns", "broadcasts"])
def test_actions_come_ten_at_a_time_and_the_last_page_has_no_next(
    api: Caller, collection: str
) -> None:
    sizes = set()
    for sender in WORKSPACE.ids(collection, NOW):
        pages = api.pages(f"/v1/{collection}/{sender}/actions", "actions")
        assert [row for page in pages for row in page] == WORKSPACE.actions(collection, sender)
        assert all(len(page) == 10 for page in pages[:-1])
        sizes.add(tuple(map(len, pages)))
    expected: dict[str, set[tuple[int, ...]]] = {
        "campaigns": {(10, 10), (10, 10, 3), (0,)},
        "broadcasts": {(10, 2)},
    }
    assert expected[collection] < sizes
    short = api.json(f"/v1/{collection}/{WORKSPACE.ids(collection, NOW)[0]}/actions")
    assert list(short) == ["actions"]


def test_actions_of_a_draft_are_an_empty_list(api: Caller) -> None:
    assert api.json("/v1/campaigns/5/actions") == {"actions": []}


@pytest.mark.parametrize("start", [token("0:0"), token("0:1"), token("10"), "MDox", "nonsense!"])
def test_forged_page_tokens_of_actions_are_rejected(api: Caller, start: str) -> None:
    assert api.get("/v1/campaigns/2/actions", start=start).status_code == 400
    assert api.get("/v1/broadcasts/14/actions", start=start).status_code == 400


def test_page_tokens_of_actions_belong_to_one_sender(api: Caller) -> None:
    own = api.json("/v1/campaigns/2/actions")["next"]
    assert api.get("/v1/campaigns/2/actions", start=own).status_code == 200
    assert api.get("/v1/campaigns/7/actions", start=own).status_code == 400


def test_other_parameters_of_actions_are_ignored(api: Caller) -> None:
    path = "/v1/campaigns/2/actions"
    assert api.json(path, limit=1, bogus=1) == api.json(path)


def test_ids_of_actions_are_text_in_campaigns_and_numbers_in_broadcasts(api: Caller) -> None:
    assert all(type(row["id"]) is str for row in actions(api, "campaigns", 2))
    assert all(type(row["id"]) is int for row in actions(api, "broadcasts", 14))


@pytest.mark.parametrize("collection", ["campaigns", "broadcasts"])
def test_every_step_of_a_workflow_is_an_action_of_its_type(api: Caller, collection: str) -> None:
    for sender in api.json(f"/v1/{collection}")[collection]:
        found = {int(row["id"]): row["type"] for row in actions(api, collection, sender["id"])}
        steps = {step["id"]: step["type"] for step in sender["actions"]}
        assert steps.items() <= found.items()


def test_deliveries_match_their_actions(api: Caller) -> None:
    known = {
        (collection[:-1], int(row["id"])): row
        for collection in ("campaigns", "broadcasts")
        for sender in WORKSPACE.ids(collection, NOW)
        for row in actions(api, collection, sender)
    }
    checked = 0
    for row in WORKSPACE.deliveries(NOW - 20 * DAY, NOW, now=NOW):
        if row["action_id"] is not None:
            kind, _ = sender_of(row, WORKSPACE)
            action = known[kind, row["action_id"]]
            assert action["type"] == row["type"]
            assert action["parent_action_id"] == row["parent_action_id"]
            assert action["deduplicate_id"].startswith(f"{row['msg_template_id']}:")
            assert action["sending_state"] == "automatic"
            assert row["subject"] in {None, "", action.get("subject")}
            checked += 1
    assert checked > 100


def test_ids_of_actions_and_contents_are_unique(api: Caller) -> None:
    ids = [
        int(row["id"])
        for collection in ("campaigns", "broadcasts")
        for sender in WORKSPACE.ids(collection, NOW)
        for row in actions(api, collection, sender)
    ]
    assert len(ids) == len(set(ids))
    own = [
        row["id"]
        for collection in ("newsletters", "transactional")
        for rows in contents(api, collection).values()
        for row in rows
    ]
    assert len(own) == len(set(own))


def test_languages_share_a_branch_and_only_some_are_sent(api: Caller) -> None:
    rows = [row for row in actions(api, "campaigns", 2) if row["type"] == "email"]
    assert {row["multi_language_branch_action_id"] for row in rows} == {28}
    assert [row["language"] for row in rows][:3] == ["", "it", "de"]
    assert len({row["language"] for row in rows}) == len(rows)
    assert {row["sending_state"] for row in rows} == {"automatic", "draft"}
    plain = actions(api, "campaigns", 1)[0]
    assert plain["multi_language_branch_action_id"] is None


def test_actions_have_the_keys_of_their_channel(api: Caller) -> None:
    by_type = {
        row["type"]: row
        for sender in WORKSPACE.ids("campaigns", NOW)
        for row in actions(api, "campaigns", sender)
    }
    assert "url" in by_type["webhook"]
    assert "subject" not in by_type["webhook"]
    assert {"image_url", "tracked", "sender_identity_id"} <= by_type["twilio"].keys()
    assert "from_id" not in by_type["twilio"]
    assert by_type["email"]["headers"] == "[]"
    assert by_type["push"]["from_id"] is None
    assert "body" not in by_type["attribute_update"]
    assert "sending_state" not in by_type["attribute_update"]


def test_actions_of_broadcasts_may_call_their_parent_a_campaign(api: Caller) -> None:
    named = {s: actions(api, "broadcasts", s)[0] for s in WORKSPACE.ids("broadcasts", NOW)}
    assert {s: row.get("broadcast_id", row.get("campaign_id")) for s, row in named.items()} == {
        s: s for s in named
    }
    assert any("broadcast_id" in row for row in named.values())
    assert any("broadcast_id" not in row for row in named.values())
    assert all(row["campaign_id"] == 2 for row in actions(api, "campaigns", 2))


def test_broadcast_triggers_are_processed_after_a_while() -> None:
    workspace = Workspace(per_day=10)
    fired = workspace.triggers(13, NOW)
    assert [row["id"] for row in fired] == list(range(1, len(fired) + 1))
    last = fired[-1]["created_at"]
    sandbox = Sandbox(workspace, clock=Clock(last - 1), requests_per_second=None)
    with sandbox, calling(sandbox) as api:
        assert api.json("/v1/broadcasts/13/triggers") == {"triggers": fired[:-1]}
        sandbox.clock.advance(1)
        newest = api.json("/v1/broadcasts/13/triggers")["triggers"][-1]
        assert newest == {**fired[-1], "processed_at": None}
        sandbox.clock.advance(700)
        newest = api.json("/v1/broadcasts/13/triggers")["triggers"][-1]
        assert newest == fired[-1]
        assert last < newest["processed_at"] <= last + 700


def test_contents_ignore_even_a_malformed_page_token(api: Caller) -> None:
    path = f"/v1/newsletters/{next(iter(NEWSLETTERS))}/contents"
    assert api.json(path, start="nonsense!", limit=1) == api.json(path)
    path = "/v1/transactional/3/contents"
    assert api.json(path, start="nonsense!", limit=1) == api.json(path)


def test_newsletters_list_their_contents(api: Caller) -> None:
    for newsletter, rows in contents(api, "newsletters").items():
        assert [row["id"] for row in rows] == NEWSLETTERS[newsletter]["content_ids"]
        assert {row["newsletter_id"] for row in rows} == {newsletter}
        assert {row["type"] for row in rows} == {NEWSLETTERS[newsletter]["type"]}
        assert rows == WORKSPACE.contents("newsletters", newsletter, NOW)


def test_unset_texts_are_empty_in_newsletters_and_null_in_transactional_messages(
    api: Caller,
) -> None:
    (newsletter, *_), *_ = contents(api, "newsletters").values()
    (transactional, *_), *_ = contents(api, "transactional").values()
    assert newsletter["bcc"] == newsletter["preheader_text"] == ""
    assert transactional["bcc"] is transactional["preheader_text"] is None
    assert len(newsletter) == 25
    assert newsletter.keys() - transactional.keys() == {
        "newsletter_id", "deduplicate_id", "layout", "body_plain", "body_amp", "test_group_id",
    }  # fmt: skip
    assert not transactional.keys() - newsletter.keys()


def test_every_delivery_of_a_transactional_message_has_one_of_its_contents(api: Caller) -> None:
    found = contents(api, "transactional")
    ids = {message: {row["id"] for row in rows} for message, rows in found.items()}
    assert {len(some) for some in ids.values()} == {1, 2}
    assert len(set().union(*ids.values())) == sum(map(len, ids.values()))
    for row in WORKSPACE.deliveries(NOW - 9 * DAY, NOW, now=NOW):
        if row["transactional_message_id"]:
            assert row["content_id"] in ids[row["transactional_message_id"]]


def test_some_newsletters_are_tested_with_two_groups(api: Caller) -> None:
    tested = 0
    for newsletter, rows in contents(api, "newsletters").items():
        groups = api.json(f"/v1/newsletters/{newsletter}/test_groups")["test_groups"]
        assert groups == WORKSPACE.test_groups(newsletter)
        in_groups = {int(c): group["id"] for group in groups for c in group["content_ids"]}
        assert {row["id"]: row["test_group_id"] for row in rows} == {
            row["id"]: in_groups.get(row["id"], 0) for row in rows
        }
        if groups:
            assert [group["id"] for group in groups] == [1, 2]
            assert sum(group["winner"] for group in groups) == 1
            assert [type(group["content_ids"][0]) for group in groups] == [int, str]
            tested += 1
    assert 0 < tested < len(NEWSLETTERS)


def test_contents_of_newsletters_without_a_test_are_languages(api: Caller) -> None:
    found = [rows for rows in contents(api, "newsletters").values() if not rows[0]["test_group_id"]]
    assert ["", "it", "de"] in [[row["language"] for row in rows] for rows in found]


@pytest.mark.parametrize(
    ("collection", "name", "sender", "key"),
    [
        ("actions", "campaigns", 2, 1_000_202),
        ("actions", "broadcasts", 13, 130),
        ("contents", "newsletters", 2910, 29_100),
        ("contents", "transactional", 3, 100_003),
    ],
)
def test_actions_and_contents_can_be_edited_without_their_sender(
    collection: str, name: str, sender: int, key: int
) -> None:
    workspace = Workspace(per_day=10)
    listing = getattr(workspace, collection)
    parents = getattr(workspace, name)(NOW + 100)
    before = {int(row["id"]): row["updated"] for row in listing(name, sender, NOW + 99)}
    workspace.edit(collection, key, at=NOW + 100)
    after = {int(row["id"]): row["updated"] for row in listing(name, sender, NOW + 100)}
    assert after == {**before, key: NOW + 100}
    assert {r["updated"] for r in listing(name, sender, NOW + 99)} == set(before.values())
    assert getattr(workspace, name)(NOW + 100) == parents
    with pytest.raises(KeyError):
        workspace.edit(collection, 7, at=NOW)


def test_past_stamps_are_in_the_past(api: Caller) -> None:
    rows = [
        row
        for collection in ("campaigns", "broadcasts")
        for sender in WORKSPACE.ids(collection, SINCE)
        for row in WORKSPACE.actions(collection, sender, SINCE)
    ]
    rows += [row for found in contents(api, "transactional").values() for row in found]
    assert all(row["created"] <= row["updated"] <= SINCE for row in rows)
    for newsletter in WORKSPACE.newsletters(NOW):
        for row in WORKSPACE.contents("newsletters", newsletter["id"], newsletter["created"]):
            assert row["created"] == row["updated"] == newsletter["created"]
