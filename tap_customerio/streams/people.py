"""People: the search, profiles, and who changed."""

from __future__ import annotations

import logging
import threading
from itertools import tee
from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.api.steady import steady
from tap_customerio.api.values import count_of, identifier, seconds, within
from tap_customerio.streams.activities import LOG_LAG, LOGGED, cio_ids_in, entries
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
"""Identifiers of the person, at the top level of a record or nested."""

_EVERYONE = {"and": [{"attribute": {"field": "cio_id", "operator": "exists"}}]}
MERGES = ("profile_create", "profile_merge", "anon_merge")
PROFILE_CHANGES = (
    *("attribute_change", "device_change", *MERGES),
    *("topic_unsubscribed_email", "unsubscribed_action", "unsubscribed_email"),
)
"""Activities that change a profile; after a deletion there is no profile to read."""

_DEPARTURES = ("profile_delete", "profile_merge")

SEARCHED = 1000
"""People per page of the search."""

HYDRATED = 100
"""Profiles per request."""


class Search:
    """The cio_ids of everyone, or of those who match customers_filter, page by page.

    The search runs once, for any number of streams at different speeds; only the ids are kept in
    memory for the slower ones.
    """

    def __init__(self, client: Client, condition: Mapping[str, Any] | None, readers: int) -> None:
        """Prepare for this number of streams."""
        pages = client.pages(
            "/v1/customers",
            "identifiers",
            method="POST",
            params={"limit": SEARCHED},
            body={"filter": condition or _EVERYONE},
        )
        self._client = client
        self._doubt: str | None = "" if condition else None
        if condition:  # any attribute change may exclude a person, and the log does not show it
            pages = steady(client, "identifiers", pages, self._move)
        self._copies = list(tee(map(self._joined, pages), readers))
        self._lock = threading.Lock()
        self._failure: BaseException | None = None

    def __iter__(self) -> Iterator[list[str]]:
        """Yield up to 1,000 ids at a time; an empty id stands for a person without a known cio_id.

        Raises:
            TapError: The search failed; every stream gets the error.
        """
        copy = self._copies.pop()
        while (ids := self._next(copy)) is not None:
            yield ids.split("\n")[:-1]

    def doubt(self) -> str:
        """Why the finished search may have missed people; empty if it has not.

        When a person leaves, all later people move up one place.
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
                self._doubt = "profiles of people whom the search found did not arrive"
            ids += found
        return "".join(f"{cio_id}\n" for cio_id in ids)

    def _looked_up(self, kind: str, names: list[str]) -> Iterator[str]:
        """cio_ids of people whom the search returned by another id, if they still exist."""
        for first in range(0, len(names), HYDRATED):
            for page in profiles(self._client, kind, names[first : first + HYDRATED]):
                for profile in page:
                    yield str(identifier(_with_identifiers(profile), "cio_id") or "")


def profiles(client: Client, kind: str, names: list[str]) -> Iterable[Page]:
    """Profiles by up to 100 identifiers of a kind; people deleted during the run are missing."""
    return client.pages(
        "/v1/customers/attributes",
        "customers",
        method="POST",
        params={"id_type": kind},
        body={"ids": names},
    )


def _with_identifiers(profile: dict[str, Any]) -> dict[str, Any]:
    """A profile without its documented wrapper, with its identifiers at the top level."""
    profile = within(profile, "customer") or profile
    attributes, identifiers = within(profile, "attributes"), within(profile, "identifiers")
    names = ("cio_id", "id", "email")
    found = {name: identifiers.get(name, attributes.get(name)) for name in names}
    profile.update(found, cio_id=found["cio_id"] or attributes.get("cio_id"))
    return profile


def _created(profile: dict[str, Any]) -> int | None:
    """When a person was created; workspaces set this attribute, so it may hold anything."""
    attributes, set_at = within(profile, "attributes"), within(profile, "timestamps")
    return seconds(attributes, "created_at") or seconds(set_at, "cio_id")


def everyone(stream: CustomerioStream) -> Iterator[list[str]]:
    """All cio_ids, page by page; counts people without one as lost."""
    for ids in _search(stream):
        known = [cio_id for cio_id in ids if cio_id]
        for _ in range(len(ids) - len(known)):
            stream.outcome.lose_row("cio_id")
        yield known


def _search(stream: CustomerioStream) -> Iterator[list[str]]:
    """The search that all streams of a run share."""
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
    """The subset of these people who still have a profile."""
    parts = (cio_ids[first : first + HYDRATED] for first in range(0, len(cio_ids), HYDRATED))
    pages = (page for part in parts for page in profiles(client, "cio_id", part))
    return {str(_with_identifiers(profile)["cio_id"]) for page in pages for profile in page}


def workspace_count(client: Client, what: str) -> int | None:
    """How many people or objects the workspace has; None if the account has several workspaces."""
    rows = client.listing("/v1/workspaces", "workspaces", params={"limit": None})
    return count_of(rows[0].get(what)) if len(rows) == 1 else None


def _anyone_left(client: Client, since: int) -> bool:
    """Whether the log shows that a person left since a time; also true if it is unreadable."""
    try:
        return any(True for kind in _DEPARTURES for _ in entries(client, kind, since))
    except errors.RequestError:
        return True


def changed_people(stream: CustomerioStream, kinds: Iterable[str], since: int) -> list[str] | None:
    """cio_ids of the people in log entries of these types; None if that is unknown.

    With customers_filter, only people who match it.
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
    """Each person in entries since a time, once; None if an entry has unexpected identifiers."""
    changed: dict[str, None] = {}
    for entry in (entry for kind in kinds for entry in entries(client, kind, since)):
        changed |= dict.fromkeys(cio_ids_in(entry))
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
    computed = ("cio_id", "id", "email", "created_at")
    schema = record(
        IDENTIFIERS,
        timestamp(
            created_at="When the person was created: the attribute created_at, or else when cio_id "
            "was set; null if neither is a time."
        ),
        object_of(nested(IDENTIFIERS), identifiers="The person, by each identifier."),
        object_of(
            mapping_of(text("")),
            attributes="All attributes of the person; the API returns every value as text.",
        ),
        object_of(
            mapping_of(timestamp("")),
            timestamps="When each attribute was last set; Customer.io has deprecated this field.",
        ),
        boolean(unsubscribed="Whether the person opted out of every channel."),
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
        """All cio_ids in slices of up to 100."""
        return self._hydrated(everyone(self))

    def changed(self, since: int) -> Iterator[list[str]] | None:
        """cio_ids that the activity log names, in slices of up to 100."""
        names = changed_people(self, PROFILE_CHANGES, since)
        return None if names is None else self._hydrated([names])

    @property
    def full_every(self) -> float:
        """Always 0 with a filter: the log does not show who starts or stops matching it."""
        settings = self.settings
        if settings.customers_sync == "full" or settings.customers_filter:
            return 0
        return settings.customers_full_every_days * DAY

    def _hydrated(self, pages: Iterable[list[str]]) -> Iterator[list[str]]:
        self._wanted = self._found = 0
        for ids in pages:
            self._wanted += len(ids)
            for first in range(0, len(ids), HYDRATED):
                yield ids[first : first + HYDRATED]

    def pages(self, slice_: list[str]) -> Iterator[Rows | Split[list[str]]]:
        """The profiles of these ids; people deleted during the run are missing.

        If the request fails, each half is requested alone, because one profile may be the cause.
        """
        try:
            yield from profiles(self.client, "cio_id", slice_)
        except (errors.RetriesExhaustedError, errors.BadRequestError) as error:
            if len(slice_) == 1:
                raise error.about(self.read.id_of({"cio_id": slice_[0]})) from None
            half = len(slice_) // 2
            yield Split([slice_[:half], slice_[half:]])

    def record(self, raw: dict[str, Any], slice_: list[str]) -> Record | None:  # noqa: ARG002
        """The profile, with its identifiers and its creation time at the top level."""
        self._found += 1
        profile = _with_identifiers(raw)
        profile.update(created_at=_created(profile))
        return self.read(profile)

    def finish_all(self) -> None:
        """Log how many people disappeared during the run."""
        if self._found < self._wanted:
            self.logger.info(
                "%d of %d people were deleted or merged before they could be read.",
                self._wanted - self._found,
                self._wanted,
            )
            self.outcome.doubts.append("profiles of people whom the search found did not arrive")

    def count_otherwise(self) -> int | None:
        """The workspace's own count."""
        everyone_counts = not self.settings.customers_filter
        return workspace_count(self.client, "people") if everyone_counts else None
