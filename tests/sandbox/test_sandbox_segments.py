"""Segments, their members, and their uses."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox.sandbox_caller import DAY, EVERYONE, SINCE, Caller, calling, token

from tap_customerio.sandbox import Clock, Sandbox, Workspace

NOW = SINCE + 20 * DAY
WORKSPACE = Workspace(per_day=10)
SEGMENTS = {row["id"]: row for row in WORKSPACE.segments(NOW)}
EMPTY = {"segment_id": 9, "identifiers": None, "ids": None, "next": ""}


def path(segment: int, what: str = "membership") -> str:
    """The path of a segment."""
    return f"/v1/segments/{segment}/{what}"


def test_segments_are_one_response_and_ignore_parameters(api: Caller) -> None:
    body = api.json("/v1/segments")
    assert body == api.json("/v1/segments", limit=1, start=token("1:1"), sort="desc")
    assert body == {"segments": WORKSPACE.segments(NOW)}
    assert list(SEGMENTS) == list(range(1, 11))


def test_only_dynamic_segments_have_conditions() -> None:
    kinds = {row["type"] for row in SEGMENTS.values()}
    assert kinds == {"dynamic", "manual"}
    for row in SEGMENTS.values():
        assert ("conditions" in row) == (row["type"] == "dynamic")
    assert SEGMENTS[1]["conditions"]["and"][0]["event"]["name"] == "cio_id"
    assert any("or" in row.get("conditions", ()) for row in SEGMENTS.values())


def test_one_segment_is_still_being_built() -> None:
    states = {row["id"]: (row["state"], row["progress"]) for row in SEGMENTS.values()}
    assert states.pop(10) == ("build", 37)
    assert set(states.values()) == {("finished", None)}


def test_tags_and_descriptions_may_be_null() -> None:
    for key in ("tags", "description"):
        values = [row[key] for row in SEGMENTS.values()]
        assert None in values
        assert any(values)


def test_an_edit_updates_the_last_change_of_a_segment() -> None:
    workspace = Workspace(per_day=10)
    workspace.edit("segments", 3, at=NOW)
    before, after = workspace.segments(NOW - 1)[2], workspace.segments(NOW)[2]
    assert before == SEGMENTS[3]
    assert after == {**before, "updated_at": NOW, "deduplicate_id": f"3:{NOW}"}
    assert all(row["created_at"] <= row["updated_at"] < SINCE for row in SEGMENTS.values())


@pytest.mark.slow
@pytest.mark.parametrize("segment", SEGMENTS)
def test_members_match_the_search(api: Caller, segment: int) -> None:
    found = [
        name for page in api.pages(path(segment), "identifiers", limit=300) for name in page or ()
    ]
    assert found == list(WORKSPACE.members(segment, NOW))
    body = {"filter": {"segment": {"id": segment}}}
    searched = api.post("/v1/customers", body, limit=1000).json()["identifiers"] or []
    assert found[:1000] == searched
    count = api.json(path(segment, "customer_count"))
    assert count == {"segment_id": segment, "count": len(found)}


def test_segment_1_has_all_people_and_segment_9_none(api: Caller) -> None:
    everyone = api.post("/v1/customers", EVERYONE, limit=1000).json()["identifiers"]
    assert api.json(path(1), limit=1000)["identifiers"] == everyone
    assert api.json(path(9)) == EMPTY
    sizes = [len(list(WORKSPACE.members(segment, NOW))) for segment in range(1, 9)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] > 0


def test_new_people_become_members(api: Caller) -> None:
    there = [row["cio_id"] for row in WORKSPACE.members(2, NOW)]
    before = [row["cio_id"] for row in WORKSPACE.members(2, SINCE)]
    assert before == there[: len(before)]
    assert len(before) < len(there)
    assert api.json(path(1, "customer_count"))["count"] == WORKSPACE.count_people(NOW)


def test_pages_of_members_have_1000_rows_by_default_or_for_0(api: Caller) -> None:
    assert len(api.json(path(1))["identifiers"]) == 1000
    assert len(api.json(path(1), limit=0)["identifiers"]) == 1000
    whole = api.json(path(1), limit=30_001)
    assert len(whole["identifiers"]) == WORKSPACE.count_people(NOW)
    assert whole["next"] == ""


@pytest.mark.slow
def test_pages_of_members_have_30000_rows_at_most() -> None:
    sandbox = Sandbox(Workspace(per_day=5, people=30_005), clock=Clock(SINCE))
    with sandbox, calling(sandbox) as api:
        page = api.json(path(1), limit=99_999)
        assert len(page["ids"]) == len(page["identifiers"]) == 30_000
        rest = api.json(path(1), limit=99_999, start=page["next"])
        assert len(rest["ids"]) == 5


def test_a_full_last_page_of_members_is_the_last(api: Caller) -> None:
    count = len(list(WORKSPACE.members(4, NOW)))
    assert api.json(path(4), limit=count)["next"] == ""
    assert len(api.pages(path(4), "identifiers", limit=count // 2 + 1)) == 2


def test_members_without_an_own_id_have_an_empty_one_in_the_second_list(api: Caller) -> None:
    page = api.json(path(1), limit=100)
    assert page["segment_id"] == 1
    assert page["ids"] == [name["id"] or "" for name in page["identifiers"]]
    assert "" in page["ids"]


def test_a_page_token_of_another_segment_returns_no_one(api: Caller) -> None:
    own = api.json(path(2), limit=2)["next"]
    assert api.json(path(2), limit=2, start=own)["identifiers"]
    for other in (1, 3, 9):
        body = api.json(path(other), limit=2, start=own)
        assert body == {**EMPTY, "segment_id": other}


def test_positions_far_past_the_last_member_return_no_one(api: Caller) -> None:
    far = token(f"0:{999_999 * 61 + 1}")
    assert api.json(path(1), start=far) == {**EMPTY, "segment_id": 1}


@pytest.mark.parametrize("start", ["not-a-token", token("1"), token("v20:1"), token("0:x")])
def test_page_tokens_of_other_lists_are_rejected(api: Caller, start: str) -> None:
    assert api.get(path(1), start=start).status_code == 400


@pytest.mark.parametrize("what", ["membership", "customer_count", "used_by"])
def test_missing_segments_are_not_found(api: Caller, what: str) -> None:
    response = api.get(path(999_999, what))
    assert (response.status_code, response.json()["errors"][0]["status"]) == (404, "404")


def test_segments_list_their_uses(api: Caller) -> None:
    campaigns, newsletters = WORKSPACE.campaigns(NOW), WORKSPACE.newsletters(NOW)
    drafts = 0
    for segment in SEGMENTS:
        body = api.json(path(segment, "used_by"))
        assert body["segment_id"] == segment
        usage = body["used_by"]
        assert usage["campaigns"] == [row["id"] for row in campaigns if segment in mentioned(row)]
        sent = [row for row in newsletters if segment in row.get("recipient_segment_ids", ())]
        assert usage["sent_newsletters"] == [row["id"] for row in sent if row["sent_at"]]
        assert usage["draft_newsletters"] == [row["id"] for row in sent if not row["sent_at"]]
        drafts += len(usage["draft_newsletters"])
    assert drafts


def mentioned(campaign: dict[str, Any]) -> list[int]:
    """The segments in a campaign."""
    keys = ("trigger_segment_ids", "filter_segment_ids")
    return [segment for key in keys for segment in campaign.get(key, ())]
