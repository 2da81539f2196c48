"""Manual changes of generated data."""

from __future__ import annotations

Key = int | str


class ChangeLog:
    """Times of manual changes, which apply from then on."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, Key], list[int]] = {}

    def add(self, collection: str, key: Key, at: int) -> None:
        """Record a change."""
        self._at.setdefault((collection, key), []).append(at)

    def latest(self, collection: str, key: Key, now: float, natural: int) -> int:
        """The latest change by `now`, or else the generated one."""
        changes = (at for at in self._at.get((collection, key), ()) if at <= now)
        return max(changes, default=natural)
