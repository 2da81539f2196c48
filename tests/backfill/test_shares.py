"""Shares of a backfill, without reading: what each asks for, and which state it goes on from."""

from __future__ import annotations

from typing import Any

import pytest
from harness import select

from tap_customerio.backfill.job import STATE_KEY, Job
from tap_customerio.errors import TapError
from tap_customerio.windows import Window

WHOLE = Window(1_770_000_000, 1_772_000_000)
STREAMS = ("messages", "metrics", "segments")


def share(number: int, count: int = 3) -> Job:
    """One of the shares of a backfill."""
    catalog: dict[str, Any] = select(STREAMS)
    return Job({"app_api_key": "unused"}, catalog, WHOLE, STREAMS, number, count)


def test_what_has_no_range_is_read_by_the_first_share_alone() -> None:
    assert [set(share(number).streams) for number in (1, 2, 3)] == [
        {*STREAMS},
        {"messages", "metrics"},
        {"messages", "metrics"},
    ]


def test_a_share_goes_on_from_its_own_state_alone() -> None:
    own = {"bookmarks": {}, STATE_KEY: {**share(2).identity, "done": []}}
    share(2).check(own, "state.json")
    for other in (share(1), share(2, 4)):
        with pytest.raises(TapError, match=r"state\.json"):
            other.check(own, "state.json")


def test_a_share_knows_where_other_shares_go_on() -> None:
    first, second, third = (share(number).tap() for number in (1, 2, 3))
    inner = {share(1).shard_range.end, share(2).shard_range.end}
    assert second.sync_run.shard_edges == inner
    assert first.sync_run.shard_edges | third.sync_run.shard_edges == inner
    assert not share(1, 1).tap().sync_run.shard_edges
