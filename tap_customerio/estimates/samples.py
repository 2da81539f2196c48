"""The few requests from which streams are estimated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from tap_customerio.api.diagnosis import PROBE
from tap_customerio.api.values import count_of
from tap_customerio.estimates.deliveries import Counted, counts
from tap_customerio.streams.activities import arrival, log_pages
from tap_customerio.streams.segments_and_consents import Activities
from tap_customerio.windows import DAY, HOUR, MINUTE, Window

if TYPE_CHECKING:
    from tap_customerio.api.client import Client

_TYPICAL_PAGES = 20

_BURST = HOUR // 4
"""Seconds of activities that may be a burst: more pages are read."""

SHORTEST_SPAN = MINUTE
"""Seconds of activities from which a month can be estimated, though only roughly."""


@dataclass
class Samples:
    """Samples over `reach`, taken when first needed, for any number of estimates; so are errors.

    Attributes:
        client: Sends the requests.
        reach: The range of all estimates.
        workers: Number of requests at a time.
        senders: Maximum number of senders per type whose deliveries are counted.
        pages: Maximum number of pages of the activity log.
    """

    client: Client
    reach: Window
    workers: int
    senders: int = 100
    pages: int = 100

    @property
    def deliveries(self) -> Counted:
        """The deliveries created over time."""
        whole = Window(self.reach.start, min(self.reach.end, self.client.present))
        count = partial(counts, self.client, whole, self.workers, self.senders)
        return self.client.once("sampled deliveries", count)

    @property
    def activities(self) -> ActivityLog:
        """The activity log of about a day, or of the whole reach if that is shorter."""
        return self.client.once("sampled activities", self._read_log)

    def _read_log(self) -> ActivityLog:
        present = self.client.present
        since = max(self.reach.start, present - Activities.kept)
        newest: list[int] = []
        middle = present
        for page in log_pages(self.client):
            arrived = [min(arrival(row, present, since), present) for row in page]
            newest.append(max(arrived, default=newest[-1] if newest else present))
            middle = round(median(arrived)) if arrived else middle
            if newest[-1] < since or self._is_enough(len(newest), present - middle):
                break
        return ActivityLog(newest, middle, present, whole=not page.more)

    def _is_enough(self, pages: int, span: int) -> bool:
        """Whether these pages, or a day of many, are typical; a moment is not."""
        if span < _BURST:
            return pages >= max(self.pages, _TYPICAL_PAGES)
        return pages >= self.pages or (pages >= _TYPICAL_PAGES and span >= DAY)


class ActivityLog(NamedTuple):
    """The newest entry of each page, and the middle one of the last page.

    The middle is a better end than the oldest entry, which may be backdated.
    """

    newest: list[int]
    middle: int
    present: int
    whole: bool

    def pages_since(self, since: int) -> int:
        """The number of pages that a reader of the time since then requests.

        A lower bound if `is_short`.
        """
        for page, moment in enumerate(self.newest, start=1):
            if moment < since:
                return page
        if self.whole or self.is_short(since):
            return len(self.newest)
        pages = (len(self.newest) - 0.5) * (self.present - since) / self.span
        return max(len(self.newest), round(pages))

    @property
    def span(self) -> int:
        """Seconds that the pages cover."""
        return self.present - self.middle

    def is_short(self, since: int) -> bool:
        """Whether more pages follow, but these cover too little time to estimate their number."""
        return self._goes_on(since) and self.span < SHORTEST_SPAN

    def is_rough(self, since: int) -> bool:
        """Whether the number of pages is estimated from what may be a burst."""
        return self._goes_on(since) and SHORTEST_SPAN <= self.span < _BURST

    def _goes_on(self, since: int) -> bool:
        return not self.whole and min(self.newest) >= since


class Size(NamedTuple):
    """The number of people or objects; an upper bound if the account has several workspaces."""

    number: int
    is_upper_bound: bool


def workspace_size(client: Client, what: str) -> Size:
    """How many people or objects the largest workspace of the account has.

    The API does not say to which workspace the key belongs.

    Raises:
        TapError: The workspaces cannot be read.
    """
    rows = client.listing(PROBE, "workspaces", params={"limit": None})
    largest = max((count_of(row.get(what)) or 0 for row in rows), default=0)
    return Size(largest, is_upper_bound=len(rows) > 1)
