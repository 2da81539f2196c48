"""Whether a full read proves that unseen rows are deleted, so that a target may drop them."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from tap_customerio import errors
from tap_customerio.sync.provenance import fingerprint
from tap_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_customerio.sync.outcome import ReadOutcome

T = TypeVar("T")

_OTHER_FILTER = "a setting that restricts the read changed since the last sync"

_FIRST_EMPTY = "no row arrived, and there is no earlier read to compare with"
END, TEST = "end_date restricts the read", "a test reads only the first records"
_EXPECTED = frozenset({_OTHER_FILTER, _FIRST_EMPTY, END, TEST})
"""Doubts that follow from the settings; other doubts cause a warning."""


class ProvableStream(Protocol):
    """The part of a stream that `Proof` uses."""

    name: str
    outcome: ReadOutcome
    last: dict[str, Any]
    restricted_by: ClassVar[tuple[str, ...]]

    @property
    def logger(self) -> logging.Logger:
        """The stream's logger."""

    @property
    def config(self) -> Mapping[str, Any]:
        """All settings, including the SDK's."""

    @property
    def stream_state(self) -> dict[str, Any]:
        """The stream's part of the state."""

    def extra_request(self, work: Callable[[], T]) -> T:
        """Make an extra request, outside the slices."""

    def existing(self, slices: list[Any]) -> Callable[[Any], bool]:
        """Return a test of whether a slice belongs to something that still exists."""

    def count_otherwise(self) -> int | None:
        """The number of rows according to another part of the API."""


class Proof:
    """Confirms 404s, and compares the number of rows with the last complete read.

    The state keeps `restricted`, a fingerprint of the settings that limit the read; `rows`, the
    count of the last complete read; and `rows_seen`, the count of a later read that looked wrong.
    The next sync confirms `rows_seen` if it sees about as many rows.
    """

    def __init__(self, stream: ProvableStream) -> None:
        self._stream = stream
        self.rows = 0
        self._has_warned = False
        self.not_found: list[tuple[Any, str]] = []
        """Slices that returned 404, and their requests."""

    def confirm_not_found(self) -> None:
        """Accept a 404 only if a request at the end shows that the slice's owner is gone.

        Raises:
            TapError: The owner still exists, or that is unknown.
        """
        stream, missing = self._stream, self.not_found
        self.not_found = []
        if not missing:
            return
        exists = stream.extra_request(lambda: stream.existing([slice_ for slice_, _ in missing]))
        wrong = [request for slice_, request in missing if exists(slice_)]
        if len(wrong) < len(missing):
            parents = counted(len(missing) - len(wrong), "parent")
            stream.logger.info("Stream %s: %s deleted meanwhile.", stream.name, parents)
        if wrong:
            raise errors.sync.not_deleted(wrong)

    def is_suspicious(self) -> bool:
        """Whether less than half of the earlier rows arrived, and the last sync saw more than that.

        A first read has no expected count, but an empty list proves nothing yet.
        """
        known, seen = self._number("rows"), self._number("rows_seen")
        if not self._stream.outcome.proves_absence:
            return False
        if known is not None and self._stream.last.get("restricted") != self._restricted():
            self._stream.outcome.doubts.append(_OTHER_FILTER)
            return False
        if seen is not None and self.rows <= 2 * seen and seen <= 2 * self.rows:
            return False
        if known is None:
            if not self.rows:
                self._keep_rows(_FIRST_EMPTY)
            return False
        return 2 * self.rows < known

    def judge_second_read(self, first: int) -> None:
        """Accept the second read only if it agrees with the first and with another API count."""
        stream = self._stream
        if not stream.outcome.proves_absence:
            return
        if self.rows != first:
            self._keep_rows(f"two reads differ: {first:,} and {counted(self.rows, 'row')}")
            return
        try:
            known = stream.extra_request(stream.count_otherwise)
        except errors.FatalError:
            raise
        except errors.TapError:
            known = None
        if known is not None and 2 * self.rows < known:
            self._keep_rows(f"two reads found {counted(self.rows, 'row')}", known)
        elif known is None or abs(known - self.rows) > max(known, self.rows) // 10:
            self._keep_rows(f"two reads found {counted(self.rows, 'row')}")

    def _keep_rows(self, reason: str, counted: int | None = None) -> None:
        """Keep a doubt until the next sync sees the same, or while the API itself counts more."""
        self._stream.outcome.doubts.append(reason)
        self._stream.stream_state["rows_seen"] = self.rows
        if counted is not None:
            self._has_warned = True
            self._stream.stream_state.pop("rows_seen")
            warning = errors.sync.counted_more(self._stream.name, reason, counted)
            self._stream.logger.warning("%s", warning)
            return
        if (known := self._number("rows")) is not None:
            self._has_warned = True
            warning = errors.sync.suspiciously_few(self._stream.name, reason, known)
            self._stream.logger.warning("%s", warning)

    def settle(self) -> bool:
        """Whether the target may drop unseen rows; if so, the state stores the number of rows."""
        stream = self._stream
        if stream.outcome.is_complete and set(stream.outcome.doubts) <= {_OTHER_FILTER}:
            stream.stream_state.pop("rows_seen", None)
            stream.stream_state["rows"] = self.rows
            if restricted := self._restricted():
                stream.stream_state["restricted"] = restricted
            else:
                stream.stream_state.pop("restricted", None)
        if stream.outcome.proves_absence:
            return True
        if stream.outcome.is_complete:
            reasons = dict.fromkeys(stream.outcome.doubts)
            is_known = self._has_warned or reasons.keys() <= _EXPECTED
            level = logging.INFO if is_known else logging.WARNING
            message = errors.sync.rows_kept(stream.name, "; ".join(reasons))
            stream.logger.log(level, "%s", message)
        return False

    def _restricted(self) -> str | None:
        values = [self._stream.config.get(name) for name in self._stream.restricted_by]
        return fingerprint(json.dumps(values, sort_keys=True)) if any(values) else None

    def _number(self, name: str) -> int | None:
        found = self._stream.last.get(name)
        return found if isinstance(found, int) else None
