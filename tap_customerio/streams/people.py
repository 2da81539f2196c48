"""People."""

from __future__ import annotations

import logging
import threading
from itertools import tee
from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.api.steady import steady
from tap_customerio.api.values import identifier, number, seconds, within
from tap_customerio.streams.activities import LOG_LAG, LOGGED, entries, named
from tap_customerio.streams.base import CustomerioStream
from tap_customerio.streams.schema import (
    array_of,
    boolean,
    mapping_of,
    nested,
    object_of,
    record,
    text,
    timestamp,
)
from tap_customerio.sync.engine import Split
from tap_customerio.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Record

    from tap_customerio.api.client import Client
    from tap_customerio.api.responses import Page
    from tap_customerio.streams.base import Rows

logger = logging.getLogger("tap-customerio.people")

IDENTIFIERS = text(
    cio_id="Permanent id of the person; the only identifier every person has.",
    id="The workspace's own id of the person, if any.",
    email="Address, if any; not unique in every workspace.",
)
"""The person, at top level of a record or within one."""

_EVERYONE = {"and": [{"attribute": {"field": "cio_id", "operator": "exists"}}]}
MERGES = ("profile_create", "profile_merge", "anon_merge")
PROFILE_CHANGES = (
    *("attribute_change", "device_change", *MERGES),
    *("topic_unsubscribed_email", "unsubscribed_action", "unsubscribed_email"),
)
"""Activities after which a profile is another; a deletion leaves no profile to read."""

_DEPARTURES = ("profile_delete", "profile_merge")

_SEARCHED = 1000
_HYDRATED = 100


class Search:
    """The cio_ids of everyone, or of those whom customers_filter lets through, page by page.

    They are asked for once, however many streams go through them, at whatever time; what is kept
    for the slower ones is little more than the ids themselves.
    """

    def __init__(self, client: Client, condition: Mapping[str, Any] | None, readers: int) -> None:
        """Prepare for so many streams."""
        pages = client.pages(
            "/v1/customers",
            "identifiers",
            method="POST",
            params={"limit": _SEARCHED},
            body={"filter": condition or _EVERYONE},
        )
        self._client = client
        self._doubt: str | None = "" if condition else None
        if condition:  # any change of an attribute may take a person out, and no log tells so
            pages = steady(client, "identifiers", pages, self._move)
        self._copies = list(tee(map(self._joined, pages), readers))
        self._lock = threading.Lock()
        self._failure: BaseException | None = None

    def __iter__(self) -> Iterator[list[str]]:
        """Up to 1,000 ids at a time; empty ones stand for people whom no cio_id is known of.

        Raises:
            TapError: When the search fails, to every stream.
        """
        copy = self._copies.pop()
        while (ids := self._next(copy)) is not None:
            yield ids.split("\n")[:-1]

    def doubt(self) -> str:
        """Why the search, at its end, may have missed people; empty if it has not.

        When a person leaves, the places of all who come later move up.
        """
        with self._lock:
            if self._doubt is None:
                left = _anyone_left(self._client, self._client.present)
                self._doubt = "people were deleted or merged during the search" if left else ""
            return self._doubt

    def _move(self) -> None:
        self._doubt = "people entered or left customers_filter during the search"

    def _next(self, copy: Iterator[str]) -> str | None:
        with self._lock:
            try:
                return next(copy)
            except StopIteration:
                if self._failure is not None:
                    raise self._failure from None
                return None
            except BaseException as error:
                self._failure = error
                raise

    def _joined(self, page: Page) -> str:
        ids: list[str] = []
        unknown: dict[str, list[str]] = {"id": [], "email": []}
        for person in page:
            if "\n" not in (cio_id := str(identifier(person, "cio_id") or "\n")):
                ids.append(cio_id)
            elif kind := next((kind for kind in unknown if identifier(person, kind)), None):
                unknown[kind].append(str(person[kind]))
            else:
                ids.append("")
        for kind, names in unknown.items():
            found = list(self._looked_up(kind, names))
            if len(found) < len(names):
                self._doubt = "profiles of people whom the search found did not come"
            ids += found
        return "".join(f"{cio_id}\n" for cio_id in ids)

    def _looked_up(self, kind: str, names: list[str]) -> Iterator[str]:
        """cio_ids of people whom the search named otherwise; of those who still exist."""
        for first in range(0, len(names), _HYDRATED):
            for page in profiles(self._client, kind, names[first : first + _HYDRATED]):
                for profile in page:
                    yield str(identifier(_named(profile), "cio_id") or "")


