"""Estimates the requests of a first sync from a few samples."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.api.diagnosis import PROBE
from tap_customerio.api.values import seconds
from tap_customerio.streams.activities import log_pages
from tap_customerio.streams.senders import SENDER_STREAMS
from tap_customerio.streams.slices import checked
from tap_customerio.windows import BEGINNING, DAY

if TYPE_CHECKING:
    from tap_customerio.api.client import Client
    from tap_customerio.streams.base import CustomerioStream

PER_PERSON = {"customers": 0.011, "customer_relationships": 1, "subscription_preferences": 1}
PER_OBJECT = {"objects": 1, "object_relationships": 1}

_MONTH = 30 * DAY
_MONTHS = 6
_MESSAGES_PAGE = 1000
_WINDOWS = 5


class AccountEstimate:
    """Estimates for one workspace; requests shared by streams count once or not at all."""

    def __init__(self, client: Client) -> None:
        """Take samples with about ten requests.

        Raises:
            TapError: Nothing can be read.
        """
        self.present, self.rate = client.present, client.limiter.rate
        self._months = [self._month(client, number) for number in range(_MONTHS)]
        rows = self._workspaces(client)
        self.people = max((row.get("people") or 0 for row in rows), default=0)
        self._objects = max((row.get("objects") or 0 for row in rows), default=0)
        self._activities = self._activity_pages(client)
        self.beginning = self._first_sender(client)

    def deliveries(self, start: int) -> int:
        """Estimated number created since a time; before six months ago at the same rate."""
        months = (self.present - start) / _MONTH
        known = sum(
            count * min(1.0, months - number)
            for number, count in enumerate(self._months)
            if number < months
        )
        beyond = max(0.0, months - _MONTHS) * self._months[-1]
        return round(known + beyond)

    def requests(self, stream: CustomerioStream, start: int) -> int:
        """Estimated requests of a stream, without its parents."""
        if stream.name in PER_PERSON:
            return 1 + round(self.people * PER_PERSON[stream.name])
        if stream.name in PER_OBJECT:
            return 1 + round(self._objects * PER_OBJECT[stream.name])
        if stream.name == "messages":
            return _WINDOWS + self.deliveries(start) // _MESSAGES_PAGE
        if stream.name == "activities":
            return self._activities
        return max(1, sum(1 for _ in map(checked, stream.slices())))

    def _month(self, client: Client, number: int) -> float:
        """Estimated number of deliveries in a month, from the newest thousand."""
        end = self.present - number * _MONTH
        params = {"start_ts": end - _MONTH, "end_ts": end - 1, "limit": _MESSAGES_PAGE}
        rows, more = self._sample(client, "/v1/messages", "messages", params)
        oldest = min((seconds(row, "created") or end for row in rows), default=end)
        return len(rows) * (_MONTH / max(1, end - oldest) if more else 1)

    def _activity_pages(self, client: Client) -> int:
        """Estimated pages of the activity log, which covers thirty days."""
        try:
            page = next(log_pages(client))
            rows = list(page)
        except errors.FatalError:
            raise
        except errors.TapError:
            return 1
        span = self.present - min((seconds(row, "timestamp") or 0 for row in rows), default=0)
        return max(1, _MONTH // max(1, span)) if page.more else 1

    def _first_sender(self, client: Client) -> int:
        """When the oldest sender was created."""
        created = [self.present]
        for sender in SENDER_STREAMS.values():
            with suppress(errors.ForbiddenError, errors.NotFoundError):
                rows = sender.listing(client)
                created += [
                    seconds(row, "created") or seconds(row, "created_at") or BEGINNING
                    for row in rows
                ]
        return min(created)

    def _workspaces(self, client: Client) -> list[dict[str, Any]]:
        """Every workspace of the account; the API does not say which one is the key's."""
        try:
            return client.listing(PROBE, "workspaces", params={"limit": None})
        except errors.TapError:
            return []

    def _sample(
        self, client: Client, path: str, key: str, params: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], bool]:
        try:
            answer = client.fetch("GET", path, params=params)
            return answer.objects(key), bool(answer.get("next"))
        except errors.FatalError:
            raise
        except errors.TapError:
            return [], False
