"""The simulation ends within bounded steps, whatever the API counts."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

from harness import NOW
from hypothesis import example, given, settings
from hypothesis import strategies as some

from tap_customerio.estimates import simulation
from tap_customerio.estimates.deliveries import Count, Curve
from tap_customerio.estimates.simulation import simulated
from tap_customerio.windows import BEGINNING, DAY, HOUR, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

PRESENT = int(NOW)
Shape = tuple[int, int, int]


class CountedCurve(Curve):
    """A curve that counts how often it is asked."""

    asked = 0

    def until(self, moment: int) -> float:
        """The number created before a moment."""
        self.asked += 1
        return super().until(moment)


SHAPES = some.lists(
    some.tuples(
        some.integers(0, PRESENT - BEGINNING),
        some.one_of(some.integers(1, 100), some.integers(1, 900 * DAY)),
        some.one_of(some.integers(0, 100_000), some.integers(0, 10**12)),
    ),
    max_size=6,
)
"""Counts: how long ago they end, their width, and their number."""


def curve_of(shapes: Sequence[Shape], factor: int = 1) -> CountedCurve:
    """A curve of these counts."""
    return CountedCurve(
        Count(Window(PRESENT - ago - width, PRESENT - ago), factor * number)
        for ago, width, number in shapes
    )


@mock.patch.object(simulation, "_MOST_SLICES", 200)  # so that each example takes milliseconds
@settings(max_examples=25)
@given(
    shapes=SHAPES,
    start=some.integers(1, PRESENT - BEGINNING),
    ahead=some.integers(1, 66),
    factor=some.integers(1, 1000),
)
@example([(0, 730 * DAY, 730 * 5_000_000)], 730 * DAY, 10, 1)
@example([(5 * DAY, 1, 10**12)], 730 * DAY, 10, 1)
@example([(ago, HOUR, 10**9) for ago in range(0, 20 * DAY, DAY)], 730 * DAY, 1, 2)
def test_any_number_of_deliveries_is_estimated_within_bounded_steps(
    shapes: list[Shape], start: int, ahead: int, factor: int
) -> None:
    curve, whole = curve_of(shapes), Window(PRESENT - start, PRESENT)
    slices, requests = simulated(curve, whole, ahead)
    assert curve.asked < 20_000
    rows = curve.within(whole)
    assert 1 <= slices <= requests
    assert rows // 1000 <= requests <= 1.6 * rows / 1000 + slices
    more = simulated(curve_of(shapes, factor), whole, ahead)[1]
    assert more >= 0.75 * requests - 5
    longer = simulated(curve, Window(BEGINNING, PRESENT), ahead)[1]
    assert longer >= 0.75 * requests - 5
