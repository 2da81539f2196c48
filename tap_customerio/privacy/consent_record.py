"""The record of a consent change, written to disk before each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_customerio.privacy.choices import UNLISTED, Choice
from tap_customerio.privacy.erasure_record import EVIDENCE, JOURNAL, keep_earlier
from tap_customerio.privacy.evidence import (
    FAILED,
    OPT_UNPROVEN,
    OPTED_IN,
    OPTED_OUT,
    UNVERIFIED,
    Outcome,
    described,
    digest,
    utc_now,
    worst,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_customerio.privacy.folder import Folder
    from tap_customerio.privacy.identity import Match, Person

Entry = dict[str, Any]
"""The result of one choice of one person."""

ALREADY = "already"
NOT_COVERED = (
    UNLISTED,
    "Messages sent to unsubscribed people on purpose, such as receipts, and those under way.",
    "Other workspaces of the account, and other systems that write to the person.",
)
_BEGUN = "Interrupted before there was a response. Run the same command again."


class ConsentRecord:
    """Evidence that is accurate at any moment, and a journal for resuming until all is settled."""

    def __init__(
        self, folder: Folder, match: Match, key: bytes, heading: Entry, *, wanted: bool
    ) -> None:
        """Start, or resume from the journal of an interrupted run."""
        self._folder, self._match, self._wanted = folder, match, wanted
        self._entries: dict[str, list[Entry]] = (folder.read_json(JOURNAL) or {}).get("choices", {})
        self._workspace, self._proven = heading["workspace_id"], heading["same_workspace_proven"]
        self._people = {p.cio_id: self._begun(key, p) for p in match.people}
        self._evidence = {
            **heading,
            "finished_at": None,
            "outcome": FAILED,
            "people": list(self._people.values()),
            "not_included": [digest(key, "cio_id", other.cio_id) for other in match.others],
            "not_covered": list(NOT_COVERED),
        }
        keep_earlier(folder)
        self._write()

    def begin(self, person: Person, choice: Choice, *, before: bool | None) -> Entry:
        """The entry of a choice; a second run keeps the first run's value from before."""
        entries = self._people[person.cio_id]["choices"]
        known = (e for e in entries if (e["choice"], e["of"]) == choice)
        entry: Entry | None = next(known, None)
        if entry is None:
            entry = {"choice": choice.kind, "of": choice.of, "contacted_before": before}
            entry |= {"outcome": FAILED, "reason": _BEGUN, "by_this_request": False}
            entry |= dict.fromkeys(("sent_at", "accepted_at", "verified_at", "workspace_id"))
            entries.append(entry)
        if before is self._wanted and not entry["sent_at"]:
            entry.update(outcome=ALREADY, reason="", verified_at=utc_now())
        self._write()
        return entry

    def sending(self, entries: Iterable[Entry]) -> None:
        """Record that a request is about to be sent."""
        for entry in entries:
            if entry["workspace_id"] != self._workspace:
                entry.update(sent_at=utc_now(), accepted_at=None, workspace_id=self._workspace)
        self._write()

    def accepted(self, entries: Iterable[Entry]) -> None:
        """Record that the request was accepted."""
        reason = "Accepted, but not visible before the time to wait was over."
        for entry in entries:
            entry.update(accepted_at=utc_now(), outcome=UNVERIFIED, reason=reason)
        self._write()

    def fail(self, entries: Iterable[Entry], reason: str) -> None:
        """Record that the request failed."""
        for entry in entries:
            entry.update(outcome=FAILED, reason=reason)
        self._write()

    def doubt(self, entries: Iterable[Entry], reason: str) -> None:
        """Record that the result cannot be checked."""
        for entry in entries:
            entry.update(outcome=UNVERIFIED, reason=reason)
        self._write()

    def verify(self, entry: Entry) -> None:
        """Record that the change is visible, and whether this request demonstrably made it."""
        is_app = entry["choice"] not in {"email", "topic"}  # set with the key that reads it
        is_ours = is_app or (self._proven and entry["workspace_id"] == self._workspace)
        if entry["accepted_at"] and is_ours:
            was_other = entry["contacted_before"] is (not self._wanted)
            entry.update(outcome=self._done, reason="", by_this_request=was_other)
        elif is_ours:
            reason = "True now, but the run was interrupted before Customer.io responded."
            entry.update(outcome=OPT_UNPROVEN, reason=reason)
        else:
            reason = (
                "True now, but not proven to result from this request: if all keys belong "
                "to one workspace, run the same command again with --workspace "
                f"{self._workspace}."
            )
            entry.update(outcome=OPT_UNPROVEN, reason=reason)
        entry["verified_at"] = utc_now()
        self._write()

    def close(self) -> Outcome:
        """Finish the evidence; the journal stays until the outcome is recorded."""
        self._evidence["finished_at"] = utc_now()
        self._write()
        outcome = self._evidence["outcome"]
        entries = [e for person in self._people.values() for e in person["choices"]]
        reasons = [e["reason"] for e in entries if e["outcome"] == outcome and e["reason"]]
        needs = any(e["outcome"] == OPT_UNPROVEN and not self._proven for e in entries)
        is_settled = not needs and outcome not in {FAILED, UNVERIFIED}
        return Outcome(outcome, len(self._people), reasons[0] if reasons else "", is_settled)

    @property
    def _done(self) -> str:
        return OPTED_IN if self._wanted else OPTED_OUT

    def _begun(self, key: bytes, person: Person) -> Entry:
        return {
            "hash": digest(key, "cio_id", person.cio_id),
            "identifiers": [described(key, *named) for named in person.identifiers.items()],
            "choices": self._entries.get(person.cio_id, []),
        }

    def _write(self) -> None:
        entries = [e for person in self._people.values() for e in person["choices"]]
        found = [self._done if e["outcome"] == ALREADY else e["outcome"] for e in entries]
        if any(not person["choices"] for person in self._people.values()):
            found.append(FAILED)
        self._evidence["outcome"] = worst(found)
        choices = {cio_id: person["choices"] for cio_id, person in self._people.items()}
        match = self._match._asdict()
        del match["request"]
        self._folder.write_json(JOURNAL, {**match, "choices": choices})
        self._folder.write_json(EVIDENCE, self._evidence)
