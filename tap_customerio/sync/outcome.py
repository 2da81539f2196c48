"""What a read missed; this decides the exit code, bookmarks and ACTIVATE_VERSION."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from tap_customerio import errors

if TYPE_CHECKING:
    import logging

_HANDFUL = 5
"""A stream gives up after this many failed slices without a success."""

_REFUSED = 50
"""The same for slices that may be rejected for different reasons."""

_SHOWN = 3
"""Maximum number of rows named per field, and of slices per stream."""


class Tally:
    """Counts an event per field, and keeps the ids of the first rows."""

    def __init__(self) -> None:
        """Start at zero; worker threads add to it as well."""
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._rows: dict[str, dict[str, None]] = {}

    def add(self, field: str, row: str = "") -> None:
        """Count once; `row` is the id of the row, never a value."""
        with self._lock:
            self._counts[field] += 1
            rows = self._rows.setdefault(field, {})
            if row and row not in rows:
                rows[row if len(rows) < _SHOWN else "…"] = None

    @property
    def total(self) -> int:
        """The sum over all fields."""
        return self._counts.total()

    def __str__(self) -> str:
        """Each field with its count and ids."""
        return "; ".join(map(self._field, sorted(self._counts)))

    def _field(self, field: str) -> str:
        rows = self._rows[field]
        ids = f" ({', '.join(rows)})" if rows else ""
        return f"{field}: {self._counts[field]:,}{ids}"


class ReadOutcome:
    """How complete one read of one stream is.

    `missing` names each slice that could not be read, `rows_lost` counts rows that could not become
    records, and `failed` means that the stream was not read to its end. `doubts` holds reasons why
    an unseen row may still exist.
    `unreadable` counts values that became null in rows that arrived; `lost` counts lost rows.
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
        """Count a row lost because of a field; `row` is its id, or its parent's."""
        self.lost.add(field, row)
        self.rows_lost += 1

    def report_values(self, stream: str, logger: logging.Logger) -> None:
        """Log the values that became null, and the lost rows."""
        if self.unreadable.total:
            logger.warning("%s", errors.sync.unreadable_values(stream, self.unreadable))
        if self.lost.total:
            logger.error("%s", errors.sync.rows_lost(stream, self.lost))

    @property
    def is_complete(self) -> bool:
        """Whether every record in range arrived; otherwise the run ends with exit code 1."""
        return not (self.failed or self.missing or self.rows_lost)

    @property
    def proves_absence(self) -> bool:
        """Whether an unseen row is gone, so that a target may drop it."""
        return self.is_complete and not self.doubts

    def miss(self, error: errors.TapError) -> None:
        """Leave out a slice.

        Raises:
            TapError: The first error, when several slices are missing and no page has arrived: the
                other slices would fail too.
        """
        self._first = self._first or error
        self.missing.append(error.brief)
        if len(self.missing) >= (
            _REFUSED if isinstance(error, errors.BadRequestError) else _HANDFUL
        ):
            self.check()

    def check(self) -> None:
        """Check that not everything is missing.

        Raises:
            TapError: The first error, when only missing slices remain.
        """
        if self._first is not None and (self.slices == 1 or not self.has_pages):
            raise self._first

    def summary(self) -> str | None:
        """A sentence about the missing slices, if the others were read; None if none is missing."""
        if self.slices == 1 or not (self.missing and self.has_pages):
            return None
        names = list(dict.fromkeys(self.missing))
        more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
        return (
            f"{len(self.missing):,} of its requests could not be read: "
            f"{', '.join(names[:_SHOWN])}{more}. The rest was read; the next run tries again."
        )
