"""The API's clock, from the Date headers of responses; bookmarks never use the local clock."""

from __future__ import annotations

import threading


class Clock:
    """The present of a run, and the API's time since then; thread-safe."""

    tolerance = 60
    """Seconds by which the clocks of the API's machines may differ."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.present: int | None = None
        """Unix seconds of the first response: the exclusive end of everything the run reads."""
        self.latest = 0
        """Unix seconds of the latest response; may be about a second older."""

    def note(self, date: float | None) -> None:
        """Store the Date of a response of the API itself, not of a proxy."""
        if date is None:
            return
        with self._lock:
            if self.present is None:
                self.present = int(date)
            self.latest = max(self.latest, int(date))

    def is_timely(self, date: float | None) -> bool:
        """Whether a response is current; an old one may come from a cache."""
        return date is not None and date >= (self.present or 0) - self.tolerance

    def is_future(self, moment: int) -> bool:
        """Whether a moment is after the present, as far as the present is known."""
        return self.present is not None and moment > self.present + self.tolerance
