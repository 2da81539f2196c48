"""The data of a person in Customer.io, as far as the App API returns it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from tap_customerio import errors
from tap_customerio.api.client import quoted
from tap_customerio.api.person_paths import person_paths
from tap_customerio.privacy.former import former_identifiers
from tap_customerio.privacy.history import (
    MAYBE_CUT,
    OLD,
    UNBOUNDED,
    backwards,
    is_within,
    keeps_old,
)
from tap_customerio.privacy.identity import is_of, profiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tap_customerio.api.client import Client
    from tap_customerio.privacy.identity import Person, Request

T = TypeVar("T")

LISTS: dict[str, tuple[str, str, dict[str, int]]] = {
    "segments": ("segments", "segments", {}),
    "opt_outs": ("optouts", "optouts", {}),
    "relationships": ("relationships", "cio_relationships", {}),
    "activities": ("activities", "activities", {"limit": 100}),
}
"""Parts of the data by name in the report: path and key in the API, and parameters."""

PARTS: dict[str, type] = {
    "attributes": dict,
    "timestamps": dict,
    "unsubscribed": bool,
    "devices": list,
}
"""Parts of a profile, and their types."""

KINDS = ("attributes", "devices", *LISTS, "messages")

CAVEATS = (
    "Activities of the last 30 days are included; older ones may be missing.",
    "Messages are those that the API still lists.",
    "Bodies of messages are not included; each message shows its subject, time and outcome.",
    "Former identifiers and merged people are known only for the last 30 days.",
    "Not included: downloaded exports, collections, other workspaces of the account.",
    "Not included: copies that webhooks, integrations and warehouses hold.",
)
"""Notes for the reader of a report."""


class PersonalData:
    """The data of a request's people, and the parts that could not be read."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._paths = person_paths(client)
        self.people: list[dict[str, Any]] = []
        self.suppressions: list[dict[str, Any]] = []
        self.not_read: list[dict[str, str]] = []
        self._is_unbounded = False

    def read(
        self, request: Request, people: Iterable[Person], also: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Read all data of all matching people, and the suppressions of their addresses.

        Raises:
            TapError: The key is rejected, or the API does not respond.
        """
        emails = {value.lower() for kind, value in (request, *also) if kind == "email"}
        for person in people:
            found = self._read_person(person.cio_id)
            self.people.append(found)
            for named in (person.identifiers, found["attributes"] or {}):
                emails.add(str(named.get("email") or "").lower())
            former: list[dict[str, str]] = found["former_identifiers"] or []
            emails |= {each["value"].lower() for each in former if each["type"] == "email"}
        for email in sorted(email for email in emails if "@" in email):
            self._read_suppressions(email)

    def counts(self) -> dict[str, int]:
        """The number of items of each kind."""
        found = {kind: sum(len(p[kind] or ()) for p in self.people) for kind in KINDS}
        preferences = (person["subscription_preferences"] or {} for person in self.people)
        found["subscription_preferences"] = sum(len(c.get("topics") or ()) for c in preferences)
        found["provider_suppressions"] = len(self.suppressions)
        return {"people": len(self.people), **found}

    def _read_person(self, cio_id: str) -> dict[str, Any]:
        def part(name: str, read: Callable[[str], T]) -> T | None:
            return self._tried(name, cio_id, lambda: self._paths.read(name, cio_id, read))

        profile = self._tried("profile", cio_id, lambda: self._profile(cio_id)) or {}
        found: dict[str, Any] = {
            "cio_id": cio_id,
            "identifiers": profile.get("identifiers") or {},
            **{name: self._part(profile, name, cio_id) for name in PARTS},
            "subscription_preferences": part("subscription_preferences", self._preferences),
        }
        for name, how in LISTS.items():
            found[name] = part(name, partial(self._rows, *how))
        found["former_identifiers"] = former_identifiers(found["activities"], found["identifiers"])
        found["messages"] = part("messages", self._messages)
        self._judge(found)
        return found

    def _part(self, profile: Mapping[str, Any], name: str, cio_id: str) -> Any:
        """A part of a profile; a part of an unexpected type is noted as unreadable."""
        value = profile.get(name)
        if name == "devices" and value is None and profile:
            return []
        is_whole = isinstance(value, PARTS[name])
        if name == "devices" and is_whole:
            is_whole = all(isinstance(device, dict) for device in value or ())
        is_unset = value is None and name == "timestamps"  # a part that the API may stop sending
        if profile and not is_whole and not is_unset:
            self._note(name, cio_id, _why(errors.privacy.unexpected_shape(name)))
        return value if is_whole else None

    def _judge(self, found: Mapping[str, Any]) -> None:
        """Note that messages older than six months may be missing."""
        messages, oldest = found["messages"], self._client.present - OLD
        if messages is None:
            return
        stamps = found["timestamps"] or {}
        known = [at for at in stamps.values() if type(at) is int and at > 0]
        # The timestamp of cio_id is the creation; attributes may all have late ones.
        is_young = "cio_id" in stamps and bool(known) and min(known) > oldest
        has_old = any(
            0 < row["created"] < oldest for row in messages if type(row.get("created")) is int
        )
        # Only messages that respect their windows show that the API applies windows.
        is_shown = has_old or (bool(messages) and keeps_old(self._client))
        if self._is_unbounded:
            self._note("messages", found["cio_id"], UNBOUNDED)
        elif not is_young and not is_shown:
            self._note("messages", found["cio_id"], MAYBE_CUT)

    def _profile(self, cio_id: str) -> dict[str, Any]:
        found = profiles(self._client, [cio_id])
        if not found:
            raise errors.NotFoundError(f"{cio_id} in the list of profiles")
        if not is_of(found[0], cio_id):
            raise errors.privacy.another_person("cio_id")
        return found[0]

    def _preferences(self, base: str) -> dict[str, Any]:
        path = f"{base}/subscription_preferences"
        response = self._client.fetch("GET", path, params={"id_type": "cio_id"})
        found = response.object("customer")
        topics = found.get("topics") or []
        if not isinstance(topics, list) or not all(isinstance(topic, dict) for topic in topics):
            raise errors.privacy.unexpected_shape("subscription_preferences")
        return found

    def _messages(self, base: str) -> list[dict[str, Any]]:
        """All deliveries, newest first, window by window, because the API truncates wider ones."""
        found: dict[str, dict[str, Any]] = {}
        self._is_unbounded = False
        for start, end in backwards(self._client.present):
            window = {"start_ts": start, "end_ts": end, "limit": 1000}
            for row in self._rows("messages", "messages", window, base):
                self._is_unbounded |= not is_within(row, start, end)
                found.setdefault(str(row.get("id")), row)
        return list(found.values())

    def _rows(
        self, path: str, key: str, params: Mapping[str, int], base: str
    ) -> list[dict[str, Any]]:
        query = {**params, "id_type": "cio_id"}
        pages = self._client.pages(f"{base}/{path}", key, params=query)
        rows = [row for page in pages for row in page]
        if not all(rows):
            raise errors.api.invalid_member(f"GET {base}/{path}", key, "list of objects")
        return rows

    def _read_suppressions(self, email: str) -> None:
        def read() -> list[dict[str, Any]]:
            try:
                path = f"/v1/esp/search_suppression/{quoted(email)}"
                return self._client.fetch("GET", path).objects("suppressions")
            except errors.NotFoundError:  # probably an address on no list; undocumented
                return []

        self.suppressions += self._tried("provider_suppressions", None, read) or []

    def _tried(self, what: str, cio_id: str | None, read: Callable[[], T]) -> T | None:
        """Read, or note the error; raise errors that affect all other requests, too."""
        try:
            return read()
        except errors.FatalError:
            raise
        except errors.TapError as error:
            self._note(what, cio_id, _why(error))
            return None

    def _note(self, what: str, cio_id: str | None, why: str) -> None:
        where = {"cio_id": cio_id} if cio_id else {}
        self.not_read.append({"what": what, **where, "why": why})


def _why(error: errors.TapError) -> str:
    if isinstance(error, errors.ForbiddenError):
        return "The App API key may not read it (403)."
    if isinstance(error, errors.NotFoundError):
        return "The API does not have it (404): it is not part of the plan, or was just deleted."
    if isinstance(error, errors.BadRequestError):
        return f"The API rejected the request (status {error.status})."
    if isinstance(error, errors.RetriesExhaustedError):
        return f"The API kept failing: {error.brief}."
    if isinstance(error, errors.privacy.InvalidShapeError):
        return str(error)
    return "The API's response could not be understood."
