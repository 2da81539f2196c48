"""Finds people by identifiers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tap_customerio.sandbox.world.people import numbered

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from tap_customerio.sandbox.world.people import People

KINDS = ("id", "email", "phone")
_email_number = re.compile(r"(\d+)@example\.org$")
_phone_number = re.compile(r"\+1555(\d{7})")
_own_number = re.compile(r"u-(\d+)")


class IdentityIndex:
    """Finds people by permanent id, by another identifier, or by e-mail address."""

    def __init__(self, people: People, identified_by: Collection[str]) -> None:
        """Configure the identifiers of people; custom ids always identify them."""
        if "id" not in identified_by or not set(KINDS).issuperset(identified_by):
            raise ValueError("people are identified by id, and maybe by email and phone")
        self.kinds = frozenset(identified_by) | {"cio_id"}
        self._people = people
        self._named: dict[tuple[str, str], list[int]] = {}

    def note(self, number: int, named: Mapping[str, str | None]) -> None:
        """Add an identifier that does not follow from the person's number."""
        for kind, text in named.items():
            if kind in KINDS and text:
                self._named.setdefault(key(kind, text), []).append(number)

    def find(self, kind: str, text: str, now: float) -> int | None:
        """The one person with an identifier."""
        return next(self.all_with(kind, text, now), None)

    def all_with(self, kind: str, text: str, now: float) -> Iterator[int]:
        """All current people with an identifier; several if it does not identify people."""
        made = _number_in(kind, text)
        others = self._named.get(key(kind, text), ())
        for number in dict.fromkeys(others if made is None else (made, *others)):
            if self._people.is_there(number, now):
                mine = self._text(number, kind, now)
                if mine is not None and key(kind, mine) == key(kind, text):
                    yield number

    def expected(self, named: tuple[str, str], now: float) -> Iterator[int]:
        """People with an identifier who have not arrived yet."""
        for number in self._named.get(named, ()):
            if self._people.joined(number) > now:
                yield number

    def _text(self, number: int, kind: str, now: float) -> str | None:
        if kind == "phone":
            phone: str | None = self._people.attributes(number, now).get(kind)
            return phone
        name = self._people.name(number, now)
        return {"cio_id": name.cio_id, "id": name.id, "email": name.email}[kind]


def key(kind: str, text: str) -> tuple[str, str]:
    """The same text for all spellings: only addresses ignore case."""
    return kind, text.casefold() if kind == "email" else text


def _number_in(kind: str, text: str) -> int | None:
    """The number in an identifier that was generated from one."""
    if kind == "cio_id":
        return numbered(text)
    pattern = {"id": _own_number, "email": _email_number, "phone": _phone_number}[kind]
    match = pattern.search(text.lower()) if kind == "email" else pattern.fullmatch(text)
    return int(match[1]) if match else None
