"""How often things are decided again."""

from __future__ import annotations

from tap_customerio.sandbox.world.rng import DAY


class Resampling:
    """How often small things, such as a place in a segment, have been decided again by some time.

    Each is decided once in `1 / rate` days, at a moment of its own.
    """

    def __init__(self, since: int, rate: float) -> None:
        """Count from the first second of the workspace."""
        self._since = since
        self.rate = rate

    def count(self, now: float, phase: int) -> int:
        """The number of decisions; the lowest 16 bits of the phase tell one thing from another."""
        return max(0, int((now - self._since) * self.rate / DAY + (phase & 0xFFFF) / 65_536))

    def began(self, round_: int, phase: int) -> int:
        """When a round, which is not the first one, began."""
        return self._since + int((round_ - (phase & 0xFFFF) / 65_536) * DAY / self.rate) + 1
