"""Looks up people by an identifier."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_customerio import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_customerio.api.client import Client

KINDS = ("email", "id", "cio_id", "phone")
"""Kinds of identifiers; Customer.io gives every person a permanent `cio_id`."""

PROFILES = "/v1/customers/attributes"
_MOST = 100
_LONGEST = 150
_SHAPES = {
    "email": re.compile(r"[^\s,;<>]+@[^\s,;<>@]+"),
    "cio_id": re.compile(r"[0-9A-Za-z]+"),
    "phone": re.compile(r"\+[0-9]{6,15}"),
}
_SEPARATORS = str.maketrans("", "", " ()-./")


class Request(NamedTuple):
    """The identifier in a request."""

    kind: str
    value: str

    @classmethod
    def of(cls, kind: str, value: str) -> Request:
        """Parse an identifier; a custom id keeps every character.

        Raises:
            TapError: It is empty, or is not an identifier of this kind.
        """
        if kind not in KINDS:
            raise errors.privacy.bad_kind()
        if not value.strip():
            raise errors.privacy.no_identifier()
        if any(unicodedata.category(sign) in {"Cc", "Cs"} for sign in value):
            raise errors.privacy.control_character(kind)
        text = value if kind == "id" else _spelled(kind, value.strip())
        if kind == "id" and len(text.encode()) > _LONGEST:
            raise errors.privacy.too_long(kind, _LONGEST)
        return cls(kind, text)


def _spelled(kind: str, text: str) -> str:
    """An identifier other than a custom id, as the API spells it."""
    if kind == "cio_id":
        text = text.removeprefix("cio_")
    elif kind == "phone":
        text = text.translate(_SEPARATORS)
    if "*" in text:
        raise errors.privacy.wildcard(kind)
    if not _SHAPES[kind].fullmatch(text):
        raise errors.privacy.unclear_identifier(kind)
    return text


class Person(NamedTuple):
    """A person: the permanent id and the other identifiers."""

    cio_id: str
    identifiers: Mapping[str, str]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Person:
        """Parse the identifiers of a response."""
        named = {kind: str(row[kind]) for kind in ("id", "email") if row.get(kind)}
        return cls(str(row["cio_id"]), named)

    def masked(self) -> str:
        """The person in a form that a terminal may show."""
        names = (f"{kind} {masked(kind, text)}" for kind, text in self.identifiers.items())
        return ", ".join([f"cio_id {self.cio_id}", *names])  # a cio_id reveals nothing personal


class Match(NamedTuple):
    """All people with an identifier, and others who could be confused with them."""

    request: Request
    people: Sequence[Person]
    others: Sequence[Person] = ()
    former: Sequence[tuple[str, str]] = ()
    """Identifiers, by kind, that the people had before."""
    notes: Sequence[str] = ()
    """Notes about former identifiers that are unknown."""


def masked(kind: str, text: str) -> str:
    """An identifier in a form that a terminal may show."""
    if kind == "phone":
        return f"***{text[-2:]}"
    first = text[:1] if text[:1].isalnum() else ""
    local, at, domain = text.rpartition("@")
    if not local:
        return f"{first}***"
    top = domain.rpartition(".")[2]
    return f"{first}***{at}***.{top}" if top.isalnum() and "." in domain else f"{first}***{at}***"


def resolve(client: Client, request: Request) -> Match:
    """Find the people of a request through the App API.

    Raises:
        TapError: The API does not look people up by this kind, or returns another person.
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


def look_up(client: Client, kind: str, value: str, *, must_state: bool = True) -> list[Person]:
    """All people whose response or profile states the identifier.

    Without `must_state`, also people with no stated identifier of this kind.

    Raises:
        TapError: The API does not look people up by this kind, or returns a person with another
            identifier, or without one.
    """
    if kind == "email":
        rows = [row for spelling in _spellings(value) for row in _by_email(client, spelling)]
    else:
        rows = [stated(profile) for profile in profiles(client, [value], kind)]
    people = {str(row.get("cio_id") or ""): row for row in rows}
    if "" in people:
        raise errors.privacy.another_person(kind)
    unclear = [cio_id for cio_id, row in people.items() if not row.get(kind)]
    if kind == "email" and unclear:  # responses omit addresses that do not identify people
        people |= {str(row.get("cio_id")): row for row in map(stated, profiles(client, unclear))}
    for cio_id, row in people.items():
        if must_state or row.get(kind):
            _check(kind, value, cio_id, row)
    found = [Person.of(row) for row in people.values()]
    if kind == "phone":
        return [p._replace(identifiers={**p.identifiers, kind: value}) for p in found]
    return found


def stated(profile: Mapping[str, Any]) -> dict[str, Any]:
    """The identifiers in a profile, from its identifiers or its attributes."""
    named, attributes = profile.get("identifiers") or {}, profile.get("attributes") or {}
    if not isinstance(named, dict) or not isinstance(attributes, dict):
        raise errors.privacy.another_person("cio_id")
    extra = {kind: attributes[kind] for kind in ("email", "phone") if attributes.get(kind)}
    return {**extra, **{kind: value for kind, value in named.items() if value}}


def is_of(profile: Mapping[str, Any], cio_id: str) -> bool:
    """Whether a profile states this identifier."""
    named = profile.get("identifiers")
    return isinstance(named, dict) and named.get("cio_id") == cio_id


def _check(kind: str, value: str, cio_id: str, row: Mapping[str, Any]) -> None:
    if not row.get(kind) and kind == "phone":
        raise errors.privacy.unstated_phone(cio_id)
    if not row.get(kind) or not is_same(kind, str(row[kind]), value):
        raise errors.privacy.another_person(kind)


def profiles(client: Client, ids: Sequence[str], kind: str = "cio_id") -> list[dict[str, Any]]:
    """The profiles of existing people.

    Raises:
        TapError: This kind does not identify people in the workspace.
    """
    found: list[dict[str, Any]] = []
    for first in range(0, len(ids), _MOST):
        body = {"ids": ids[first : first + _MOST]}
        try:
            pages = client.pages(
                PROFILES, "customers", method="POST", params={"id_type": kind}, body=body
            )
            found += [row.get("customer", row) for page in pages for row in page]
            if not all(isinstance(row, dict) and row for row in found):
                raise errors.api.invalid_member(f"POST {PROFILES}", "customers", "list of objects")
        except errors.BadRequestError:
            raise errors.privacy.no_such_identifier(kind) from None
    return found


def _by_email(client: Client, value: str) -> list[dict[str, Any]]:
    rows = client.fetch("GET", "/v1/customers", params={"email": value}).get("results")
    return list(rows or [])


def _spellings(email: str) -> Iterable[str]:
    """An address as typed, normalized, and in lower case, because the API may compare bytes."""
    composed = unicodedata.normalize("NFC", email)
    return dict.fromkeys((email, composed, composed.lower()))


def is_same(kind: str, one: str, other: str) -> bool:
    """Whether two spellings are the same identifier."""
    if kind == "email":
        one, other = (unicodedata.normalize("NFC", text).casefold() for text in (one, other))
    elif kind == "phone":
        one, other = (text.translate(_SEPARATORS) for text in (one, other))
    return one == other


def _alike(request: Request, people: Sequence[Person]) -> Iterator[tuple[str, str]]:
    """Ambiguous identifiers: an address as custom id, or one shared by several people."""
    if "@" in request.value and request.kind in {"email", "id"}:
        yield "id" if request.kind == "email" else "email", request.value
    if request.kind != "email":
        emails = {person.identifiers.get("email") for person in people} - {None, request.value}
        yield from (("email", email) for email in sorted(filter(None, emails)))
