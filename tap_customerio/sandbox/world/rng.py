"""Pseudorandom numbers that depend only on a seed and a name."""

from __future__ import annotations

from array import array
from hashlib import blake2b, shake_128
from struct import Struct
from typing import Any

Row = dict[str, Any]
"""One JSON object of a response."""

Words = tuple[int, ...]
"""Sixteen numbers from 0 to 65535."""

DAY = 86_400

_words = Struct("<16H").unpack_from
_place = Struct("<qQ").pack
_ID_AT = 32


class Rng:
    """A stateless source of random numbers: the same name gives the same numbers."""

    def __init__(self, seed: int) -> None:
        self._key = seed.to_bytes(8, "little", signed=True)
        self._deliveries = blake2b(digest_size=56, key=self._key)

    def draw(self, *what: int | str) -> Words:
        """Sixteen numbers for a name."""
        return _words(blake2b(repr(what).encode(), digest_size=32, key=self._key).digest())

    def delivery(self, day: int, code: int) -> tuple[Words, bytes]:
        """Sixteen numbers for one delivery, and 24 bytes for its id."""
        draw = self._deliveries.copy()
        draw.update(_place(day, code))
        digest = draw.digest()
        return _words(digest), digest[_ID_AT:]

    def series(self, count: int, *what: int | str) -> array[int]:
        """A number of random numbers; a longer series begins with the shorter one."""
        numbers = array("H")
        numbers.frombytes(shake_128(self._key + repr(what).encode()).digest(2 * count))
        return numbers


def lateness(what: int, longest: int) -> int:
    """A delay in seconds: mostly short, sometimes almost the maximum."""
    chance = what * 0x9E3779B97F4A7C15 >> 40 & 0xFFFF
    return chance**3 * longest >> 48
