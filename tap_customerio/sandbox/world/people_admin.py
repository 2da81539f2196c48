"""Changes of people by API calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.sandbox.world.identity_index import KINDS, key
from tap_customerio.sandbox.world.person_history import Event
from tap_customerio.sandbox.world.rng import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_customerio.sandbox.world.identity_index import IdentityIndex
    from tap_customerio.sandbox.world.people import People

Key = tuple[str, str]
"""A kind of identifier and its text, case-insensitive."""


class PeopleAdmin:
    """Creates, changes, merges and deletes people; `at` is a unix second, not in the past."""

    def __init__(
        self,
        people: People,
        identity_index: IdentityIndex,
        late_event: int | None,
        noted: Callable[[int], None],
    ) -> None:
        """An event arrives this long after each deletion; `noted` receives each changed day."""
        self._people = people
        self._identity_index = identity_index
        self._late_event = late_event
        self._noted = noted
        self._blocked: list[set[Key]] = []

    def identify(
        self,
        identifiers: Mapping[str, str],
        *,
        at: int,
        attributes: Mapping[str, str] | None = None,
    ) -> str | None:
        """Find or create a person, like an app's identify call, and return their cio_id.

        None for suppressed identifiers: such calls are ignored. Where email does not identify
        people, several may have one address.
        """
        named = {kind: text for kind, text in identifiers.items() if kind in KINDS}
        if any(key(*it) in group for it in named.items() for group in self._blocked):
            return None
        extra = {**named, **(attributes or {})}
        for kind in (kind for kind in KINDS if kind in named.keys() & self._identity_index.kinds):
            number = self._identity_index.find(kind, named[kind], at)
            if number is not None:
                cio_id = self._people.name(number, at).cio_id
                self.change(cio_id, extra, at=at)
                return cio_id
        number = self._people.add(extra, at)
        self._identity_index.note(number, extra)
        self._people.history.note(Event(at, number, "profile_create"))
        self._noted(at // DAY)
        return self._people.name(number, at).cio_id

    def change(self, cio_id: str, attributes: Mapping[str, str], *, at: int) -> None:
        """Change attributes or identifiers of a person."""
        number = self._number(cio_id, at)
        had = self._people.attributes(number, at)
        changes = {n: (had.get(n), new) for n, new in attributes.items() if had.get(n) != new}
        if changes:
            self._identity_index.note(number, attributes)
            self._people.history.note(Event(at, number, "attribute_change", changes))
            self._noted(at // DAY)

    def unsubscribe(self, cio_id: str, *, at: int, kind: str = "unsubscribed_email") -> None:
        """Unsubscribe a person by a link, which the log does not record as a change."""
        number = self._number(cio_id, at)
        had = self._people.attributes(number, at).get("unsubscribed")
        changes = {"unsubscribed": (had, "true")}
        self._people.history.note(Event(at, number, kind, changes))
        self._noted(at // DAY)

    def merge(self, winner: str, loser: str, *, at: int) -> None:
        """Merge one person into another, by their cio_ids."""
        self._people.merge(self._number(winner, at), self._number(loser, at), at)
        self._noted(at // DAY)

    def delete(self, kind: str, text: str, *, at: int, after: int = 0) -> None:
        """Delete a person after some seconds; they can be created again."""
        number = self._identity_index.find(kind, text, at)
        if number is None:
            return
        name = self._people.name(number, at)
        self._people.delete(number, at + after)
        self._noted((at + after) // DAY)
        named = {"id": name.id, "email": name.email}
        known = {kind: text for kind, text in named.items() if text}
        if self._late_event is not None and known:
            self.identify(known, at=at + after + self._late_event)

    def suppress(
        self, kind: str, text: str, *, at: int, after: int = 0, blocks_others: bool = True
    ) -> None:
        """Block an identifier, and delete its person after some seconds, including all names.

        By default, the person's other identifiers are blocked as well.
        """
        group = {key(kind, text)}
        number = self._identity_index.find(kind, text, at)
        if number is not None and blocks_others:
            name = self._people.name(number, at)
            named = {"id": name.id, "email": name.email}
            kinds = self._identity_index.kinds
            group |= {key(k, text) for k, text in named.items() if text and k in kinds}
        self._blocked.append(group)
        for blocked in group:
            for expected in self._identity_index.expected(blocked, at):
                self._people.history.end(expected, at)
        if number is not None:
            self._people.delete(number, at + after)
            self._people.history.forget(number, at + after)
            self._noted((at + after) // DAY)

    def unsuppress(self, kind: str, text: str) -> None:
        """Unblock an identifier, and those that were blocked together with it."""
        self._blocked = [group for group in self._blocked if key(kind, text) not in group]

    def _number(self, cio_id: str, at: int) -> int:
        number = self._identity_index.find("cio_id", cio_id, at)
        if number is None:
            raise KeyError(cio_id)
        return number
