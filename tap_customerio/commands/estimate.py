"""Estimates of a first sync from several start dates."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from tap_customerio import errors
from tap_customerio.api.values import seconds
from tap_customerio.commands.command_tap import CommandTap
from tap_customerio.estimates.estimate import Estimate, estimate_stream
from tap_customerio.estimates.samples import Samples, workspace_size
from tap_customerio.streams.senders import SENDER_STREAMS
from tap_customerio.streams.slices import attempted
from tap_customerio.windows import BEGINNING, Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_customerio.api.client import Client

_SENDERS, _PAGES = 3, 1
"""Counts per type of sender, and pages of activities: about ten requests in all."""


class AccountEstimate:
    """Estimates for one workspace, for any start date from the same samples."""

    def __init__(self, tap: CommandTap) -> None:
        """Read what every estimate needs.

        Raises:
            TapError: Nothing can be read.
        """
        self._tap, client = tap, tap.client
        self.present, self.rate = client.present, client.limiter.rate
        self.beginning = _first_sender(client, self.present)
        reach = Window(self.beginning, self.present)
        self._samples = Samples(client, reach, tap.settings.concurrency, _SENDERS, _PAGES)
        self._found: dict[str | None, dict[str, Estimate]] = {}

    @property
    def people(self) -> int | None:
        """The number of people; None if it cannot be read."""
        with suppress(errors.TapError):
            return workspace_size(self._tap.client, "people").number
        return None

    def cost(self, streams: Iterable[str], start: str | None) -> Estimate:
        """The sum for these streams since a start_date; at least one request each."""
        every = self.streams(start)
        found = [every[stream] for stream in streams]
        known = [max(1, each.requests) for each in found if each.requests is not None]
        requests = sum(known) if known or not found else None
        more = not all(each.is_complete for each in found)
        return Estimate("", requests=requests, more=more)

    def streams(self, start: str | None) -> dict[str, Estimate]:
        """The estimates of all streams for a start_date.

        Raises:
            TapError: The start_date is in the future, or nothing can be read.
        """
        if start not in self._found:
            range_ = {"start_date": start} if start else {}
            tap = CommandTap({**self._tap.config, **range_}, client=self._tap.client)
            streams = tap.select_streams(())
            self._found[start] = {s.name: estimate_stream(s, self._samples) for s in streams}
        return self._found[start]


def _first_sender(client: Client, present: int) -> int:
    """When the oldest sender that can be listed was created."""
    lists = (attempted(partial(sender.listing, client)) for sender in SENDER_STREAMS.values())
    found = list(chain.from_iterable(lists))
    rows = [row for row in found if not isinstance(row, errors.TapError)]
    created = [seconds(row, "created") or seconds(row, "created_at") or BEGINNING for row in rows]
    return BEGINNING if found and not rows else max(BEGINNING, min([present, *created]))
