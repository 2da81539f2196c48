"""Inventory of personal data in a workspace: fields and their categories, without values."""

from __future__ import annotations

import re
from collections import Counter
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_customerio import errors
from tap_customerio.privacy.categories import CATEGORIES, Guess, Shapes, guess, is_value
from tap_customerio.privacy.history import backwards
from tap_customerio.privacy.identity import profiles
from tap_customerio.privacy.warehouse import has_personal
from tap_customerio.streams import all_streams
from tap_customerio.streams.activities import log_pages
from tap_customerio.streams.objects import Object, ObjectTypes
from tap_customerio.streams.pii import MASK, mask
from tap_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tap_customerio.api.client import Client

EVERYONE = {"and": [{"attribute": {"field": "cio_id", "operator": "exists"}}]}
RESERVED = {"cio_id", "id", "email", "created_at", "unsubscribed", "cio_subscription_preferences"}
YOURS = "your apps, imports and integrations"
OURS = "Customer.io"
_MOVED = {"metrics.link:*": "links", "metrics.human_link:*": "links"}
_LINK = re.compile(r"(link):\d+$")
_SEARCHED = 100  # pages of the people search, of 1,000 each

Place = tuple[str, str]
"""The kind of item that has a field (person, event …), and the field's name."""


class Field(NamedTuple):
    """A field: how many sampled items have it, its category, and its destination."""

    source: str
    name: str
    have: int
    of: int
    guess: Guess
    origin: str
    stream: str
    column: str

    @property
    def share(self) -> str:
        """The share as text; empty for fields without a sample."""
        return f"{100 * self.have / self.of:.0f} %" if self.of else "not sampled"

    def as_json(self) -> dict[str, Any]:
        """The field as a JSON object."""
        row = {name: value for name, value in self._asdict().items() if name != "guess"}
        share = round(self.have / self.of, 4) if self.of else None
        return row | {"share": share, "category": self.guess.category, "guessed_by": self.guess.by}


class Kind(NamedTuple):
    """One kind of item: its sample, its source, and its destination."""

    source: str
    origin: str
    stream: str
    column: str


