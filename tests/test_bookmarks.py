"""Bookmarks never move back or beyond now, and are reread with a margin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW, config_for, run_tap

from tap_customerio.windows import DAY, HOUR, parse, rfc3339

if TYPE_CHECKING:
    from tap_customerio.sandbox import Sandbox


def state_at(stream: str, moment: int) -> dict[str, Any]:
    return {"bookmarks": {stream: {"replication_key_value": rfc3339(moment)}}}


def test_an_earlier_end_never_moves_the_bookmark_of_a_list_back(sandbox: Sandbox) -> None:
    changed = sorted(row["updated"] for row in sandbox.workspace.campaigns(NOW))
    bookmark, end = changed[-1] - 1, changed[-2]
    assert end < bookmark
    config = config_for(sandbox, end_date=rfc3339(end))
    output = run_tap(config, streams=["campaigns"], state=state_at("campaigns", bookmark))
    assert output.bookmark("campaigns") == rfc3339(bookmark)


@pytest.mark.parametrize(("ahead", "is_sent"), [(HOUR, True), (HOUR + 1, False)])
def test_an_incremental_list_is_read_again_from_an_hour_before_its_bookmark(
    sandbox: Sandbox, ahead: int, *, is_sent: bool
) -> None:
    campaign = sandbox.workspace.campaigns(NOW)[0]
    state = state_at("campaigns", campaign["updated"] + ahead)
    output = run_tap(
        config_for(sandbox), streams=["campaigns"], incremental=["campaigns"], state=state
    )
    assert (campaign["id"] in output.ids("campaigns")) is is_sent


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["messages", "activities", "metrics", "campaigns"])
def test_a_start_date_ahead_of_the_api_leaves_no_bookmark_in_the_future(
    sandbox: Sandbox, stream: str
) -> None:
    config = config_for(sandbox, start_date=rfc3339(int(NOW) + 9 * HOUR))
    first = run_tap(config, streams=[stream])
    marks = [first.states[-1]["bookmarks"][stream]]
    times = [value for mark in marks for value in _times(mark)]
    assert all(parse(value) <= NOW for value in times)
    run_tap(config, streams=[stream], state=first.states[-1])


def _times(found: Any) -> list[str]:
    """Every time in a bookmark."""
    if isinstance(found, dict):
        return [time for value in found.values() for time in _times(value)]
    return [found] if isinstance(found, str) and found.endswith("Z") else []


def test_an_end_date_ahead_of_the_api_leaves_no_bookmark_in_the_future(sandbox: Sandbox) -> None:
    config = config_for(sandbox, end_date=rfc3339(int(NOW) + DAY), start_date="2026-03-31")
    streams = ["messages", "activities", "metrics"]
    output = run_tap(config, streams=streams)
    assert {output.bookmark(stream) for stream in streams} == {rfc3339(int(NOW))}
