"""Estimates of a first sync from several start dates."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.api.values import seconds
from tap_customerio.commands.command_tap import CommandTap
from tap_customerio.estimates.estimate import Estimate, estimate_stream
from tap_customerio.estimates.samples import Samples, workspace_size
from tap_customerio.streams.messages import Messages
from tap_customerio.streams.senders import SENDER_STREAMS
from tap_customerio.windows import BEGINNING, Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_customerio.api.client import Client

_SENDERS, _PAGES = 3, 1
"""Counts per type of sender, and pages of activities: about ten requests in all."""


class AccountEstimate:
    """Estimates for one workspace, for any start date from the same samples."""

    def __init__(self, client: Client, config: Mapping[str, Any]) -> None:
        """Read what every estimate needs.

        Raises:
            TapError: Nothing can be read.
        """
        self.present, self.rate = client.present, client.limiter.rate
        self.beginning = _first_sender(client, self.present)
        self._client, self._config = client, config
        reach = Window(self.beginning, self.present)
        concurrency = CommandTap(config).settings.concurrency
        self._samples = Samples(client, reach, concurrency, _SENDERS, _PAGES)
        self._found: dict[str | None, dict[str, Estimate]] = {}

    @property
    def people(self) -> int | None:
        """The number of people; None if it cannot be read."""
        with suppress(errors.TapError):
            return workspace_size(self._client, "people").number
        return None

    def deliveries(self, start: str | None) -> int | None:
        """Number created since a start_date; None if they cannot be counted."""
        return self.streams(start)[Messages.name].rows

    def requests(self, stream: str, start: str | None) -> int:
        """Requests of a stream since a start_date, at least one."""
        return max(1, self.streams(start)[stream].requests or 0)

    def streams(self, start: str | None) -> dict[str, Estimate]:
        """The estimates of all streams for a start_date.

        Raises:
            TapError: The start_date is in the future, or nothing can be read.
        """
        if start not in self._found:
            range_ = {"start_date": start} if start else {}
            tap = CommandTap({**self._config, **range_}, client=self._client)
            tap.logger.setLevel(logging.ERROR)
            streams = tap.choose(())
            self._found[start] = {s.name: estimate_stream(s, self._samples) for s in streams}
        return self._found[start]


def _first_sender(client: Client, present: int) -> int:
    """When the oldest sender was created."""
    created = [present]
    for sender in SENDER_STREAMS.values():
        with suppress(errors.ForbiddenError, errors.NotFoundError):
            rows = sender.listing(client)
            created += [
                seconds(row, "created") or seconds(row, "created_at") or BEGINNING for row in rows
            ]
    return min(created)
