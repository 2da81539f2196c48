"""What Customer.io holds on a person, as far as its App API gives it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from tap_customerio import problems
from tap_customerio.client import quoted
from tap_customerio.privacy.identity import profiles
from tap_customerio.windows import BEGINNING, DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tap_customerio.client import Client
    from tap_customerio.privacy.identity import Person, Request

T = TypeVar("T")

LISTS: dict[str, tuple[str, str, dict[str, int]]] = {
    "segments": ("segments", "segments", {}),
    "opt_outs": ("optouts", "optouts", {}),
    "relationships": ("relationships", "cio_relationships", {}),
    "activities": ("activities", "activities", {"limit": 100}),
}
"""What is held, by the report's names: its path and key in the API, and how to ask for it."""

KINDS = ("attributes", "devices", *LISTS, "messages")

CAVEATS = (
    "Activities reach back 30 days for sure; older ones may be missing.",
    "Messages are those that the API still lists, which for older than six months is not certain.",
    "Bodies of messages are not included; each shows what was sent, when, and what became of it.",
    "Not included: downloaded exports, collections, other workspaces of the account.",
    "Not included: copies that webhooks, integrations and warehouses hold.",
)
"""What the reader of a report must know."""

_HALF_A_YEAR = 180 * DAY  # wider windows are cut to six months without a word


class Held:
    """What is held on the people of a request, and what of it could not be read."""

    def __init__(self, client: Client) -> None:
        """Nothing is read yet."""
        self._client = client
        self._prefixes = ["", "cio_"]  # which of them paths want is documented nowhere
        self.people: list[dict[str, Any]] = []
        self.suppressions: list[dict[str, Any]] = []
        self.not_read: list[dict[str, str]] = []

    def read(self, request: Request, people: Iterable[Person]) -> None:
        """Read everything on everybody found, and what the e-mail provider has on the addresses.

        Raises:
            Problem: When the key is refused, or the API is gone.
        """
        emails = {request.value.lower()} if request.kind == "email" else set()
        for person in people:
            held = self._read_person(person.cio_id)
            self.people.append(held)
            for named in (person.identifiers, held["attributes"] or {}):
                emails.add(str(named.get("email") or "").lower())
        for email in sorted(email for email in emails if "@" in email):
            self._read_suppressions(email)

    def counts(self) -> dict[str, int]:
        """How much there is of each kind."""
        found = {kind: sum(len(p[kind] or ()) for p in self.people) for kind in KINDS}
        chosen = (person["subscription_preferences"] or {} for person in self.people)
        found["subscription_preferences"] = sum(len(c.get("topics") or ()) for c in chosen)
        found["provider_suppressions"] = len(self.suppressions)
        return {"people": len(self.people), **found}

    def _read_person(self, cio_id: str) -> dict[str, Any]:
        def part(name: str, read: Callable[[str], T]) -> T | None:
            return self._tried(name, cio_id, lambda: self._at(cio_id, read))

        profile = self._tried("attributes", cio_id, lambda: self._profile(cio_id)) or {}
        held: dict[str, Any] = {
            "cio_id": cio_id,
            "identifiers": profile.get("identifiers") or {},
            **{name: profile.get(name) for name in ("attributes", "timestamps", "unsubscribed")},
            "devices": (profile.get("devices") or []) if profile else None,
            "subscription_preferences": part("subscription_preferences", self._preferences),
        }
        for name, how in LISTS.items():
            held[name] = part(name, partial(self._rows, *how))
        held["messages"] = part("messages", self._messages)
        return held

    def _profile(self, cio_id: str) -> dict[str, Any]:
        found = profiles(self._client, [cio_id])
        if not found:
            raise problems.Gone(f"{cio_id} in the list of profiles")
        return found[0]

    def _preferences(self, base: str) -> dict[str, Any] | None:
        path = f"{base}/subscription_preferences"
        found = self._client.fetch("GET", path, params={"id_type": "cio_id"}).get("customer")
        return found if isinstance(found, dict) else None

    def _messages(self, base: str) -> list[dict[str, Any]]:
        """Deliveries of all time, newest first; window by window, as the API cuts what is wider."""
        found: dict[str, dict[str, Any]] = {}
        for start, end in _backwards(self._client.present):
            window = {"start_ts": start, "end_ts": end, "limit": 1000}
            for row in self._rows("messages", "messages", window, base):
                found.setdefault(str(row.get("id")), row)
        return list(found.values())

    def _rows(
        self, path: str, key: str, params: Mapping[str, int], base: str
    ) -> list[dict[str, Any]]:
        query = {**params, "id_type": "cio_id"}
        pages = self._client.pages(f"{base}/{path}", key, params=query)
        rows = [row for page in pages for row in page]
        if not all(rows):
            raise problems.odd_member(f"GET {base}/{path}", key, "list of objects")
        return rows

    def _at(self, cio_id: str, read: Callable[[str], T]) -> T:
        """Read below a person's path, with the cio_id spelled as the API wants it there."""
        for prefix in self._prefixes:
            try:
                found = read(f"/v1/customers/{prefix}{quoted(cio_id)}")
            except problems.Gone as error:
                gone = error
                continue
            self._prefixes = [prefix]
            return found
        raise gone

    def _read_suppressions(self, email: str) -> None:
        def read() -> list[dict[str, Any]]:
            try:
                path = f"/v1/esp/search_suppression/{quoted(email)}"
                return list(self._client.fetch("GET", path).get("suppressions") or [])
            except problems.Gone:  # on no list, probably: nobody has said which answer means that
                return []

        self.suppressions += self._tried("provider_suppressions", None, read) or []

    def _tried(self, what: str, cio_id: str | None, read: Callable[[], T]) -> T | None:
        """Read, or note why not, unless nothing else would fare better."""
        try:
            return read()
        except problems.Fatal:
            raise
        except problems.Problem as problem:
            where = {"cio_id": cio_id} if cio_id else {}
            self.not_read.append({"what": what, **where, "why": _why(problem)})
            return None


def _backwards(present: int) -> Iterator[tuple[int, int]]:
    """Windows from the present to the beginning, both ends inclusive, as the API's are."""
    end = present
    while end >= BEGINNING:
        start = max(BEGINNING, end - _HALF_A_YEAR + 1)
        yield start, end
        end = start - 1


def _why(problem: problems.Problem) -> str:
    if isinstance(problem, problems.Forbidden):
        return "The App API key may not read it (403)."
    if isinstance(problem, problems.Gone):
        return "The API knows nothing of it (404): not part of the plan, or just deleted."
    if isinstance(problem, problems.Refused):
        return f"The API refused the question (status {problem.status})."
    if isinstance(problem, problems.KeepsFailing):
        return f"The API kept failing: {problem.brief}."
    return "The API's answer could not be understood."
