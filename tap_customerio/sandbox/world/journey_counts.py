"""Counts of journeys through campaigns, by start."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from tap_customerio.sandbox.world import payloads
from tap_customerio.sandbox.world.journeys import happens, late
from tap_customerio.sandbox.world.rng import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_customerio.sandbox.world.rng import Rng, Words

STATES = (
    "started", "activated", "messaged", "converted", "finished", "exited_early", "never_activated",
)  # fmt: skip
MOST_A_DAY = 9


class JourneyCounts:
    """Up to eight journeys begin in each campaign on each day."""

    def __init__(self, rng: Rng, first_day: int) -> None:
        self._rng = rng
        self._first_day = first_day

    def series(self, campaign: int, edges: Sequence[int], now: float) -> dict[str, list[int]]:
        """Counts of journeys by state at `now`, per bucket between adjacent `edges`."""
        buckets = len(edges) - 1
        series = {name: [0] * buckets for name in STATES}
        first = max(edges[0] // DAY, self._first_day)
        for day in range(first, min(edges[-1], int(now)) // DAY + 1):
            for words in self._begun(campaign, day):
                started = day * DAY + (words[0] * DAY >> 16)
                bucket = bisect_right(edges, started) - 1
                for name, at in _states(started, words):
                    if at <= now and 0 <= bucket < buckets:
                        series[name][bucket] += 1
        return series

    def _begun(self, campaign: int, day: int) -> Iterator[Words]:
        if payloads.state(campaign) != "draft":
            for number in range(self._rng.draw("journeys", campaign, day)[0] % MOST_A_DAY):
                yield self._rng.draw("journey", campaign, day, number)


def _states(started: int, words: Words) -> Iterator[tuple[str, int]]:
    """The states of a journey, with their times."""
    yield "started", started
    if not happens(words[1], 92):
        yield "never_activated", started + 7 * DAY
        return
    activated = started + words[2] % 3600
    yield "activated", activated
    if happens(words[3], 90):
        yield "messaged", activated + words[4] % DAY
        if happens(words[5], 15):
            yield "converted", activated + words[4] % DAY + late(words[6])
    ending = "finished" if happens(words[7], 80) else "exited_early"
    yield ending, activated + words[8] % (20 * DAY)
