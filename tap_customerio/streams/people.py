"""People."""

from __future__ import annotations

import threading
from itertools import tee
from typing import TYPE_CHECKING, Any

from tap_customerio.schema import array_of, boolean, nested, object_of, record, text, timestamp
from tap_customerio.streams.base import CustomerioStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Record

    from tap_customerio.answers import Page
    from tap_customerio.client import Client
    from tap_customerio.streams.base import Rows

IDENTIFIERS = text(
    cio_id="Permanent id of the person; the only identifier every person has.",
    id="The workspace's own id of the person, if any.",
    email="Address, if any; not unique in every workspace.",
)
"""The person, at top level of a record or within one."""

_EVERYONE = {"and": [{"attribute": {"field": "cio_id", "operator": "exists"}}]}
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
        self._copies = list(tee(map(_joined, pages), readers))
        self._lock = threading.Lock()
        self._failure: BaseException | None = None

    def __iter__(self) -> Iterator[list[str]]:
        """Up to 1,000 ids at a time.

        Raises:
            Problem: When the search fails, to every stream.
        """
        copy = self._copies.pop()
        while (ids := self._next(copy)) is not None:
            yield ids.split("\n") if ids else []

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


def _joined(page: Page) -> str:
    return "\n".join(str(person["cio_id"]) for person in page)


def everyone(stream: CustomerioStream) -> Iterator[list[str]]:
    """All cio_ids, page by page, from the search that the streams of a run share."""
    readers = sum(other.selected and other.searches for other in stream.tap.streams.values())
    condition = stream.settings.customers_filter
    if stream.ABORT_AT_RECORD_COUNT is not None:  # a test, of one stream at a time
        return iter(Search(stream.client, condition, 1))
    return iter(stream.client.shared(Search, lambda: Search(stream.client, condition, readers)))


class Customers(CustomerioStream):
    """Customers: people with their identifiers, attributes, devices and subscription state."""

    name = "customers"
    searches = True
    primary_keys = ("cio_id",)
    schema = record(
        IDENTIFIERS,
        object_of(nested(IDENTIFIERS), identifiers="The person, by each identifier."),
        object_of(
            nested(extra=text("")),
            attributes="Everything known of the person; the API keeps every value as text.",
        ),
        object_of(
            nested(extra=timestamp("")),
            timestamps="When each attribute was last set; deprecated by the vendor.",
        ),
        boolean(unsubscribed="Opted out of every channel."),
        array_of(
            nested(
                text(id="Push token.", platform="ios or android."),
                timestamp(last_used="When the device was last identified."),
                object_of(nested(extra=text("")), "attributes"),
            ),
            "devices",
        ),
        key=("cio_id",),
    )

    def slices(self) -> Iterator[list[str]]:
        """Up to 100 cio_ids each, from the people search."""
        self._wanted = self._found = 0
        for ids in everyone(self):
            self._wanted += len(ids)
            for first in range(0, len(ids), _HYDRATED):
                yield ids[first : first + _HYDRATED]

    def pages(self, piece: list[str]) -> Iterable[Rows]:
        """The profiles behind the ids; the API leaves out who was deleted meanwhile."""
        yield from self.client.pages(
            "/v1/customers/attributes",
            "customers",
            method="POST",
            params={"id_type": "cio_id"},
            body={"ids": piece},
        )

    def record(self, raw: dict[str, Any], piece: list[str]) -> Record | None:  # noqa: ARG002
        """The profile, with its identifiers at top level."""
        self._found += 1
        raw = raw.get("customer", raw)  # the documented wrapper, which the live API leaves out
        attributes = raw.get("attributes") or {}
        identifiers = raw.get("identifiers") or {}
        for name in ("cio_id", "id", "email"):
            raw[name] = identifiers.get(name, attributes.get(name))
        return self.read(raw)

    def finish_all(self) -> None:
        """Say how many were found by the search but gone when their profiles were read."""
        if self._found < self._wanted:
            self.logger.warning(
                "%d of %d people were deleted or merged while being read.",
                self._wanted - self._found,
                self._wanted,
            )
