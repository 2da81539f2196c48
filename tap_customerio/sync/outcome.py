"""What a read of a stream did not get: it decides exit code, bookmarks and ACTIVATE_VERSION."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from tap_customerio import errors

if TYPE_CHECKING:
    import logging

_HANDFUL = 5
"""Slices that fail, and nothing that is read, before a stream is given up."""

_REFUSED = 50
"""The same, where each may be refused for a reason of its own."""

_SHOWN = 3
"""Rows named for each field, and slices for each stream."""


class Tally:
    """How often something happened to each field, and the ids of the first rows."""

    def __init__(self) -> None:
        """Start empty; worker threads add to it as well."""
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._rows: dict[str, dict[str, None]] = {}

    def add(self, field: str, row: str = "") -> None:
        """Count one more; `row` is the id of the row, never a value."""
        with self._lock:
            self._counts[field] += 1
            rows = self._rows.setdefault(field, {})
            if row and row not in rows:
                rows[row if len(rows) < _SHOWN else "…"] = None

    @property
    def total(self) -> int:
        """How often it happened in all."""
        return self._counts.total()

    def __str__(self) -> str:
        """Each field, how often, and the ids."""
        return "; ".join(map(self._field, sorted(self._counts)))

    def _field(self, field: str) -> str:
        rows = self._rows[field]
        ids = f" ({', '.join(rows)})" if rows else ""
        return f"{field}: {self._counts[field]:,}{ids}"


class ReadOutcome:
    """How complete one read of one stream is.

    `missing` names each slice that could not be read, `rows_lost` counts rows that could not become
    records, and `failed` says that the stream was not read to its end. `doubts` holds reasons why a
    row that was not seen may still exist.
    `unreadable` names values that became null; their rows arrived. `lost` names rows that did not.
    """

    def __init__(self) -> None:
        self.failed = False
        self.slices = 0
        self.has_pages = False
        self.missing: list[str] = []
        self.rows_lost = 0
        self.doubts: list[str] = []
        self.unreadable = Tally()
        self.lost = Tally()
        self._first: errors.TapError | None = None

    def lose_row(self, field: str, row: str = "") -> None:
        """Count a row that cannot arrive because of a field; `row` is its id, or its parent's."""
        self.lost.add(field, row)
        self.rows_lost += 1

    def report_values(self, stream: str, logger: logging.Logger) -> None:
        """Log what became null, and rows that did not arrive."""
        if self.unreadable.total:
            logger.warning("%s", errors.sync.unreadable_values(stream, self.unreadable))
        if self.lost.total:
            logger.error("%s", errors.sync.rows_lost(stream, self.lost))

    @property
    def is_complete(self) -> bool:
        """Whether every record in range arrived; if not, the run ends with exit code 1."""
        return not (self.failed or self.missing or self.rows_lost)

    @property
    def proves_absence(self) -> bool:
        """Whether a row that was not seen is gone, so that a target may drop it."""
        return self.is_complete and not self.doubts

    def miss(self, error: errors.TapError) -> None:
        """Leave out a slice.

        Raises:
            TapError: The first one, when several slices are missing and no page has arrived: the
                others would fare no better.
        """
        self._first = self._first or error
        self.missing.append(error.brief)
        if len(self.missing) >= (
            _REFUSED if isinstance(error, errors.BadRequestError) else _HANDFUL
        ):
            self.check()

    def check(self) -> None:
        """Check that there is more than what is missing.

        Raises:
            TapError: The first one.
        """
        if self._first is not None and (self.slices == 1 or not self.has_pages):
            raise self._first

    def summary(self) -> str | None:
        """Which slices are missing, in a sentence, if the others were read."""
        if self.slices == 1 or not (self.missing and self.has_pages):
            return None
        names = list(dict.fromkeys(self.missing))
        more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
        return (
            f"{len(self.missing):,} of its requests could not be read: "
            f"{', '.join(names[:_SHOWN])}{more}. The rest was read; the next run tries again."
        )
