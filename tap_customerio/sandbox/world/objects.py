"""Objects, such as companies, and their people."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tap_customerio.sandbox.world.filters import everyone, grouped

if TYPE_CHECKING:
    from tap_customerio.sandbox.world.filters import Predicate
    from tap_customerio.sandbox.world.people import People
    from tap_customerio.sandbox.world.resampling import Resampling
    from tap_customerio.sandbox.world.rng import Rng, Row

TYPES = (("Companies", "Company"), ("Courses", "Course"), ("Venues", "Venue"))
TYPE_IDS = range(1, len(TYPES) + 1)
NAMES = ("acme", "globex", "initech", "umbrella", "hooli", "stark", "wonka", "zürich")
SEPARATORS = ("-", "/", "+", " ", "-", "&", "?", "%")
"""Characters in object ids besides letters, many of them special in URLs."""

ROLES = ("admin", "member", "owner")
ALWAYS_THERE = frozenset({"object_id", "cio_object_id"})
NAMELESS = 20  # one object in this number
CROWD = 120


class Objects:
    """A few types with equally many objects; the last type is disabled and has none."""

    def __init__(
        self, rng: Rng, people: People, since: int, resampling: Resampling, per_type: int
    ) -> None:
        self._rng = rng
        self._people = people
        self._since = since
        self._resampling = resampling
        self._per_type = per_type
        self._relations = lru_cache(maxsize=2)(self._found_relations)

    def types(self) -> list[Row]:
        """The types; their ids are text."""
        return [_type(number, is_last=number == len(TYPES)) for number in TYPE_IDS]

    def count(self, kind: int) -> int | None:
        """The number of objects of a type; None if the type does not exist."""
        if kind not in TYPE_IDS:
            return None
        return 0 if kind == len(TYPES) else self._per_type

    def identifiers(self, kind: int, place: int) -> Row:
        """The two identifiers of an object."""
        name, separator = NAMES[place % 8], SEPARATORS[(place + kind) % 8]
        return {
            "object_id": f"{name}{separator}{place}",
            "cio_object_id": f"ob{kind:02x}{place:04x}",
        }

    def find(self, kind: int, id_type: str, text: str) -> int | None:
        """The position of the object with this identifier."""
        for place in range(self.count(kind) or 0):
            if self.identifiers(kind, place)[id_type] == text:
                return place
        return None

    def row(self, kind: int, place: int) -> Row:
        """All data of an object."""
        attributes = self.attributes(kind, place)
        changed = self._since - self._rng.draw("object", kind, place)[4] * 900 - 1
        return {
            "object_type_id": str(kind),
            "identifiers": self.identifiers(kind, place),
            "attributes": attributes,
            "timestamps": dict.fromkeys(attributes, changed),
        }

    def attributes(self, kind: int, place: int) -> Row:
        """The attributes of an object: numbers are numbers here, and some have no name."""
        words = self._rng.draw("object", kind, place)
        attributes: Row = {
            **self.identifiers(kind, place),
            "name": f"{NAMES[place % 8].title()} {place}",
            "seats": words[0] % 500,
            "rating": words[1] % 50 / 10,
            "active": words[2] % 3 > 0,
            "address": {"city": "Zürich", "zip": f"{words[3] % 10_000:04d}"},
        }
        if place % NAMELESS == NAMELESS - 1:
            del attributes["name"]
        return attributes

    def matching(self, kind: int, condition: object) -> list[int]:
        """The positions of the objects that match a filter.

        Raises:
            ValueError: The filter is malformed.
        """
        matches = grouped(condition, {"object_attribute": lambda value: self._leaf(kind, value)})
        return [place for place in range(self.count(kind) or 0) if matches(place)]

    def people(self, kind: int, place: int, now: float) -> list[int]:
        """The numbers of an object's people; the first object has very many."""
        numbers = self._crowd(kind, place, now)
        return [number for number in numbers if self._people.is_there(number, now)]

    def related(self, number: int, now: float) -> list[Row]:
        """A person's objects; here the type is a number."""
        relations = self._relations(now if self._resampling.rate else self._since)
        return [
            {
                "object_type_id": kind,
                "identifiers": self.identifiers(kind, place),
                "attributes": {"role": ROLES[(number + place) % 3]},
                "timestamps": {"role": began - number % 1000 - 1},
            }
            for kind, place, began in relations.get(number, ())
        ]

    def _crowd(self, kind: int, place: int, now: float) -> dict[int, int]:
        """People related to an object, gone ones included, and the times of the relationships."""
        words = self._rng.draw("related", kind, place)
        wanted = CROWD if (kind, place) == (1, 0) else words[0] % 5
        picks = self._rng.series(wanted, "related", kind, place)
        there = self._people.arrived(self._since)
        crowd: dict[int, int] = {}
        for seat, pick in enumerate(picks if there else ()):
            round_ = self._resampling.count(now, pick)
            if not round_:
                crowd.setdefault(pick % there, self._since)
                continue
            words = self._rng.draw("related", kind, place, seat, round_)
            began = self._resampling.began(round_, pick)
            index = (words[1] << 16 | words[2]) % self._people.arrived(began)
            if words[0] % 8:
                crowd.setdefault(self._people.number(index), began)
        return crowd

    def _found_relations(self, now: float) -> dict[int, list[tuple[int, int, int]]]:
        relations: dict[int, list[tuple[int, int, int]]] = {}
        for kind in TYPE_IDS:
            for place in range(self.count(kind) or 0):
                for number, began in self._crowd(kind, place, now).items():
                    relations.setdefault(number, []).append((kind, place, began))
        return relations

    def _leaf(self, kind: int, value: Any) -> Predicate:
        match value:
            case {"field": str(field), "operator": "exists", "type_id": str(type_id), **others}:
                if type_id == str(kind) and not others:
                    return self._exists(kind, field)
            case {"field": str(field), "operator": "eq", "type_id": str(type_id), "value": sought}:
                if type_id == str(kind) and len(value) == 4:  # noqa: PLR2004 - and no others
                    return lambda place: self.attributes(kind, place).get(field) == sought
        raise ValueError("an attribute of an object is matched by field, operator and type_id")

    def _exists(self, kind: int, field: str) -> Predicate:
        if field in ALWAYS_THERE:
            return everyone
        return lambda place: field in self.attributes(kind, place)


def _type(number: int, *, is_last: bool) -> Row:
    plural, singular = TYPES[number - 1]
    row: Row = {
        "id": str(number),
        "name": plural,
        "singular_name": singular,
        "slug": plural.lower(),
        "singular_slug": singular.lower(),
        "enabled": not is_last,
    }
    return row if number % 2 == 0 else {**row, "icon": "building"}
