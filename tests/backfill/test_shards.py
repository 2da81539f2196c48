"""Shards of a backfill, without reading: what each requests, and which state it resumes from."""

from __future__ import annotations

from typing import Any

import pytest
from harness import select

from tap_customerio.backfill.job import STATE_KEY, Job
from tap_customerio.errors import TapError
from tap_customerio.windows import Window

WHOLE = Window(1_770_000_000, 1_772_000_000)
STREAMS = ("messages", "metrics", "segments")


def shard(number: int, count: int = 3) -> Job:
    """One shard of the backfill."""
    catalog: dict[str, Any] = select(STREAMS)
    return Job({"app_api_key": "unused"}, catalog, WHOLE, STREAMS, number, count)


def test_only_the_first_share_reads_streams_without_a_range() -> None:
    assert [set(shard(number).streams) for number in (1, 2, 3)] == [
        {*STREAMS},
        {"messages", "metrics"},
        {"messages", "metrics"},
    ]


def test_a_share_resumes_from_its_own_state_only() -> None:
    own = {"bookmarks": {}, STATE_KEY: {**shard(2).identity, "done": []}}
    shard(2).check(own, "state.json")
    for other in (shard(1), shard(2, 4)):
        with pytest.raises(TapError, match=r"state\.json"):
            other.check(own, "state.json")


def test_a_share_knows_where_other_shares_resume() -> None:
    first, second, third = (shard(number).tap() for number in (1, 2, 3))
    inner = {shard(1).shard_range.end, shard(2).shard_range.end}
    assert second.sync_run.shard_edges == inner
    assert first.sync_run.shard_edges | third.sync_run.shard_edges == inner
    assert not shard(1, 1).tap().sync_run.shard_edges
