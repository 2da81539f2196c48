"""What a read of a stream did not get: it decides exit code, bookmarks and ACTIVATE_VERSION."""

from __future__ import annotations


class ReadOutcome:
    """How complete one read of one stream is.

    `missing` holds a sentence for each slice that could not be read, `rows_lost` counts rows that
    could not become records. `doubts` holds reasons why a row that was not seen may still exist.
    """

    def __init__(self) -> None:
        """Start complete."""
        self.missing: list[str] = []
        self.rows_lost = 0
        self.doubts: list[str] = []

    @property
    def is_complete(self) -> bool:
        """Whether every record in range arrived; if not, the run ends with exit code 1."""
        return not (self.missing or self.rows_lost)

    @property
    def proves_absence(self) -> bool:
        """Whether a row that was not seen is gone, so that a target may drop it."""
        return self.is_complete and not self.doubts
