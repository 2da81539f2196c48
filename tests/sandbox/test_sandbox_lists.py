"""The lists of senders, with the gaps of the live API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sandbox.sandbox_caller import DAY, SINCE, Caller, calling, token

from tap_customerio.sandbox import Clock, Sandbox, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = SINCE + 100 * DAY
KEYS = {
    "campaigns": "campaigns",
    "broadcasts": "broadcasts",
    "transactional": "messages",
    "newsletters": "newsletters",
}
STAMPS = {"transactional": "updated_at"}


@pytest.fixture(scope="module")
def api() -> Iterator[Caller]:
    """An ordinary workspace."""
    with (
        Sandbox(Workspace(), clock=Clock(NOW), requests_per_second=None) as sandbox,
        calling(sandbox) as caller,
    ):
        yield caller


@pytest.fixture(scope="module")
def campaigns(api: Caller) -> list[dict[str, Any]]:
    """All campaigns."""
    rows: list[dict[str, Any]] = api.json("/v1/campaigns")["campaigns"]
    return rows


@pytest.mark.parametrize("name", ["campaigns", "broadcasts", "transactional"])
def test_lists_without_pages_are_one_response_and_ignore_parameters(api: Caller, name: str) -> None:
    body = api.json(f"/v1/{name}")
    assert body == api.json(f"/v1/{name}", limit=1, start="nonsense", sort="asc")
    assert list(body) == [KEYS[name]]
    assert body[KEYS[name]] == getattr(api.sandbox.workspace, name)(NOW)


def test_the_number_of_senders_is_configurable(api: Caller) -> None:
    workspace = api.sandbox.workspace
    assert len(workspace.campaigns(NOW)) == 12
    assert len(workspace.broadcasts(NOW)) == 4
    assert len(workspace.transactional(NOW)) == 6
    assert len(workspace.newsletters(SINCE)) == 24


def test_campaigns_and_broadcasts_share_one_range_of_ids(api: Caller) -> None:
    ids = [row["id"] for row in api.json("/v1/campaigns")["campaigns"]]
    ids += [row["id"] for row in api.json("/v1/broadcasts")["broadcasts"]]
    assert len(set(ids)) == 16


@pytest.mark.parametrize("name", ["campaigns", "broadcasts", "transactional"])
def test_lists_are_not_sorted_by_their_last_change(api: Caller, name: str) -> None:
    stamps = [row[STAMPS.get(name, "updated")] for row in api.json(f"/v1/{name}")[KEYS[name]]]
    assert stamps != sorted(stamps)
    assert stamps != sorted(stamps, reverse=True)


def test_few_campaigns_changed_recently(campaigns: list[dict[str, Any]]) -> None:
    lately = [row for row in campaigns if row["updated"] > NOW - 30 * DAY]
    assert 0 < len(lately) < len(campaigns) / 2


def test_changes_are_after_creation_and_before_now(api: Caller) -> None:
    for name, key in KEYS.items():
        for row in api.json(f"/v1/{name}", limit=100)[key]:
            created = row.get("created", row.get("created_at"))
            assert created <= row[STAMPS.get(name, "updated")] <= NOW


def test_deduplicate_ids_contain_the_last_change(campaigns: list[dict[str, Any]]) -> None:
    assert all(row["deduplicate_id"] == f"{row['id']}:{row['updated']}" for row in campaigns)


def test_empty_tags_are_null_or_empty(campaigns: list[dict[str, Any]]) -> None:
    assert any(row["tags"] is None for row in campaigns)
    assert any(row["tags"] == [] for row in campaigns)
    assert any(row["tags"] for row in campaigns)


def test_unset_stamps_are_zero(campaigns: list[dict[str, Any]]) -> None:
    assert all(row["scheduled_stop"] == 0 for row in campaigns)
    assert any(row["scheduled_start"] > 0 for row in campaigns)
    never = [row for row in campaigns if row["first_started"] == 0]
    assert never
    assert all(row["state"] == "draft" and row["actions"] == [] for row in never)


def test_keys_of_other_triggers_are_missing(campaigns: list[dict[str, Any]]) -> None:
    keys = {row["type"]: row.keys() for row in campaigns}
    assert keys.keys() >= {"seg_attr", "event", "date", "webhook", "form", "object", "relationship"}
    assert "trigger_segment_ids" in keys["seg_attr"]
    assert "trigger_segment_ids" not in keys["event"]
    assert "event_name" in keys["event"]
    assert "webhook_id" in keys["webhook"]
    assert "filter_segment_ids" not in keys["webhook"]
    assert "frequency" in keys["date"]


def test_filters_of_object_campaigns_are_json_text(campaigns: list[dict[str, Any]]) -> None:
    (row,) = (row for row in campaigns if row["type"] == "object")
    assert json.loads(row["object_attribute_triggers"]) == {"plan": "changed"}
    assert json.loads(row["audience"]["person_filters"]) == {"and": []}


def test_action_ids_are_integers(campaigns: list[dict[str, Any]]) -> None:
    actions = [action for row in campaigns for action in row["actions"]]
    assert all(type(action["id"]) is int for action in actions)
    assert len({action["id"] for action in actions}) == len(actions)


def test_transactional_messages_have_no_deduplicate_id(api: Caller) -> None:
    rows = api.json("/v1/transactional")["messages"]
    assert all("deduplicate_id" not in row and row["updated_at"] for row in rows)


def test_newsletters_come_in_pages_with_one_empty_page_at_the_end(api: Caller) -> None:
    listed = api.sandbox.workspace.newsletters(NOW)
    pages = api.pages("/v1/newsletters", "newsletters", limit=len(listed))
    assert pages == [listed, []]
    pages = api.pages("/v1/newsletters", "newsletters", limit=7)
    assert pages[-1] == []
    assert [row for page in pages for row in page] == listed


def test_tokens_of_newsletters_are_plain_positions(api: Caller) -> None:
    assert api.json("/v1/newsletters", limit=1)["next"] == "MQ=="


def test_positions_past_the_last_newsletter_are_accepted(api: Caller) -> None:
    body = api.json("/v1/newsletters", start=token("999"))
    assert body == {"newsletters": [], "next": ""}


def test_tokens_of_other_lists_are_rejected(api: Caller) -> None:
    assert api.get("/v1/newsletters", start=token("v20:1")).status_code == 400
    assert api.get("/v1/newsletters", start="notbase64!!").status_code == 400


def test_newsletters_can_be_sorted_by_age(api: Caller) -> None:
    rising = api.rows("/v1/newsletters", "newsletters", limit=100, sort="asc")
    assert api.rows("/v1/newsletters", "newsletters", limit=9, sort="desc") == rising[::-1]
    assert [row["created"] for row in rising] == sorted(row["created"] for row in rising)


def test_pages_of_newsletters_have_50_rows_by_default_and_100_at_most() -> None:
    sandbox = Sandbox(Workspace(newsletters=120), clock=Clock(SINCE))
    with sandbox, calling(sandbox) as api:
        assert len(api.json("/v1/newsletters")["newsletters"]) == 50
        assert len(api.json("/v1/newsletters", limit=5000)["newsletters"]) == 100


def test_some_newsletters_are_unsent_and_some_have_no_segments(api: Caller) -> None:
    rows = api.json("/v1/newsletters", limit=100)["newsletters"]
    assert any(row["sent_at"] is None for row in rows)
    assert any("recipient_segment_ids" not in row for row in rows)
    assert all(row["sent_at"] <= NOW for row in rows if row["sent_at"])


def test_a_newsletter_appears_and_is_then_sent() -> None:
    workspace = Workspace()
    newest = workspace.newsletters(SINCE)[-1]["id"]
    later = [row for row in workspace.newsletters(NOW) if row["id"] > newest]
    assert len(later) == 14 or len(later) == 15
    row = next(row for row in later if row["sent_at"])
    before = workspace.newsletters(row["created"] - 1)
    assert row["id"] not in {known["id"] for known in before}
    unsent = {r["id"]: r["sent_at"] for r in workspace.newsletters(row["sent_at"] - 1)}
    assert unsent[row["id"]] is None


@pytest.mark.parametrize("name", list(KEYS))
def test_an_edit_updates_the_last_change_from_its_time_on(name: str) -> None:
    workspace, stamp = Workspace(), STAMPS.get(name, "updated")
    listing = getattr(workspace, name)
    before = listing(NOW + 99)
    sender = before[0]["id"]
    workspace.edit(name, sender, at=NOW + 100)
    assert listing(NOW + 99) == before
    assert listing(NOW + 100)[0][stamp] == NOW + 100
    assert listing(NOW + 99 * DAY)[0][stamp] == NOW + 100
    assert listing(NOW + 99)[1:] == before[1:]


def test_only_existing_senders_can_be_edited() -> None:
    with pytest.raises(KeyError, match="campaigns 99"):
        Workspace().edit("campaigns", 99, at=NOW)


def test_the_workspace_counts_people_and_messages(api: Caller) -> None:
    (row,) = api.json("/v1/workspaces")["workspaces"]
    workspace = api.sandbox.workspace
    april = SINCE + 90 * DAY
    assert row["people"] == len(list(workspace.everyone(NOW)))
    assert row["messages_sent"] == workspace.count_deliveries(april, NOW + 1, now=NOW) > 0
