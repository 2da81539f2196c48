"""The possible states of a delivery, at the extremes of chance."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sandbox.sandbox_caller import DAY

from tap_customerio.sandbox.world.journeys import FAILURES, JOURNEYS

CREATED = 1_770_000_000
NEVER = ("unsubscribed", "spammed")
HELD_UP_AND_OPENED_LAST = [65_535 if place not in {6, 8} else 0 for place in range(16)]
words = st.lists(st.sampled_from([0, 300, 9_000, 30_000, 45_900, 65_535]), min_size=16, max_size=16)


@pytest.mark.slow
@pytest.mark.parametrize("channel", list(JOURNEYS))
@given(words)
@example(HELD_UP_AND_OPENED_LAST)
def test_every_journey_is_possible(channel: str, words: list[int]) -> None:
    events, failure = JOURNEYS[channel](CREATED, tuple(words))
    stamps = dict(events)
    assert len(stamps) == len(events)
    assert min(stamps.values()) >= CREATED
    assert (failure is not None) == (not FAILURES.isdisjoint(stamps))
    assert all(at <= CREATED + 182 * DAY for name, at in events if name not in NEVER)
    assert stamps.get("converted", 0) <= CREATED + 90 * DAY
    assert stamps.get("opened", 0) <= stamps.get("human_opened", CREATED * 2)
    links = [name for name in stamps if name.startswith("link:")]
    assert len(links) == ("clicked" in stamps)
    assert ("human_clicked" in stamps) == any(name.startswith("human_link:") for name in stamps)
