"""Merges of people, as far as the activity log shows them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.api.values import seconds
from tap_customerio.streams.activities import LOG_LAG, LOGGED, cio_ids_in, entries
from tap_customerio.windows import DAY, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_customerio.api.client import Client

logger = logging.getLogger("tap-customerio.merges")


class Merges:
    """When each person last took over deliveries; a merge changes deliveries, but no timestamp.

    The state keeps merges until the deliveries have passed their last age. An unknown merge counts
    as a merge of everyone: then the tap sends unchanged deliveries too, and misses none.
    """

    most = 1000

    def __init__(self, state: Mapping[str, Any] | None, ages: Sequence[float]) -> None:
        """Load a state: it knows the merges `until` a time, and each of them from `before` on.

        Raises:
            ValueError, AttributeError or TypeError: The state holds something else.
        """
        state = state or {}
        self.until: int | None = parse(state["until"]) if "until" in state else None
        self._before = parse(state["before"]) if "before" in state else 0
        self._people = {who: parse(at) for who, at in (state.get("people") or {}).items()}
        self._kept = round(max(ages, default=0) * DAY * 1.1) + LOG_LAG

    def last(self, cio_id: str) -> int:
        """When the person may last have taken over deliveries, in unix seconds."""
        return max(self._before, self._people.get(cio_id, 0))

    def learn(self, client: Client, began: int) -> None:
        """Read new entries of the log; `began` is the time of the first read of deliveries."""
        present = client.present
        since = began if self.until is None else self.until
        if since < present - LOGGED:
            self._before = since = present - LOGGED
        try:
            for entry in entries(client, "profile_merge", since - LOG_LAG):
                self._note(entry, present)
        except errors.FatalError:
            raise
        except errors.TapError as error:
            logger.info("Merges are not known, so all deliveries read again are sent: %s", error)
            self._before = present
        self.until = present
        self._forget(present - self._kept)

    def as_state(self) -> dict[str, Any]:
        """The state for a later run."""
        people = {who: rfc3339(at) for who, at in sorted(self._people.items())}
        return {
            "until": rfc3339(self.until or 0),
            "before": rfc3339(self._before),
            "people": people,
        }

    def _note(self, entry: dict[str, Any], present: int) -> None:
        at = seconds(entry, "timestamp") or present
        people = set(cio_ids_in(entry))
        if not people:
            self._before = max(self._before, at)
        for who in people:
            self._people[who] = max(at, self._people.get(who, 0))

    def _forget(self, before: int) -> None:
        """Drop merges that no delivery needs any more, and the oldest if there are too many."""
        newest = sorted(self._people.items(), key=lambda item: -item[1])
        if len(newest) > self.most:
            self._before = max(self._before, newest[self.most][1])
        self._people = {who: at for who, at in newest[: self.most] if at >= before}