def profiles(client: Client, kind: str, names: list[str]) -> Iterable[Page]:
    """Profiles by up to 100 identifiers of a kind; the API leaves out who was deleted meanwhile."""
    return client.pages(
        "/v1/customers/attributes",
        "customers",
        method="POST",
        params={"id_type": kind},
        body={"ids": names},
    )


def _named(profile: dict[str, Any]) -> dict[str, Any]:
    """A profile without its documented wrapper, with its identifiers at top level."""
    profile = within(profile, "customer") or profile
    attributes, identifiers = within(profile, "attributes"), within(profile, "identifiers")
    for name in ("cio_id", "id", "email"):
        profile[name] = identifiers.get(name, attributes.get(name))
    profile["cio_id"] = profile["cio_id"] or attributes.get("cio_id")
    return profile


def _created(profile: dict[str, Any]) -> int | None:
    """When a person was created; the attribute is the workspace's own, and may hold anything."""
    attributes, set_at = within(profile, "attributes"), within(profile, "timestamps")
    return seconds(attributes, "created_at") or seconds(set_at, "cio_id")


def everyone(stream: CustomerioStream) -> Iterator[list[str]]:
    """All cio_ids, page by page; people without one are lost to the stream."""
    for ids in _search(stream):
        known = [cio_id for cio_id in ids if cio_id]
        for _ in range(len(ids) - len(known)):
            stream.outcome.lose_row("cio_id")
        yield known


def _search(stream: CustomerioStream) -> Iterator[list[str]]:
    """The search that the streams of a run share."""
    readers = stream.sync_run.people_readers
    condition = stream.settings.customers_filter
    if stream.is_alone:
        search = Search(stream.client, condition, 1)
    else:
        search = stream.client.shared(Search, lambda: Search(stream.client, condition, readers))
    yield from search
    if doubt := search.doubt():
        stream.outcome.doubts.append(doubt)


def known_people(client: Client, cio_ids: list[str]) -> set[str]:
    """Those of these people who still have a profile."""
    parts = (cio_ids[first : first + _HYDRATED] for first in range(0, len(cio_ids), _HYDRATED))
    pages = (page for part in parts for page in profiles(client, "cio_id", part))
    return {str(_named(profile)["cio_id"]) for page in pages for profile in page}


def workspace_count(client: Client, what: str) -> int | None:
    """How many people or objects the workspace has, if the account has only one."""
    rows = client.listing("/v1/workspaces", "workspaces", params={"limit": None})
    return number(rows[0].get(what)) if len(rows) == 1 else None


def _anyone_left(client: Client, since: int) -> bool:
    """Whether the log names a person who left since then, or cannot be read."""
    try:
        return any(True for kind in _DEPARTURES for _ in entries(client, kind, since))
    except errors.RequestError:
        return True


def changed_people(stream: CustomerioStream, kinds: Iterable[str], since: int) -> list[str] | None:
    """cio_ids of those whom log entries of these types name; None when that cannot be known.

    With customers_filter only those whom it lets through.
    """
    client = stream.client
    since -= stream.margin
    if client.present - since > LOGGED + LOG_LAG:
        logger.info("The activity log does not reach back far enough: reading everyone.")
        return None
    try:
        names = _named_since(client, kinds, since)
    except errors.RequestError:
        logger.info("The activity log cannot be read: reading everyone.")
        return None
    if names is None or not stream.settings.customers_filter:
        return names
    changed = set(names)
    return [cio_id for ids in everyone(stream) for cio_id in ids if cio_id in changed]


