"""A generated workspace: it depends only on a seed, and stores nothing."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from tap_customerio.sandbox.world.activities import Activities
from tap_customerio.sandbox.world.change_log import ChangeLog
from tap_customerio.sandbox.world.churn import Churn
from tap_customerio.sandbox.world.counts import SERIES, Counts, Subject
from tap_customerio.sandbox.world.deliveries import Deliveries, Delivery
from tap_customerio.sandbox.world.filters import everyone, predicate
from tap_customerio.sandbox.world.identity_index import IdentityIndex
from tap_customerio.sandbox.world.people import Name, People
from tap_customerio.sandbox.world.people_admin import PeopleAdmin
from tap_customerio.sandbox.world.person_history import PersonHistory
from tap_customerio.sandbox.world.records import Records
from tap_customerio.sandbox.world.resampling import Resampling
from tap_customerio.sandbox.world.rng import DAY, Rng, Row
from tap_customerio.sandbox.world.schedule import Drafting, Schedule, Sending, is_listed
from tap_customerio.sandbox.world.senders import Senders

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

KINDS = ("campaign", "newsletter", "broadcast", "transactional")


class Workspace(Records):
    """A workspace that begins at `since` and never ends.

    Deliveries belong to absolute days: a workspace that begins later shows fewer of the same
    deliveries. `people` and `newsletters` are the numbers at `since`; one person in a
    thousand joins every day, and one newsletter is created every week. Other lists keep their size,
    except activities, exports and triggers of broadcasts. `empty` names lists without rows.

    `churn` is the share of the people with an event every day: an attribute or device changes, they
    are deleted, or merged into another; as many join. Once in `1 / churn` days, segment
    memberships, opt-outs, relationships to objects and suppressed addresses are drawn again.
    `people_admin` makes such events on demand. The log records events up to `log_lag` seconds
    later.

    `identified_by` names the identifiers of people besides cio_id: "id", and optionally "email" and
    "phone". `late_event` is the number of seconds after a deletion at which an app's event restores
    the person. `siblings` are the ids of the other workspaces of the account.
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
        activities_per_day: int = 40,
        objects_per_type: int = 60,
        churn: float = 0,
        log_lag: int = 0,
        identified_by: Collection[str] = ("id", "email"),
        late_event: int | None = None,
        siblings: Sequence[int] = (),
        empty: Collection[str] = (),
        gaps: Sequence[tuple[int, int]] = (),
        bursts: Mapping[int, int] | None = None,
    ) -> None:
        """Set the size; `gaps` are half-open, `bursts` add deliveries to single seconds."""
        if since % DAY:
            raise ValueError("since must be a midnight UTC")
        rng, changes, first_day = Rng(seed), ChangeLog(), since // DAY
        sizes = campaigns, newsletters, broadcasts, transactional
        senders = Senders(rng, changes, since, per_day, *sizes)
        history, resampling = PersonHistory(first_day, log_lag), Resampling(since, churn)
        persons = People(rng, people, first_day, history, resampling, "email" in identified_by)
        self.identity_index = IdentityIndex(persons, identified_by)
        self.people_admin = PeopleAdmin(persons, self.identity_index, late_event, self._forget)
        history.make = Churn(rng, persons, churn).day if churn else None
        super().__init__(rng, changes, since, senders, persons, resampling, objects_per_type, empty)
        self.log = Activities(rng, persons, first_day, activities_per_day, self._some_delivery)
        self._deliveries = Deliveries(rng, senders, persons)
        self._sent = Schedule(Sending(rng, senders, per_day, bursts or {}), first_day, gaps)
        self._drafts = Schedule(Drafting(rng, drafts_per_day), first_day, gaps)
        self.counts, self.siblings = Counts(self._made), siblings

    def deliveries(
        self, start: int, end: int, *, now: float, drafts: bool = False
    ) -> Iterator[Row]:
        """Deliveries created in `[start, end)` and present at `now`, oldest first."""
        for delivery in self._made(start, end, now, drafts=drafts):
            yield self._deliveries.row(delivery, now)

    def count_deliveries(self, start: int, end: int, *, now: float, drafts: bool = False) -> int:
        """The number of `deliveries`, without generating them."""
        low, high = self._ranks(start, end, now, drafts=drafts)
        return high - low

    def newest_first(  # noqa: PLR0913 - from when to when, as of when
        self,
        start: int,
        end: int,
        *,
        now: float,
        drafts: bool = False,
        skip: int = 0,
        lag: int = 0,
    ) -> Iterator[Delivery]:
        """The same deliveries, newest first and without states; skipping is cheap.

        With a `lag`, deliveries that are not listed yet are omitted.
        """
        low, high = self._ranks(start, end, now, drafts=drafts)
        schedule = self._drafts if drafts else self._sent
        if lag:
            listed = min(max(schedule.before(int(now) - lag), low), high)
            recent = schedule.between(listed, high, newest_first=True)
            late = [place for place in recent if is_listed(*place, now, lag)]
            yield from (self._deliveries.make(*place) for place in late[skip:])
            high, skip = listed, max(skip - len(late), 0)
        for day, code in schedule.between(low, high - skip, newest_first=True):
            yield self._deliveries.make(day, code)

    def show(self, delivery: Delivery, now: float, *, tracked: bool = False) -> Row:
        """A delivery as the API shows it at `now`."""
        return self._deliveries.row(delivery, now, tracked=tracked)

    def count_people(self, now: float) -> int:
        """The number of people."""
        return self.people.count(now)

    def everyone(self, now: float) -> Iterator[Row]:
        """All profiles."""
        return (self.people.profile(number, now) for number in self.people.numbers(now))

    def search(
        self, condition: object, *, now: float, start: int = 0, limit: int
    ) -> tuple[list[Name], int | None]:
        """People who match a filter, from a position in the list on, and the next position.

        Raises:
            ValueError: The filter is malformed.
        """
        people = self.people
        matches = predicate(condition, people, now)
        places = people.places(now, start)
        if matches is not everyone:
            places = (place for place in places if matches(people.number(place)))
        found = list(islice(places, limit + 1))
        names = [people.name(people.number(place), now) for place in found[:limit]]
        return names, found[limit] if len(found) > limit else None

    def find(self, kind: str, text: str, now: float) -> Row | None:
        """The profile of the person with this identifier."""
        number = self.identity_index.find(kind, text, now)
        return None if number is None else self.people.profile(number, now)

    def activities(self, start: int, end: int, *, now: float) -> Iterator[Row]:
        """Log entries that arrived in `[start, end)`, oldest first, of any age."""
        return self.log.between(start, end, now)

    def metric_counts(  # noqa: PLR0913 - whose, from when to when, as of when
        self,
        source_type: str,
        source_id: int,
        start: int,
        end: int,
        now: float,
        *,
        parts: Iterable[int] | None = None,
    ) -> dict[str, int]:
        """Counts by state at `now` of the deliveries created in `[start, end)`.

        `source_type` is campaign, newsletter, broadcast or transactional; `parts` are ids of
        actions or contents.
        """
        series = self.metric_series(source_type, source_id, (start, end), now, parts=parts)
        return {name: series[name][0] for name in SERIES}

    def metric_series(  # noqa: PLR0913 - the same, in which buckets
        self,
        source_type: str,
        source_id: int,
        edges: Sequence[int],
        now: float,
        *,
        channel: str | None = None,
        parts: Iterable[int] | None = None,
    ) -> dict[str, list[int]]:
        """The same counts in buckets between adjacent `edges`."""
        subject = _subject(source_type, source_id, parts)._replace(channel=channel)
        return self.counts.series(subject, edges, now)

    def link_counts(  # noqa: PLR0913 - the same
        self,
        source_type: str,
        source_id: int,
        start: int,
        end: int,
        now: float,
        *,
        parts: Iterable[int] | None = None,
    ) -> dict[int, dict[str, int]]:
        """Clicks by link on these deliveries by `now`."""
        links = self.counts.links(_subject(source_type, source_id, parts), (start, end), now)
        return {
            link: {name: counts[0] for name, counts in series.items()}
            for link, series in links.items()
        }

    def journey_counts(self, campaign: int, start: int, end: int, now: float) -> dict[str, int]:
        """Journeys that began in `[start, end)`, counted by state at `now`."""
        series = self.journeys.series(campaign, (start, end), now)
        return {name: counts[0] for name, counts in series.items()}

    def _forget(self, day: int) -> None:
        """Discard caches that depend on people, after a manual change."""
        self.log.forget(day)
        self.counts.forget()

    def _made(
        self, start: int, end: int, now: float, *, drafts: bool = False
    ) -> Iterator[Delivery]:
        low, high = self._ranks(start, end, now, drafts=drafts)
        schedule = self._drafts if drafts else self._sent
        for day, code in schedule.between(low, high):
            yield self._deliveries.make(day, code)

    def _some_delivery(self, start: int, end: int, pick: int) -> Delivery | None:
        """A delivery created in `[start, end)`, if there is one."""
        low, high = self._sent.before(start), self._sent.before(end)
        if low == high:
            return None
        rank = low + pick % (high - low)
        return self._deliveries.make(*next(self._sent.between(rank, rank + 1)))

    def _ranks(self, start: int, end: int, now: float, *, drafts: bool) -> tuple[int, int]:
        schedule = self._drafts if drafts else self._sent
        end = end if now == float("inf") else min(end, int(now) + 1)
        high = schedule.before(end)
        return schedule.before(min(start, end)), high


def _subject(kind: str, sender: int, parts: Iterable[int] | None) -> Subject:
    if kind not in KINDS:
        raise ValueError(f"{kind} is none of {', '.join(KINDS)}")
    return Subject(kind, sender, parts=None if parts is None else frozenset(parts))
