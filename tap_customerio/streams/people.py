"""People."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_customerio.schema import array_of, boolean, nested, object_of, record, text, timestamp
from tap_customerio.streams.base import CustomerioStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers.types import Record

    from tap_customerio.answers import Page
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


def search(stream: CustomerioStream) -> Iterator[Page]:
    """Identifiers of everyone, or of those whom customers_filter lets through."""
    return stream.client.pages(
        "/v1/customers",
        "identifiers",
        method="POST",
        params={"limit": _SEARCHED},
        body={"filter": stream.settings.customers_filter or _EVERYONE},
    )


class Customers(CustomerioStream):
    """Customers: people with their identifiers, attributes, devices and subscription state."""

    name = "customers"
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
        for page in search(self):
            ids = [str(person["cio_id"]) for person in page]
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
