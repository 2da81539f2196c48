"""All lists of a workspace except deliveries and activities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_customerio.sandbox.world.actions import Actions
from tap_customerio.sandbox.world.consents import Consents
from tap_customerio.sandbox.world.contents import Contents
from tap_customerio.sandbox.world.design_studio import SIZES, DesignStudio
from tap_customerio.sandbox.world.journey_counts import JourneyCounts
from tap_customerio.sandbox.world.objects import Objects
from tap_customerio.sandbox.world.rng import DAY
from tap_customerio.sandbox.world.segments import Segments
from tap_customerio.sandbox.world.workspace_lists import PLAIN, WorkspaceLists

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from tap_customerio.sandbox.world.change_log import ChangeLog, Key
    from tap_customerio.sandbox.world.people import People
    from tap_customerio.sandbox.world.resampling import Resampling
    from tap_customerio.sandbox.world.rng import Rng, Row
    from tap_customerio.sandbox.world.senders import Senders

SENDERS = ("campaigns", "newsletters", "broadcasts", "transactional")
EMPTIABLE = frozenset({
    "object_types", "opt_outs", "sender_identities", "subscription_channels",
    "subscription_topics", "suppressions", *PLAIN, *SIZES,
})  # fmt: skip
EVER = float("inf")


class Records:
    """Lists, and manual changes of them."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a workspace is made of
        self,
        rng: Rng,
        change_log: ChangeLog,
        since: int,
        senders: Senders,
        people: People,
        resampling: Resampling,
        objects_per_type: int,
        empty: Collection[str],
    ) -> None:
        """Fill all lists that are not to be empty."""
        if unknown := set(empty) - EMPTIABLE:
            raise ValueError(f"{', '.join(sorted(unknown))} cannot be empty")
        self.since = since
        self.senders = senders
        self.people = people
        self.journeys = JourneyCounts(rng, since // DAY)
        self.consents = Consents(rng, people, since, resampling)
        self.catalog = Objects(rng, people, since, resampling, objects_per_type)
        self.workspace_lists = WorkspaceLists(rng, change_log, since)
        self.design_studio = DesignStudio(rng, change_log, since)
        self._change_log = change_log
        self._empty = empty
        self._actions = Actions(rng, senders, change_log, since)
        self._contents = Contents(senders, change_log)
        self._segments = Segments(rng, change_log, since)

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

    def edit(self, collection: str, key: Key, *, at: int) -> None:
        """Change an item at `at`, which becomes the time of its update.

        The collection is a list with such a time; `key` is an id, or the name of a snippet.
        """
        if key not in self._keys(collection, at):
            raise KeyError(f"{collection} {key}")
        self._change_log.add(collection, key, at)

    def actions(self, collection: str, sender: int, now: float = EVER) -> list[Row]:
        """The actions of one of the campaigns or broadcasts."""
        return self._actions.rows(collection, sender, now)

    def contents(self, collection: str, sender: int, now: float = EVER) -> list[Row]:
        """The contents of one of the newsletters or transactional messages."""
        return self._contents.rows(collection, sender, now)

    def parts(self, collection: str, sender: int) -> dict[int, frozenset[int]]:
        """The parts of a sender with separate counts, and their actions or contents."""
        has_contents = collection in {"newsletters", "transactional"}
        return (self._contents if has_contents else self._actions).parts(collection, sender)

    def variants(self, collection: str, sender: int, branch: int) -> dict[int, str]:
        """The translated actions, and their languages."""
        return self._actions.variants(collection, sender, branch)

    def triggers(self, broadcast: int, now: float) -> list[Row]:
        """The triggers of a broadcast, oldest first."""
        return self._actions.triggers(broadcast, now)

    def test_groups(self, newsletter: int) -> list[Row]:
        """The groups of a newsletter's A/B test."""
        return self._contents.test_groups(newsletter)

    def segments(self, now: float) -> list[Row]:
        """All segments."""
        return self._segments.rows(now)

    def members(self, segment: int, now: float) -> Iterator[Row]:
        """The identifiers of the people in a segment."""
        for number in self.people.numbers(now):
            if self.people.is_member(segment, number, now):
                yield self.people.name(number, now).row()

    def segment_usage(self, segment: int, now: float) -> Row:
        """The campaigns and newsletters that include or exclude a segment's people."""
        lists = ("trigger_segment_ids", "filter_segment_ids")
        campaigns = [
            row for row in self.campaigns(now) if any(segment in row.get(k, ()) for k in lists)
        ]
        newsletters = self.newsletters(now)
        return _usage(
            campaigns,
            [row for row in newsletters if segment in row.get("recipient_segment_ids", ())],
        )

    def sender_usage(self, sender: int, now: float) -> Row:
        """The campaigns and newsletters that use a sender."""

        def comes(row: Row) -> bool:
            return sender in {row.get("from_id"), row.get("sender_identity_id")}

        def any_of(rows: list[Row]) -> bool:
            return any(map(comes, rows))

        campaigns = [r for r in self.campaigns(now) if any_of(self.actions("campaigns", r["id"]))]
        newsletters = self.newsletters(now)
        return _usage(
            campaigns, [r for r in newsletters if any_of(self.contents("newsletters", r["id"]))]
        )

    def opt_outs(self, now: float) -> list[Row]:
        """All people with opt-outs from text messages."""
        return self._unless_empty("opt_outs", self.consents.opt_outs(now))

    def subscription_topics(self) -> list[Row]:
        """Topics that people can subscribe to."""
        return self._unless_empty("subscription_topics", self.consents.topics())

    def subscription_channels(self) -> list[Row]:
        """Channels that people can subscribe to."""
        return self._unless_empty("subscription_channels", self.consents.channels())

    def suppressions(self, kind: str, now: float, domain: str | None = None) -> list[Row]:
        """Addresses that the e-mail provider suppresses, of all sending domains or of one."""
        return self._unless_empty("suppressions", self.consents.suppressions(kind, now, domain))

    def object_types(self) -> list[Row]:
        """All types of objects; their ids are text."""
        return self._unless_empty("object_types", self.catalog.types())

    def objects(self, kind: int | str) -> list[Row]:
        """All objects of a type, with their attributes."""
        return [self.catalog.row(int(kind), at) for at in range(self.count_objects(kind) or 0)]

    def count_objects(self, kind: int | str) -> int | None:
        """The number of objects of a type; None if the type does not exist."""
        return None if "object_types" in self._empty else self.catalog.count(int(kind))

    def object_relationships(self, kind: int | str, object_id: str, now: float) -> list[Row]:
        """The identifiers of an object's people."""
        place = self.catalog.find(int(kind), "object_id", object_id)
        numbers = [] if place is None else self.catalog.people(int(kind), place, now)
        return [self.people.name(number, now).row() for number in numbers]

    def relationships(self, number: int, now: float) -> list[Row]:
        """A person's objects."""
        return self._unless_empty("object_types", self.catalog.related(number, now))

    def preferences(self, number: int, now: float, language: str = "") -> Row:
        """A person's subscription preferences."""
        preferences = self.consents.preferences(number, now, language)
        return preferences | {
            "topics": self._unless_empty("subscription_topics", preferences["topics"])
        }

    def plain(self, name: str, now: float) -> list[Row]:
        """All rows of a list that has its own path and no pages."""
        return self._unless_empty(name, self.workspace_lists.plain(name, now))

    def collections(self, now: float) -> list[Row]:
        """All collections, without their rows."""
        return self.plain("collections", now)

    def collection_content(self, collection: int) -> Any:
        """The rows of a collection, or its one object."""
        return self.workspace_lists.collection_content(collection)

    def snippets(self, now: float) -> list[Row]:
        """All snippets."""
        return self.plain("snippets", now)

    def sender_identities(self, now: float = EVER) -> list[Row]:
        """All senders, hidden ones included."""
        return self._unless_empty("sender_identities", self.workspace_lists.sender_identities(now))

    def reporting_webhooks(self, now: float = EVER) -> list[Row]:
        """All reporting webhooks, with the passwords in their URLs."""
        return self.plain("reporting_webhooks", now)

    def exports(self, now: float) -> list[Row]:
        """The exports that are still listed, newest first."""
        return self.plain("exports", now)

    def files(self, collection: str, now: float = EVER) -> list[Row]:
        """All of a kind: assets, asset_folders, design_studio_emails, _components or _folders."""
        return self._unless_empty(collection, self.design_studio.rows(collection, now))

    def _unless_empty(self, name: str, rows: Iterable[Row]) -> list[Row]:
        return [] if name in self._empty else list(rows)

    def _keys(self, collection: str, at: int) -> Collection[Key]:
        """The keys of a collection's items."""
        if collection in SENDERS:
            return self.senders.ids(collection, at)
        if collection in SIZES:
            return {row["id"] for row in self.design_studio.rows(collection, at)}
        known: dict[str, Callable[[], Collection[Key]]] = {
            "actions": self._actions.ids,
            "contents": lambda: self._contents.known(at),
            "segments": lambda: {row["id"] for row in self.segments(at)},
            "collections": lambda: {row["id"] for row in self.collections(at)},
            "snippets": lambda: {row["name"] for row in self.snippets(at)},
            "sender_identities": lambda: {row["id"] for row in self.sender_identities(at)},
        }
        return known[collection]() if collection in known else ()


def _usage(campaigns: list[Row], newsletters: list[Row]) -> Row:
    return {
        "campaigns": [row["id"] for row in campaigns],
        "draft_newsletters": [row["id"] for row in newsletters if row["sent_at"] is None],
        "sent_newsletters": [row["id"] for row in newsletters if row["sent_at"] is not None],
    }
