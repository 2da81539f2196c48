"""Conversion of API values; unambiguous values of another type are accepted."""

from __future__ import annotations

import math
import re
from typing import Any, TypeVar

from tap_customerio.windows import parse

T = TypeVar("T")

LARGEST = (1 << 63) - 1
"""The largest 64-bit integer, which is the largest that targets accept."""

YEAR_9999 = parse("9999-01-01")
MISFITS = (ArithmeticError, LookupError, OSError, RecursionError, TypeError, ValueError)
"""Errors that conversions may raise."""

_YEAR_1 = parse("0001-01-01")
_MILLISECONDS = parse("9999-12-31T23:59:59Z") + 1
"""Numbers from this one on are milliseconds, later than 1978."""

_DIGITS = 10
"""Digits of the seconds from 2001 to 2286."""

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?")
_FRACTION = re.compile(r"\.[0-9]+")


def within(row: dict[str, Any], name: str) -> dict[str, Any]:
    """An object inside a row; empty if it is anything else."""
    value = row.get(name)
    return value if isinstance(value, dict) else {}


def identifier(row: dict[str, Any], name: str = "id") -> str | int | None:
    """A row's identifier, text or a whole number; None if it is not usable as a key."""
    value = row.get(name)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return None if value in {"", ".", ".."} else value  # dots change the path of a URL


def seconds(row: dict[str, Any], name: str, unreadable: T | None = None) -> int | T | None:
    """A time in unix seconds; None if it is not set, `unreadable` if it cannot be converted."""
    value = row.get(name)
    if type(value) is str and len(value) == _DIGITS and value.isascii() and value.isdecimal():
        value = int(value)
    if type(value) is int and 0 < value < YEAR_9999:
        return value
    try:
        return time_of(value)
    except MISFITS:
        return unreadable


def time_of(value: Any) -> int | None:
    """Unix seconds of a time in seconds, milliseconds or RFC 3339 text; None if it is not set.

    Raises:
        ValueError: It cannot be converted; conversions may raise other errors as well.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        # Python 3.10 accepts only fractions of three or six digits.
        moment = parse(_FRACTION.sub("", value.strip()))
    elif isinstance(value, bool) or not math.isfinite(float(value)):
        raise ValueError
    else:
        moment = int(float(value))
    if moment >= _MILLISECONDS:
        moment //= 1000
    if not _YEAR_1 <= moment < YEAR_9999:
        raise ValueError
    return None if moment in {0, _YEAR_1} else moment  # Go's zero time is in year 1


def whole_number(value: Any) -> int | None:
    """A 64-bit integer, also from text; None if it is not set.

    Raises:
        ValueError: It cannot be converted; conversions may raise other errors as well.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        digits, _, fraction = value.strip().partition(".")
        if not _NUMBER.fullmatch(digits) or fraction.strip("0"):
            raise ValueError
        value = digits
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError
    if not -LARGEST - 1 <= (whole := int(value)) <= LARGEST:
        raise ValueError
    return whole


def number(value: Any) -> int | None:
    """A whole number; None if it is not set or cannot be converted."""
    try:
        return whole_number(value)
    except MISFITS:
        return None


def count_of(value: Any) -> int | None:
    """A number of things; None if it is not set, cannot be converted or is negative."""
    found = number(value)
    return None if found is None or found < 0 else found
