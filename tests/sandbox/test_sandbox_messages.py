"""`/v1/messages`, with every behaviour of the live list."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox.sandbox_caller import DAY, SINCE, Caller, calling, token

from tap_customerio.sandbox import Behaviours, Clock, Sandbox, Workspace

NOW = SINCE + 220 * DAY + 43_210
SIX_MONTHS = 183 * DAY
MESSAGES = "/v1/messages"
WORKSPACE = Workspace(per_day=20, people=50)
NEWEST_FIRST = list(WORKSPACE.deliveries(SINCE, NOW + 1, now=NOW))[::-1]


def within(start: int, end: int) -> list[dict[str, Any]]:
    """Deliveries created from `start` to `end`, both included."""
    return [row for row in NEWEST_FIRST if start <= row["created"] <= end]


def read(api: Caller, **query: object) -> list[dict[str, Any]]:
    """The rows of all pages."""
    return api.rows(MESSAGES, "messages", **{"limit": 1000, **query})


def test_rows_come_newest_first_and_complete(api: Caller) -> None:
    week = (NOW - 7 * DAY, NOW)
    assert read(api, start_ts=week[0], end_ts=week[1]) == within(*week)


def test_both_bounds_are_inclusive(api: Caller) -> None:
    at = NEWEST_FIRST[50]["created"]
    assert read(api, start_ts=at, end_ts=at) == within(at, at) != []
    assert read(api, start_ts=at + 1, end_ts=at) == []


def test_without_bounds_the_last_six_months_are_read(api: Caller) -> None:
    assert read(api) == within(NOW - SIX_MONTHS, NOW) != NEWEST_FIRST


def test_windows_wider_than_six_months_silently_lose_their_old_end(api: Caller) -> None:
    end = NOW - 10 * DAY
    assert read(api, start_ts=1, end_ts=end) == within(end - SIX_MONTHS, end)


def test_with_only_a_start_the_last_six_months_are_read(api: Caller) -> None:
    assert read(api, start_ts=SINCE) == within(NOW - SIX_MONTHS, NOW)
    assert read(api, start_ts=NOW - DAY) == within(NOW - DAY, NOW)


@pytest.mark.slow
def test_with_only_an_end_the_six_months_before_it_are_read(api: Caller) -> None:
    end = SINCE + 190 * DAY
    assert read(api, end_ts=end) == within(end - SIX_MONTHS, end)
    assert read(api, end_ts=NOW + 400 * DAY) == within(NOW - SIX_MONTHS, NOW)


def test_old_deliveries_are_returned_in_a_narrow_window(api: Caller) -> None:
    assert read(api, start_ts=SINCE, end_ts=SINCE + DAY) == within(SINCE, SINCE + DAY) != []


def test_old_deliveries_may_be_gone() -> None:
    sandbox = Sandbox(WORKSPACE, clock=Clock(NOW), behaviours=Behaviours(forgets_old=True))
    with sandbox, calling(sandbox) as api:
        assert read(api, start_ts=SINCE, end_ts=SINCE + DAY) == []
        oldest = NOW - SIX_MONTHS
        assert read(api, start_ts=SINCE, end_ts=oldest + DAY) == within(oldest, oldest + DAY)


def test_a_page_has_50_rows_by_default_and_1000_at_most(api: Caller) -> None:
    assert len(api.json(MESSAGES)["messages"]) == 50
    assert len(api.json(MESSAGES, limit=7)["messages"]) == 7
    assert len(api.json(MESSAGES, limit=0)["messages"]) == 50
    assert len(api.json(MESSAGES, limit=1001)["messages"]) == 1000


def test_tokens_are_positions(api: Caller) -> None:
    assert api.json(MESSAGES, limit=3)["next"] == token("v20:3") == "djIwOjM="
    page = api.json(MESSAGES, limit=3, start=token("v20:5"))
    assert page == {"messages": NEWEST_FIRST[5:8], "next": token("v20:8")}


def test_a_full_last_page_ends_with_an_empty_next(api: Caller) -> None:
    bounds = {"start_ts": NEWEST_FIRST[20]["created"], "end_ts": NEWEST_FIRST[11]["created"]}
    rows = within(*bounds.values())
    pages = api.pages(MESSAGES, "messages", limit=len(rows), **bounds)
    assert pages == [rows]


def test_an_empty_window_is_an_empty_list(api: Caller) -> None:
    assert api.json(MESSAGES, start_ts=1, end_ts=2) == {"messages": [], "next": ""}


@pytest.mark.parametrize("beyond", [0, 1, 1000])
def test_a_position_past_the_end_restarts_at_page_one(api: Caller, beyond: int) -> None:
    window = {"start_ts": NOW - 2 * DAY, "end_ts": NOW, "limit": 5}
    count = len(within(NOW - 2 * DAY, NOW))
    first = api.json(MESSAGES, **window)
    assert first["next"]
    assert api.json(MESSAGES, start=token(f"v20:{count + beyond}"), **window) == first


@pytest.mark.parametrize(
    "text", ["not-a-real-token", token("3"), token("v20:-1"), "djIwOjM", "dj!IwOjM="]
)
def test_tokens_that_do_not_decode_are_rejected(api: Caller, text: str) -> None:
    response = api.get(MESSAGES, start=text)
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["status"] == "400"
    assert error["detail"].startswith("bad request (reference 01")


@pytest.mark.parametrize(
    "query", [{"start_ts": "soon"}, {"limit": "x"}, {"type": "fax"}, {"metric": "read"}]
)
def test_malformed_parameters_are_rejected(api: Caller, query: dict[str, str]) -> None:
    assert api.get(MESSAGES, **query).status_code == 400


@pytest.mark.slow
def test_rows_can_be_filtered_by_channel_sender_and_action(api: Caller) -> None:
    rows = within(NOW - SIX_MONTHS, NOW)
    newsletter = next(row["newsletter_id"] for row in rows if row["newsletter_id"])
    for key, query, value in [
        ("type", "type", "push"),
        ("campaign_id", "campaign_id", 2),
        ("newsletter_id", "newsletter_id", newsletter),
        ("action_id", "action_id", 20),
    ]:
        expected = [row for row in rows if row[key] == value]
        assert read(api, limit=30, **{query: value}) == expected != []


def test_rows_can_be_filtered_by_a_past_state(api: Caller) -> None:
    rows = [row for row in within(NOW - SIX_MONTHS, NOW) if "clicked" in row["metrics"]]
    assert read(api, metric="clicked", limit=100) == rows != []


def test_filters_can_be_combined(api: Caller) -> None:
    rows = [r for r in within(NOW - SIX_MONTHS, NOW) if r["campaign_id"] == 3]
    rows = [r for r in rows if r["type"] == "webhook" and "failed" in r["metrics"]]
    assert read(api, campaign_id=3, type="webhook", metric="failed") == rows != []
    assert read(api, campaign_id=3, newsletter_id=2930) == []


def test_drafts_replace_the_other_deliveries(api: Caller) -> None:
    drafts = list(WORKSPACE.deliveries(NOW - 30 * DAY, NOW + 1, now=NOW, drafts=True))[::-1]
    assert read(api, start_ts=NOW - 30 * DAY, drafts="true", limit=10) == drafts != []
    assert read(api, start_ts=NOW - DAY, drafts="false") == within(NOW - DAY, NOW)


def test_tracked_responses_are_added_on_request(api: Caller) -> None:
    rows = {row["id"]: row for row in read(api, get_tracked_responses="true")}
    tracked = [row for row in rows.values() if "tracked_responses" in row]
    assert tracked
    assert all(row["type"] == "in_app" and row["tracked_responses"] for row in tracked)
    plain = [{k: v for k, v in row.items() if k != "tracked_responses"} for row in rows.values()]
    assert read(api) == plain


def test_new_deliveries_and_late_opens_appear_as_the_clock_advances() -> None:
    start, clock = SINCE + 10 * DAY, Clock(SINCE + 10 * DAY + 600)
    sandbox = Sandbox(WORKSPACE, clock=clock, requests_per_second=None)
    with sandbox, calling(sandbox) as api:
        before = read(api, start_ts=start)
        clock.advance(20 * DAY)
        after = read(api, start_ts=start)
    assert len(after) > 100 > len(before)
    for old, new in zip(before[::-1], after[::-1], strict=False):
        assert old["id"] == new["id"]
        assert old["metrics"].items() <= new["metrics"].items()


@settings(deadline=None, max_examples=30)
@given(
    st.integers(NOW - 250 * DAY, NOW + DAY), st.integers(0, 20 * DAY), st.sampled_from([37, 1000])
)
def test_any_window_returns_its_rows_once(api: Caller, start: int, length: int, limit: int) -> None:
    end = start + length
    assert read(api, start_ts=start, end_ts=end, limit=limit) == within(start, min(end, NOW))


@pytest.mark.slow
def test_deliveries_may_be_listed_hours_after_they_were_created() -> None:
    workspace, lag = Workspace(per_day=2000, people=50), 6 * 3600
    clock, behaviours = Clock(NOW), Behaviours(listing_lag=lag)
    created = list(workspace.deliveries(NOW - DAY, NOW + 1, now=NOW))[::-1]
    since = {row["id"]: row["created"] for row in created}
    sandbox = Sandbox(workspace, clock=clock, behaviours=behaviours, requests_per_second=None)
    with sandbox, calling(sandbox) as api:
        seen: dict[str, int] = {}
        for hour in range(7):
            rows = read(api, start_ts=NOW - DAY, end_ts=NOW, limit=300)
            ids = [row["id"] for row in rows]
            assert len(set(ids)) == len(ids)
            assert seen.keys() <= set(ids)
            seen = {one: seen.get(one, hour) for one in ids}
            clock.advance(3600)
    assert ids == [row["id"] for row in created]
    late = {one for one, hour in seen.items() if hour}
    assert 0 < len(late) < len(ids) / 4
    assert all(NOW - lag < since[one] for one in late)
    assert {1, 2, 3} < {*seen.values()}