class Inventory:
    """Samples each kind of item, and counts fields; values are not stored."""

    def __init__(self, client: Client, sample: int) -> None:
        self._client, self._sample = client, sample
        self._of: Counter[str] = Counter()
        self._have: Counter[Place] = Counter()
        self._shapes: dict[Place, Shapes] = {}
        self._kinds: dict[str, Kind] = {}
        self.sampled: list[dict[str, Any]] = []
        self.not_read: list[dict[str, str]] = []

    def read(self) -> None:
        """Sample people, devices, objects, activities and deliveries.

        Raises:
            TapError: The key is rejected, or the API does not respond.
        """
        self._try("people", self._people)
        self._try("objects", self._objects)
        self._try("activities", self._activities)
        self._try("messages", self._messages)

    def _try(self, what: str, sample: Callable[[], tuple[int, str]]) -> None:
        """Sample one kind of item, or note the error."""
        try:
            count, how = sample()
        except errors.FatalError:
            raise
        except errors.TapError as error:
            self.not_read.append({"what": what, "why": str(error)})
        else:
            self.sampled.append({"what": what, "count": count, "how": how})

    def fields(self, corrections: Mapping[Place, str]) -> list[Field]:
        """All fields, the most sensitive first."""
        order = list(CATEGORIES)
        sampled = list(self._found(corrections))
        covered = {(field.stream, field.column.partition(".")[0]) for field in sampled}
        found = [*sampled, *_by_definition(corrections, covered)]
        return sorted(found, key=lambda f: (order.index(f.guess.category), f.source, f.name))

    def _found(self, corrections: Mapping[Place, str]) -> Iterator[Field]:
        for place, have in self._have.items():
            source, name = place
            kind = self._kinds[source]
            guessed = _corrected(corrections, place, guess(name, self._shapes[place]))
            is_own = kind.origin == YOURS and (name in RESERVED or name.startswith("_"))
            origin = OURS if is_own and name not in {"id", "email"} else kind.origin
            column = f"{kind.column}.{name}" if kind.column else _MOVED.get(name, name)
            yield Field(source, name, have, self._of[source], guessed, origin, kind.stream, column)

    def _object(self, what: str, value: Any) -> dict[str, Any]:
        """A part that should be an object; an unexpected type is noted once."""
        if isinstance(value, dict):
            return value
        note = {"what": what, "why": str(errors.privacy.unexpected_shape(what))}
        if value is not None and note not in self.not_read:
            self.not_read.append(note)
        return {}

    def _see(self, kind: Kind, row: Mapping[str, Any]) -> None:
        """Count the fields of one item; masks names that contain an address."""
        self._kinds[kind.source] = kind
        self._of[kind.source] += 1
        seen: set[str] = set()
        for name, value in _flat(row):
            place = kind.source, mask("inventory", name)
            if place[1] not in seen:
                self._have[place] += 1
                seen.add(place[1])
            self._shapes.setdefault(place, Shapes()).see(value)

    def _people(self) -> tuple[int, str]:
        ids: list[str] = []
        pages = self._client.pages(
            "/v1/customers",
            "identifiers",
            method="POST",
            params={"limit": 1000},
            body={"filter": EVERYONE},
        )
        for page in islice(pages, _SEARCHED):
            ids += [str(row["cio_id"]) for row in page if row.get("cio_id")]
        sampled = _spread(ids, self._sample)
        person = Kind("person", YOURS, "customers", "attributes")
        device = Kind("device", "your apps", "customers", "devices")
        for profile in profiles(self._client, sampled):
            self._see(person, self._object("attributes", profile.get("attributes")))
            devices = profile.get("devices")
            for row in devices if isinstance(devices, list) else [devices]:
                self._see(device, self._object("devices", row))
        more = "at least " if len(ids) >= 1000 * _SEARCHED else ""
        people = counted(len(ids), "person", "people")
        return len(sampled), f"spread evenly over {more}{people}, in the search's order"

    def _objects(self) -> tuple[int, str]:
        every: list[tuple[str, Object]] = []
        for kind in ObjectTypes.listing(self._client):
            source = f"object: {kind.get('name') or kind['id']}"
            every += [(source, thing) for thing in self._objects_of(str(kind["id"]))]
        sampled = _spread(every, max(1, self._sample // 10))
        for source, thing in sampled:
            params = {"id_type": "cio_object_id"}
            try:
                response = self._client.fetch("GET", f"{thing.path}/attributes", params=params)
            except errors.NotFoundError:  # deleted since it was listed
                continue
            attributes = self._object("attributes", response.object("object").get("attributes"))
            self._see(Kind(source, YOURS, "objects", "attributes"), attributes)
        return len(sampled), f"spread evenly over {counted(len(every), 'object')}"

    def _objects_of(self, kind: str) -> Iterator[Object]:
        condition = {"field": "object_id", "operator": "exists", "type_id": kind}
        body = {"object_type_id": kind, "filter": {"and": [{"object_attribute": condition}]}}
        pages = self._client.pages("/v1/objects", "identifiers", method="POST", body=body)
        for page in islice(pages, _SEARCHED):
            yield from (Object(kind, str(row["cio_object_id"])) for row in page)

    def _activities(self) -> tuple[int, str]:
        rows = list(islice(chain.from_iterable(log_pages(self._client)), self._sample))
        for row in rows:
            kind, name = str(row.get("type")), row.get("name")
            source = f"event: {name}" if kind == "event" else f"activity: {kind}"
            is_sent = kind in {"event", "page", "screen"}
            origin = "your apps and websites" if is_sent else OURS
            data: dict[str, Any] = row["data"] if isinstance(row.get("data"), dict) else {}
            if kind.endswith("attribute_change"):  # holds old and new values by attribute name
                data = {n: list(v.values()) if isinstance(v, dict) else v for n, v in data.items()}
            source = mask("inventory", source)
            self._see(Kind(source, origin, "activities", "data"), data)
            if row.get("url"):
                self._see(Kind(f"{source} (url)", origin, "activities", ""), {"url": row["url"]})
        return len(rows), "the newest in the activity log, which reaches back 30 days"

    def _messages(self) -> tuple[int, str]:
        start, end = next(backwards(self._client.present))
        params = {"start_ts": start, "end_ts": end, "limit": min(1000, self._sample)}
        pages = self._client.pages("/v1/messages", "messages", params=params)
        rows = list(islice((row for page in pages for row in page), self._sample))
        for row in rows:
            metrics = self._object("metrics", row.pop("metrics", None))
            metrics = {_LINK.sub(r"\1:*", name): at for name, at in metrics.items()}
            self._see(Kind("delivery", OURS, "messages", ""), {**row, "metrics": metrics})
        return len(rows), "the newest of the last 180 days"


def _flat(row: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Non-empty fields; nested ones by dotted names, lists by their items."""
    for key, value in row.items():
        name = f"{above}{MASK if is_value(key) else key}"
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                yield from _flat(item, f"{name}.")
            elif item is not None and item != "":
                yield name, item


def _spread(items: list[Any], most: int) -> list[Any]:
    """A number of items, evenly spread."""
    step = max(1, -(-len(items) // most))
    return items[::step]


def _corrected(corrections: Mapping[Place, str], place: Place, guessed: Guess) -> Guess:
    wanted = corrections.get(place, guessed.category)
    return guessed if wanted == guessed.category else Guess(wanted, "you")


def _by_definition(corrections: Mapping[Place, str], covered: set[Place]) -> Iterator[Field]:
    """Personal columns of streams that the sample does not cover."""
    for stream in sorted(all_streams(), key=lambda stream: stream.name):
        for column in stream.schema["properties"]:
            if (stream.name, column) in covered:
                continue
            if column == "cio_id" or has_personal(stream, column):
                place = f"stream: {stream.name}", column
                guessed = _corrected(corrections, place, guess(column, Shapes()))
                yield Field(*place, 0, 0, guessed, OURS, stream.name, column)
