"""Objects: companies, accounts and anything else that people belong to."""

from __future__ import annotations

from functools import partial
from itertools import chain, product
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_customerio import errors
from tap_customerio.api.client import quoted
from tap_customerio.api.person_paths import person_paths
from tap_customerio.api.values import identifier, within
from tap_customerio.streams.activities import entries
from tap_customerio.streams.base import CustomerioStream
from tap_customerio.streams.lists import ListStream
from tap_customerio.streams.people import (
    IDENTIFIERS,
    MERGES,
    changed_people,
    everyone,
    known_people,
    workspace_count,
)
from tap_customerio.streams.schema import (
    boolean,
    integer,
    mapping_of,
    object_of,
    record,
    text,
    timestamp,
)
from tap_customerio.streams.slices import attempted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from singer_sdk.helpers.types import Record

    from tap_customerio.api.responses import Page
    from tap_customerio.errors import TapError
    from tap_customerio.streams.base import Rows

_ATTRIBUTES = (
    object_of(
        mapping_of(text("")), attributes="All attributes; the API returns every value as text."
    ),
    object_of(mapping_of(timestamp("")), timestamps="When each attribute was last set."),
)
_OBJECT = (
    integer(object_type_id="Type of the object."),
    text(
        cio_object_id="Permanent id of the object.",
        object_id="The workspace's own id of the object.",
    ),
)


_RELATIONS = ("_o:{}:add_relationship", "_o:{}:delete_relationship")
"""Types of log entries about relationships; the braces stand for the object type."""

_PEOPLE_RELATIONS = ("add_relationship", "delete_relationship", "relationship_attribute_change")


class ObjectTypes(ListStream):
    """Object types: the kinds of objects that the workspace has."""

    name = "object_types"
    path = "/v1/object_types"
    records_key = "types"
    schema = record(
        integer(id="Object type id."),
        text(
            name="Name in the plural, such as Companies.",
            singular_name="Name in the singular.",
            slug="Name in templates, in the plural.",
            singular_slug="Name in templates, in the singular.",
            icon="Icon in the app.",
        ),
        boolean(enabled="Whether the type is enabled."),
    )


class Object(NamedTuple):
    """One object: its type and its permanent id."""

    type: int | str
    id: str

    @property
    def path(self) -> str:
        """The path of its endpoint."""
        return f"/v1/objects/{quoted(self.type)}/{quoted(self.id)}"


def all_objects(stream: CustomerioStream) -> Iterator[Object | TapError]:
    """Every object of every type: one search per type, shared by all streams that need it."""
    types = stream.with_ids(stream.listed(ObjectTypes.listing(stream.client)), ObjectTypes.name)
    for number, _ in types:
        yield from attempted(partial(_objects_of, stream, number))


def _objects_of(stream: CustomerioStream, number: int | str) -> Iterator[Object]:
    condition = {"field": "object_id", "operator": "exists", "type_id": str(number)}
    body = {
        "object_type_id": str(number),
        "filter": {"and": [{"object_attribute": condition}]},
    }
    rows = stream.client.listing("/v1/objects", "identifiers", method="POST", body=body)
    found = stream.with_ids(stream.listed(rows), Objects.name, "cio_object_id")
    for permanent in dict.fromkeys(permanent for permanent, _ in found):
        yield Object(number, str(permanent))


def changed_objects(stream: CustomerioStream, kinds: Iterable[str], since: int) -> list[Object]:
    """Objects named in log entries of these types; the others wait for the next full read.

    The docs do not say whether entries name their objects.
    """
    found: dict[Object, None] = {}
    try:
        for type_id, kind in product(_type_ids(stream), kinds):
            for entry in entries(stream.client, kind.format(type_id), since - stream.margin):
                found |= {Object(type_id, name): None for name in _named_objects(entry)}
    except errors.RequestError as error:
        stream.logger.info("Changed objects wait for the next full read: %s", error)
    return list(found)


def _type_ids(stream: CustomerioStream) -> list[int | str]:
    """The ids of the object types in use."""
    rows = stream.listed(ObjectTypes.listing(stream.client))
    used = (row for row in rows if row.get("enabled") is not False)
    return [number for number, _ in stream.with_ids(used, ObjectTypes.name)]


def _named_objects(entry: Any) -> Iterator[str]:
    """Every permanent id of an object in an entry."""
    if isinstance(entry, dict):
        if (found := identifier(entry, "cio_object_id")) is not None:
            yield str(found)
        for value in entry.values():
            yield from _named_objects(value)


