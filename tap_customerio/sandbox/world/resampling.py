"""Random facts that are decided again from time to time."""

from __future__ import annotations

from tap_customerio.sandbox.world.rng import DAY


class Resampling:
    """Counts how often a random fact, such as a segment membership, has been decided again.

    Each is decided once in `1 / rate` days, at a time of its own.
    """

    def __init__(self, since: int, rate: float) -> None:
        """Count from the first second of the workspace."""
        self._since = since
        self.rate = rate

    def count(self, now: float, phase: int) -> int:
        """The number of decisions; the lowest 16 bits of `phase` distinguish facts."""
        return max(0, int((now - self._since) * self.rate / DAY + (phase & 0xFFFF) / 65_536))

    def began(self, round_: int, phase: int) -> int:
        """The start of a round after the first one."""
        return self._since + int((round_ - (phase & 0xFFFF) / 65_536) * DAY / self.rate) + 1
