"""Plurals and durations."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_customerio.wording import counted, duration


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1518, "1,518 rows")]
)
def test_one_is_singular(number: int, expected: str) -> None:
    assert counted(number, "row") == expected


def test_irregular_plurals_are_given() -> None:
    assert counted(1, "delivery", "deliveries") == "1 delivery"
    assert counted(3, "delivery", "deliveries") == "3 deliveries"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (math.inf, "an unlimited time"),
        (86_400 * 4 + 6 * 3600 + 59, "4 d 6 h"),
    ],
)
def test_durations_have_two_units(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


@given(st.integers(0, 10**8))
def test_durations_lose_less_than_their_smallest_unit(seconds: int) -> None:
    units = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
    words = duration(seconds).split()
    total = sum(int(n) * units[unit] for n, unit in zip(words[::2], words[1::2], strict=True))
    greatest = units[words[1]]
    smaller = max((size for size in units.values() if size < greatest), default=1)
    assert 0 <= seconds - total < smaller
