"""Readable numbers and durations."""

from __future__ import annotations

import math

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: 1 request, 1,518 requests."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def at_least(number: int | None, *, more: bool = False) -> str:
    """A number, with a plus if it is a lower bound; ? if it is unknown."""
    return "?" if number is None else f"{number:,}{'+' if more else ''}"


def duration(seconds: float) -> str:
    """A duration in its two largest units: 42 s, 2 min 5 s, 3 h 20 min, 4 d 6 h."""
    if not math.isfinite(seconds):
        return "an unlimited time"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    for unit, name, part, smaller in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // part
            return f"{whole // unit} {name}" + (f" {rest} {smaller}" if rest else "")
    raise AssertionError
