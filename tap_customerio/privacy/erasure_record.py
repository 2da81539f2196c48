"""The record of one erasure, written to disk before each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_customerio.privacy.certificate import CERTIFICATE, certificate
from tap_customerio.privacy.evidence import (
    AGAIN,
    FAILED,
    RESIDUE,
    UNVERIFIED,
    Outcome,
    described,
    digest,
    utc_now,
    worst,
)
from tap_customerio.privacy.identity import is_same

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_customerio.privacy.folder import Folder
    from tap_customerio.privacy.identity import Match, Person

EVIDENCE = "evidence.json"
JOURNAL = "unfinished.json"


def keep_earlier(folder: Folder) -> None:
    """Rename the evidence of an earlier, finished attempt."""
    earlier: Mapping[str, Any] = folder.read_json(EVIDENCE) or {}
    if earlier.get("finished_at"):
        name = f"evidence-{earlier['finished_at'].replace(':', '')}.json"
        folder.write_json(name, earlier)
        folder.remove(CERTIFICATE)  # it belongs to that attempt


class ErasureRecord:
    """Evidence that is accurate at any moment, and a journal for resuming until all is settled."""

    def __init__(self, folder: Folder, match: Match, key: bytes, heading: dict[str, Any]) -> None:
        """Start, or resume from the journal of an interrupted run."""
        self._folder, self._match = folder, match
        self._workspace = heading["workspace_id"]
        self._calls: dict[str, Any] = (folder.read_json(JOURNAL) or {}).get("calls", {})
        self._states = {p.cio_id: self._begun(key, p) for p in match.people}
        self._open = set(self._states)
        self._evidence = {
            **heading,
            "finished_at": None,
            "outcome": worst([]),
            "people": list(self._states.values()),
            "not_included": [digest(key, "cio_id", other.cio_id) for other in match.others],
            "former_identifiers": [described(key, *named) for named in match.former],
            "residue": [*RESIDUE, *match.notes],
        }
        keep_earlier(folder)
        self._write_journal()
        self._write()

    def shared(self, person: Person) -> set[tuple[str, str]]:
        """People who shared an identifier from the start, by cio_id and kind."""
        return {
            (other.cio_id, kind)
            for other in (*self._match.people, *self._match.others)
            for kind, value in person.identifiers.items()
            if is_same(kind, other.identifiers.get(kind, ""), value)
        }

    def was_sent(self, person: Person) -> bool:
        """Whether the request was sent, even if an interrupted run did not see the response."""
        return person.cio_id in self._calls

    def was_sent_here(self, person: Person) -> bool:
        """Whether it was sent to the workspace of the current Track API key."""
        call = self._calls.get(person.cio_id) or {}
        return bool(call.get("workspace_id") == self._workspace)

    def was_accepted_here(self, person: Person) -> bool:
        """Whether that workspace also accepted it."""
        return self.was_sent_here(person) and bool(self._calls[person.cio_id]["accepted_at"])

    def waiting(self) -> list[Person]:
        """People whose erasure was accepted but is not yet visible."""
        return [
            person
            for person in self._match.people
            if person.cio_id in self._open and self._states[person.cio_id]["outcome"] == UNVERIFIED
        ]

    def sending(self, person: Person) -> None:
        """Record that a request is about to be sent."""
        first = self._calls.get(person.cio_id) if self.was_sent_here(person) else None
        at = first["sent_at"] if first else utc_now()
        self._note_call(person, at, first["accepted_at"] if first else None)

    def accepted(self, person: Person, at: str) -> None:
        """Record that the request was accepted, possibly as part of another request of this run."""
        sent_at = self._calls[person.cio_id]["sent_at"] if self.was_sent_here(person) else at
        self._note_call(person, sent_at, at)

    def _note_call(self, person: Person, sent_at: str, accepted_at: str | None) -> None:
        times = {"sent_at": sent_at, "accepted_at": accepted_at}
        self._calls[person.cio_id] = {**times, "workspace_id": self._workspace}
        self._states[person.cio_id].update(times)
        self._write_journal()
        self._write()

    def note(
        self, person: Person, outcome: str, reason: str = "", *, is_settled: bool = False, **at: str
    ) -> None:
        """Record the result for a person, with the time; a settled result does not change."""
        reason = reason.replace(person.cio_id, "***")
        self._states[person.cio_id].update(outcome=outcome, reason=reason, **at)
        if is_settled or outcome not in AGAIN:
            self._open.discard(person.cio_id)
        self._write()

    def block(self, person: Person, kind: str, result: str) -> None:
        """Record whether an identifier was blocked."""
        for identifier in self._states[person.cio_id]["identifiers"]:
            if identifier["type"] == kind:
                identifier["blocked"] = result
        self._write()

    def close(self) -> Outcome:
        """Finish the evidence; the journal stays until the outcome is recorded."""
        states = self._evidence["people"]
        outcome = worst(state["outcome"] for state in states)
        reasons = [state["reason"] for state in states if state["outcome"] == outcome]
        self._evidence["finished_at"] = utc_now()
        self._write()
        sha256 = self._folder.described(EVIDENCE)["sha256"]
        self._folder.write(CERTIFICATE, certificate(self._evidence, sha256))
        untouched = frozenset(
            cio_id for cio_id, state in self._states.items() if state["outcome"] == FAILED
        )
        reason = reasons[0] if reasons else ""
        return Outcome(outcome, len(states), reason, not self._open, untouched)

    def _begun(self, key: bytes, person: Person) -> dict[str, Any]:
        call = self._calls.get(person.cio_id, {})
        return {
            "hash": digest(key, "cio_id", person.cio_id),
            "identifiers": [
                {**described(key, kind, value), "blocked": None}
                for kind, value in person.identifiers.items()
            ],
            "outcome": FAILED,
            "reason": "Interrupted before there was a response. Run the same command again.",
            "sent_at": call.get("sent_at"),
            "accepted_at": call.get("accepted_at"),
            "verified_at": None,
        }

    def _write_journal(self) -> None:
        match = self._match._asdict()
        del match["request"]
        self._folder.write_json(JOURNAL, {**match, "calls": self._calls})

    def _write(self) -> None:
        states = self._evidence["people"]
        self._evidence["outcome"] = worst(state["outcome"] for state in states)
        self._folder.write_json(EVIDENCE, self._evidence)
