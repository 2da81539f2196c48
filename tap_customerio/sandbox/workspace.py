"""A made-up workspace: everything in it follows from a seed, and nothing is stored."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from tap_customerio.sandbox.counts import SERIES, Ledger
from tap_customerio.sandbox.deliveries import Deliveries, Delivery
from tap_customerio.sandbox.dice import DAY, Dice, Row
from tap_customerio.sandbox.filters import everybody, predicate
from tap_customerio.sandbox.people import Name, People
from tap_customerio.sandbox.schedule import Drafting, Schedule, Sending
from tap_customerio.sandbox.senders import Senders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

KINDS = ("campaign", "newsletter", "broadcast", "transactional")


class Workspace:
    """A workspace that begins at `since` and goes on for ever.

    Deliveries belong to absolute days: a workspace that begins later shows the same deliveries,
    only fewer of them. `people` and `newsletters` are the numbers at `since`; one person in a
    thousand joins every day, and one newsletter is made every week. Other senders stay as many.
    """

    def __init__(  # noqa: PLR0913 - each has a default, and none depends on another
        self,
        *,
        seed: int = 1,
        since: int = 1_767_225_600,  # 2026-01-01
        per_day: int = 280,
        people: int = 2000,
        campaigns: int = 12,
        newsletters: int = 24,
        broadcasts: int = 4,
        transactional: int = 6,
        drafts_per_day: int = 3,
        gaps: Sequence[tuple[int, int]] = (),
        bursts: Mapping[int, int] | None = None,
    ) -> None:
        """Settle the size; `gaps` are half-open, `bursts` add deliveries to single seconds."""
        if since % DAY:
            raise ValueError("since must be a midnight UTC")
        dice = Dice(seed)
        self.since = since
        self.senders = Senders(
            dice,
            since,
            per_day,
            campaigns=campaigns,
            newsletters=newsletters,
            broadcasts=broadcasts,
            transactional=transactional,
        )
        first_day = since // DAY
        self._people = People(dice, people, first_day)
        self._deliveries = Deliveries(dice, self.senders, self._people)
        sending = Sending(dice, self.senders, per_day, bursts or {})
        self._sent = Schedule(sending, first_day, gaps)
        self._drafts = Schedule(Drafting(dice, drafts_per_day), first_day, gaps)
        self._ledger = Ledger(self._made)

    def deliveries(
        self, start: int, end: int, *, now: float, drafts: bool = False
    ) -> Iterator[Row]:
        """What was created in `[start, end)` and is there at `now`, oldest first."""
        for delivery in self._made(start, end, now, drafts=drafts):
            yield self._deliveries.row(delivery, now)

    def count_deliveries(self, start: int, end: int, *, now: float, drafts: bool = False) -> int:
        """How many `deliveries` would give, without making them."""
        low, high = self._ranks(start, end, now, drafts=drafts)
        return high - low

    def newest_first(
        self, start: int, end: int, *, now: float, drafts: bool = False, skip: int = 0
    ) -> Iterator[Delivery]:
        """The same deliveries from the other end, without their states; `skip` costs nothing."""
        low, high = self._ranks(start, end, now, drafts=drafts)
        schedule = self._drafts if drafts else self._sent
        for day, code in schedule.between(low, high - skip, newest_first=True):
            yield self._deliveries.make(day, code)

    def show(self, delivery: Delivery, now: float, *, tracked: bool = False) -> Row:
        """A delivery as the API shows it at `now`."""
        return self._deliveries.row(delivery, now, tracked=tracked)

    def count_people(self, now: float) -> int:
        """How many people there are."""
        return self._people.count(now)

    def person(self, index: int) -> Row:
        """The profile of the person at this place of the list of all people."""
        return self._people.profile(self._people.number(index))

    def everyone(self, now: float) -> Iterator[Row]:
        """All profiles."""
        return map(self._people.profile, self._people.numbers(now))

    def search(
        self, condition: object, *, now: float, start: int = 0, limit: int
    ) -> tuple[list[Name], int | None]:
        """People who meet a filter, from a place in the list on, and where the next ones begin.

        Raises:
            ValueError: The filter is malformed.
        """
        matches = predicate(condition, self._people)
        places = range(start, self._people.count(now))
        if matches is not everybody:
            people = self._people
            found = (place for place in places if matches(people.number(place)))
            chosen = list(islice(found, limit + 1))
        else:
            chosen = list(places[: limit + 1])
        names = [self._people.name(self._people.number(place)) for place in chosen[:limit]]
        return names, chosen[limit] if len(chosen) > limit else None

    def find(self, kind: str, text: str, now: float) -> Row | None:
        """The profile of the person with this identifier."""
        number = self._people.find(kind, text, now)
        return None if number is None else self._people.profile(number)

    def campaigns(self, now: float) -> list[Row]:
        """All campaigns."""
        return self.senders.rows("campaigns", now)

    def newsletters(self, now: float) -> list[Row]:
        """All newsletters, oldest first."""
        return self.senders.rows("newsletters", now)

    def broadcasts(self, now: float) -> list[Row]:
        """All API-triggered broadcasts."""
        return self.senders.rows("broadcasts", now)

    def transactional(self, now: float) -> list[Row]:
        """All transactional messages."""
        return self.senders.rows("transactional", now)

    def ids(self, collection: str, now: float) -> Sequence[int]:
        """The ids of a list of senders."""
        return self.senders.ids(collection, now)

    def edit(self, collection: str, sender: int, *, at: int) -> None:
        """Let a sender be changed at `at`: from then on that is its `updated`."""
        self.senders.edit(collection, sender, at)

    def metric_counts(
        self, source_type: str, source_id: int, start: int, end: int, now: float
    ) -> dict[str, int]:
        """How many deliveries created in `[start, end)` have reached which state by `now`.

        `source_type` is campaign, newsletter, broadcast or transactional.
        """
        series = self.metric_series(source_type, source_id, (start, end), now)
        return {name: series[name][0] for name in SERIES}

    def metric_series(
        self,
        source_type: str,
        source_id: int,
        edges: Sequence[int],
        now: float,
        *,
        channel: str | None = None,
    ) -> dict[str, list[int]]:
        """The same counts in buckets between neighbouring `edges`."""
        if source_type not in KINDS:
            raise ValueError(f"{source_type} is none of {', '.join(KINDS)}")
        return self._ledger.series(source_type, source_id, edges, now, channel)

    def _made(
        self, start: int, end: int, now: float, *, drafts: bool = False
    ) -> Iterator[Delivery]:
        low, high = self._ranks(start, end, now, drafts=drafts)
        schedule = self._drafts if drafts else self._sent
        for day, code in schedule.between(low, high):
            yield self._deliveries.make(day, code)

    def _ranks(self, start: int, end: int, now: float, *, drafts: bool) -> tuple[int, int]:
        schedule = self._drafts if drafts else self._sent
        end = end if now == float("inf") else min(end, int(now) + 1)
        high = schedule.before(end)
        return schedule.before(min(start, end)), high