class Objects(CustomerioStream):
    """Objects: companies, accounts and the like, with their attributes; one request per object."""

    name = "objects"
    skip_missing_parents = True
    reads_changes = True
    primary_keys = ("object_type_id", "cio_object_id")
    schema = record(*_OBJECT, *_ATTRIBUTES, key=primary_keys)

    def slices(self) -> Iterator[Object | TapError]:
        """One slice per object."""
        return all_objects(self)

    def changed(self, since: int) -> list[Object]:
        """The objects that the activity log names."""
        return changed_objects(self, ("_o:{}:create", "_o:{}:attribute_change"), since)

    def pages(self, slice_: Object) -> Iterator[Rows]:
        """Yield the object."""
        params = {"id_type": "cio_object_id"}
        path = f"{slice_.path}/attributes"
        yield [self.client.fetch("GET", path, params=params, expect="object").object("object")]

    def count_otherwise(self) -> int | None:
        """The workspace's own count."""
        return workspace_count(self.client, "objects")

    def record(self, raw: dict[str, Any], slice_: Object) -> Record | None:
        """The object, with its identifiers at the top level."""
        raw |= {"object_type_id": slice_.type, "cio_object_id": slice_.id}
        raw["object_id"] = self.within(raw, "identifiers").get("object_id")
        raw.pop("identifiers", None)
        return self.read(raw)


class ObjectRelationships(CustomerioStream):
    """Object relationships: the people who belong to each object."""

    name = "object_relationships"
    skip_missing_parents = True
    reads_changes = True
    primary_keys = ("object_type_id", "cio_object_id", "cio_id")
    schema = record(
        integer(object_type_id="Type of the object."),
        text(cio_object_id="Permanent id of the object."),
        boolean(object_type_disabled="Whether the object type is disabled."),
        IDENTIFIERS,
        key=primary_keys,
    )

    def slices(self) -> Iterator[Object | TapError]:
        """One slice per object."""
        return all_objects(self)

    def changed(self, since: int) -> list[Object]:
        """The objects that the activity log names."""
        return changed_objects(self, _RELATIONS, since)

    def pages(self, slice_: Object) -> Iterator[Rows]:
        """Yield the object's people."""
        path, params = f"{slice_.path}/relationships", {"id_type": "cio_object_id"}
        yield from self.steady(path, "cio_relationships", params=params)

    def record(self, raw: dict[str, Any], slice_: Object) -> Record | None:
        """The pair, with the person's identifiers at the top level."""
        person = within(raw, "identifiers")
        raw.pop("identifiers", None)
        names = {"object_type_id": slice_.type, "cio_object_id": slice_.id}
        return self.read({**raw, **person, **names})


class CustomerRelationships(CustomerioStream):
    """Customer relationships: the objects each person belongs to; one request per person."""

    name = "customer_relationships"
    skip_missing_parents = True
    reads_changes = True
    reads_all_people = True
    restricted_by = ("customers_filter",)
    selected_by_default = False
    primary_keys = ("cio_id", "object_type_id", "cio_object_id")
    schema = record(
        text(cio_id="Permanent id of the person."), *_OBJECT, *_ATTRIBUTES, key=primary_keys
    )

    def slices(self) -> Iterator[str]:
        """Every person that the people search returns."""
        return chain.from_iterable(everyone(self))

    def changed(self, since: int) -> Iterable[str] | None:
        """The people that the activity log names."""
        kinds = (*_RELATIONS, "_r:{}:attribute_change")
        relations = (kind.format(type_id) for kind, type_id in product(kinds, _type_ids(self)))
        return changed_people(self, (*MERGES, *_PEOPLE_RELATIONS, *relations), since)

    def pages(self, slice_: str) -> Iterator[Rows]:
        """Yield one person's objects."""
        params = {"id_type": "cio_id"}

        def read(base: str) -> tuple[Page, Iterator[Page]]:
            pages = self.steady(f"{base}/relationships", "cio_relationships", params=params)
            return next(pages), pages

        first, others = person_paths(self.client).read("relationships", slice_, read)
        yield first
        yield from others

    def existing(self, slices: list[str]) -> Callable[[str], bool]:
        """Return a test of whether a person still has a profile."""
        return known_people(self.client, slices).__contains__

    def record(self, raw: dict[str, Any], slice_: str) -> Record | None:
        """The pair, with the object's identifiers at the top level."""
        thing = within(raw, "identifiers")
        raw.pop("identifiers", None)
        return self.read({**raw, **thing, "cio_id": slice_})