def _named_since(client: Client, kinds: Iterable[str], since: int) -> list[str] | None:
    """Each person once whom an entry since then is about; None if it names one oddly."""
    changed: dict[str, None] = {}
    for entry in (entry for kind in kinds for entry in entries(client, kind, since)):
        changed |= dict.fromkeys(named(entry))
        who = entry.get("customer_identifiers")
        found = identifier(within(entry, "customer_identifiers"), "cio_id")
        if found is not None:
            changed[str(found)] = None
        elif entry == {} or (who and within(entry, "customer_identifiers").get("cio_id")):
            logger.info(
                "The activity log has an entry without a readable person: reading everyone."
            )
            return None
    return list(changed)


class Customers(CustomerioStream):
    """Customers: people with their identifiers, attributes, devices and subscription state."""

    name = "customers"
    reads_all_people = True
    restricted_by = ("customers_filter",)
    primary_keys = ("cio_id",)
    reads_changes = True
    margin = LOG_LAG
    schema = record(
        IDENTIFIERS,
        timestamp(
            created_at="When the person was created: the attribute created_at, or else when cio_id "
            "was set; null if neither is a time."
        ),
        object_of(nested(IDENTIFIERS), identifiers="The person, by each identifier."),
        object_of(
            mapping_of(text("")),
            attributes="Everything known of the person; the API keeps every value as text.",
        ),
        object_of(
            mapping_of(timestamp("")),
            timestamps="When each attribute was last set; deprecated by the vendor.",
        ),
        boolean(unsubscribed="Opted out of every channel."),
        array_of(
            nested(
                text(id="Push token.", platform="ios or android."),
                timestamp(last_used="When the device was last identified."),
                object_of(mapping_of(text("")), attributes="What is known of the device."),
            ),
            devices="Devices that push notifications go to.",
        ),
        key=("cio_id",),
    )

    def slices(self) -> Iterator[list[str]]:
        """Up to 100 cio_ids each, of everyone."""
        return self._hydrated(everyone(self))

    def changed(self, since: int) -> Iterator[list[str]] | None:
        """Up to 100 cio_ids each, of those whom the activity log names."""
        names = changed_people(self, PROFILE_CHANGES, since)
        return None if names is None else self._hydrated([names])

    @property
    def full_every(self) -> float:
        """With a filter everyone is read: no log tells who entered or left it."""
        settings = self.settings
        if settings.customers_sync == "full" or settings.customers_filter:
            return 0
        return settings.customers_full_every_days * DAY

    def _hydrated(self, pages: Iterable[list[str]]) -> Iterator[list[str]]:
        self._wanted = self._found = 0
        for ids in pages:
            self._wanted += len(ids)
            for first in range(0, len(ids), _HYDRATED):
                yield ids[first : first + _HYDRATED]

    def pages(self, slice_: list[str]) -> Iterator[Rows | Split[list[str]]]:
        """The profiles behind the ids; the API leaves out who was deleted meanwhile.

        If some cannot be had together, each half is asked for alone: it may be because of one.
        """
        try:
            yield from profiles(self.client, "cio_id", slice_)
        except (errors.RetriesExhaustedError, errors.BadRequestError) as problem:
            if len(slice_) == 1:
                raise problem.about(self.read.id_of({"cio_id": slice_[0]})) from None
            half = len(slice_) // 2
            yield Split([slice_[:half], slice_[half:]])

    def record(self, raw: dict[str, Any], slice_: list[str]) -> Record | None:  # noqa: ARG002
        """The profile, with its identifiers and the time of its creation at top level."""
        self._found += 1
        profile = _named(raw)
        profile["created_at"] = _created(profile)
        return self.read(profile)

    def finish_all(self) -> None:
        """Say how many have gone meanwhile."""
        if self._found < self._wanted:
            self.logger.info(
                "%d of %d people were deleted or merged before they could be read.",
                self._wanted - self._found,
                self._wanted,
            )
            self.outcome.doubts.append("profiles of people whom the search found did not come")

    def count_otherwise(self) -> int | None:
        """The workspace's own count."""
        everyone_counts = not self.settings.customers_filter
        return workspace_count(self.client, "people") if everyone_counts else None
