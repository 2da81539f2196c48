"""Who is meant by an identifier."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_customerio import problems
from tap_customerio.privacy import refusals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_customerio.client import Client

KINDS = ("email", "id", "cio_id", "phone")
"""Kinds of identifiers; `cio_id` is Customer.io's own, permanent, and on every person."""

PROFILES = "/v1/customers/attributes"
_MOST = 100
_SHAPES = {
    "email": re.compile(r"[^\s,;<>]+@[^\s,;<>@]+"),
    "id": re.compile(r"\S|\S.*\S"),
    "cio_id": re.compile(r"[0-9A-Za-z]+"),
    "phone": re.compile(r"\+[0-9]{6,15}"),
}
_SEPARATORS = str.maketrans("", "", " ()-./")


class Request(NamedTuple):
    """The identifier somebody asked about."""

    kind: str
    value: str

    @classmethod
    def of(cls, kind: str, value: str) -> Request:
        """Take an identifier as it was typed.

        Raises:
            Problem: When it is empty, or could mean more than one thing.
        """
        text = value.strip()
        if kind == "cio_id":
            text = text.removeprefix("cio_")
        elif kind == "phone":
            text = text.translate(_SEPARATORS)
        if kind not in KINDS:
            raise refusals.bad_kind()
        if not text:
            raise refusals.no_identifier()
        clear = text.isprintable() and "*" not in text and any(map(str.isalnum, text))
        if not clear or not _SHAPES[kind].fullmatch(text):
            raise refusals.unclear_identifier(kind)
        return cls(kind, text)


class Person(NamedTuple):
    """A person, by the permanent id and by whatever else identifies them in the workspace."""

    cio_id: str
    identifiers: Mapping[str, str]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Person:
        """Take the identifiers of an answer."""
        named = {kind: str(row[kind]) for kind in ("id", "email") if row.get(kind)}
        return cls(str(row["cio_id"]), named)

    def masked(self) -> str:
        """The person as a terminal may show them."""
        names = (f"{kind} {masked(kind, text)}" for kind, text in self.identifiers.items())
        return ", ".join([f"cio_id {self.cio_id}", *names])  # which says nothing of a person


class Match(NamedTuple):
    """Everybody with an identifier, and others who could be mistaken for them."""

    request: Request
    people: Sequence[Person]
    others: Sequence[Person] = ()


def masked(kind: str, text: str) -> str:
    """An identifier as a terminal may show it."""
    if kind == "phone":
        return f"***{text[-2:]}"
    first = text[:1] if text[:1].isalnum() else ""
    local, at, domain = text.rpartition("@")
    if not local:
        return f"{first}***"
    top = domain.rpartition(".")[2]
    return f"{first}***{at}***.{top}" if top.isalnum() and "." in domain else f"{first}***{at}***"


def resolve(client: Client, request: Request) -> Match:
    """Ask the App API who is meant.

    Raises:
        Problem: When it does not look people up by this kind, or answers with somebody else.
    """
    people = look_up(client, *request)
    found = {person.cio_id for person in people}
    alike = {
        person.cio_id: person
        for kind, value in _alike(request, people)
        for person in look_up(client, kind, value)
    }
    return Match(
        request, people, [person for cio_id, person in alike.items() if cio_id not in found]
    )


def look_up(client: Client, kind: str, value: str) -> list[Person]:
    """Everybody with an identifier.

    Raises:
        Problem: When the API does not look people up by this kind, or answers with somebody else.
    """
    if kind == "email":
        rows = [row for spelling in _spellings(value) for row in _by_email(client, spelling)]
    else:
        rows = [row.get("identifiers") or {} for row in profiles(client, [value], kind)]
    people = {str(row.get("cio_id") or ""): row for row in rows}
    for row in people.values():
        stated = row.get(kind)
        if not row.get("cio_id") or (stated and not _is_same(kind, str(stated), value)):
            raise refusals.somebody_else(kind)
    if kind == "phone":  # answers leave it out
        return [p._replace(identifiers={**p.identifiers, kind: value}) for p in _made(people)]
    return _made(people)


def profiles(client: Client, ids: Sequence[str], kind: str = "cio_id") -> list[dict[str, Any]]:
    """The profiles of those who are there.

    Raises:
        Problem: When this kind identifies nobody in the workspace.
    """
    found: list[dict[str, Any]] = []
    for first in range(0, len(ids), _MOST):
        body = {"ids": ids[first : first + _MOST]}
        try:
            pages = client.pages(
                PROFILES, "customers", method="POST", params={"id_type": kind}, body=body
            )
            found += [row.get("customer", row) for page in pages for row in page]
        except problems.Refused:
            raise refusals.no_such_identifier(kind) from None
    return found


def _by_email(client: Client, value: str) -> list[dict[str, Any]]:
    rows = client.fetch("GET", "/v1/customers", params={"email": value}).get("results")
    return list(rows or [])


def _spellings(email: str) -> Iterable[str]:
    """An address as typed, composed, and in small letters: the API may compare bytes."""
    composed = unicodedata.normalize("NFC", email)
    return dict.fromkeys((email, composed, composed.lower()))


def _is_same(kind: str, one: str, other: str) -> bool:
    if kind == "email":
        one, other = (unicodedata.normalize("NFC", text).casefold() for text in (one, other))
    return one == other


def _made(rows: Mapping[str, Mapping[str, Any]]) -> list[Person]:
    return [Person.of(row) for row in rows.values()]


def _alike(request: Request, people: Sequence[Person]) -> Iterator[tuple[str, str]]:
    """Identifiers that would lead to others: an address as own id, or one that several have."""
    if "@" in request.value and request.kind in {"email", "id"}:
        yield "id" if request.kind == "email" else "email", request.value
    if request.kind != "email":
        emails = {person.identifiers.get("email") for person in people} - {None, request.value}
        yield from (("email", email) for email in sorted(filter(None, emails)))
