"""Changes that someone makes to what the workspace made up."""

from __future__ import annotations

Key = int | str


class ChangeLog:
    """When things were changed by hand; an edit counts from its moment on."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, Key], list[int]] = {}

    def add(self, collection: str, key: Key, at: int) -> None:
        """Note a change."""
        self._at.setdefault((collection, key), []).append(at)

    def latest(self, collection: str, key: Key, now: float, natural: int) -> int:
        """The latest change by `now`, or else the one that would have been anyway."""
        change_log = [at for at in self._at.get((collection, key), ()) if at <= now]
        return max(change_log) if change_log else natural
