"""Opts people out, or in again, and verifies the change."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tap_customerio import errors
from tap_customerio.privacy.choices import Choice, Consents
from tap_customerio.privacy.consent_record import ConsentRecord, Entry
from tap_customerio.privacy.erasure_record import JOURNAL
from tap_customerio.privacy.evidence import heading
from tap_customerio.privacy.identity import Match, Person, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_customerio.api.client import Client
    from tap_customerio.api.track import Track, TrackAccount
    from tap_customerio.privacy.evidence import Outcome
    from tap_customerio.privacy.folder import Folder
    from tap_customerio.privacy.identity import Request

VANISHED = "Deleted, or merged into another person, after they were looked up; run it again."


class Opter:
    """Changes people's opt-outs by their permanent ids, and reads them back."""

    interval = 5.0
    """Seconds between two checks."""

    def __init__(  # noqa: PLR0913 - what it works with, and three choices
        self,
        client: Client,
        track: Track,
        account: TrackAccount,
        *,
        wanted: bool,
        key: bytes,
        wait: float,
    ) -> None:
        """Prepare; `wanted` is whether to contact the people."""
        self._client, self._track, self._account = client, track, account
        self._consents = Consents(client, track)
        self._wanted, self._key, self._wait = wanted, key, wait
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Stop waiting and sending; a running request ends normally."""
        self._stopped.set()
        self._client.close()
        self._track.close()

    def find(self, request: Request, folder: Folder) -> Match:
        """The people of an interrupted run, or else those that the App API finds.

        Raises:
            TapError: The people cannot be looked up.
        """
        left = folder.read_json(JOURNAL)
        if left is None:
            return resolve(self._client, request)
        people, others = ([Person(*each) for each in left[part]] for part in ("people", "others"))
        return Match(request, people, others)

    def apply(
        self, match: Match, folder: Folder, choices: Callable[[Person], Sequence[Choice]]
    ) -> Outcome:
        """Change the choices of all matching people, and write evidence to the folder.

        Raises:
            TapError: Evidence cannot be written.
        """
        action = "opt-in" if self._wanted else "opt-out"
        about = heading(action, match.request, self._key, self._track, self._account)
        record = ConsentRecord(folder, match, self._key, about, wanted=self._wanted)
        waiting = {p.cio_id: self._send(record, p, choices(p)) for p in match.people}
        self._verify(record, waiting)
        return record.close()

    def _send(
        self, record: ConsentRecord, person: Person, choices: Sequence[Choice]
    ) -> dict[Choice, Entry]:
        """Send the necessary changes; return the entries to verify."""
        entries: dict[Choice, Entry] = {}
        try:
            before = self._consents.read(person.cio_id, choices)
            entries = {c: record.begin(person, c, before=(before or {}).get(c)) for c in choices}
            if before is None:
                record.fail(entries.values(), VANISHED)
                return {}
            todo = [choice for choice in choices if before[choice] is not self._wanted]
            for change, part in (
                (self._consents.change, [choice for choice in todo if choice.attribute]),
                (self._consents.change_senders, [c for c in todo if not c.attribute]),
            ):
                if part:
                    self._call(record, person, [(c, entries[c]) for c in part], change)
        except errors.TapError as error:
            entries = entries or {c: record.begin(person, c, before=None) for c in choices}
            unsent = [choice for choice, entry in entries.items() if not entry["accepted_at"]]
            reason = str(error).replace(person.cio_id, "***")
            record.fail((entries.pop(choice) for choice in unsent), reason)
        return {choice: entry for choice, entry in entries.items() if entry["sent_at"]}

    def _call(
        self,
        record: ConsentRecord,
        person: Person,
        part: Sequence[tuple[Choice, Entry]],
        change: Callable[..., None],
    ) -> None:
        entries = [entry for _, entry in part]
        record.sending(entries)
        change(person.cio_id, [choice for choice, _ in part], wanted=self._wanted)
        record.accepted(entries)

    def _verify(self, record: ConsentRecord, waiting: dict[str, dict[Choice, Entry]]) -> None:
        """Check repeatedly until all changes are visible or time is up."""
        deadline = time.monotonic() + self._wait
        while True:
            for cio_id, entries in waiting.items():
                self._check_visible(record, cio_id, entries)
            rest = max(0.0, deadline - time.monotonic())
            if not any(waiting.values()) or not rest:
                return
            if self._stopped.wait(min(self.interval, rest)):
                return

    def _check_visible(
        self, record: ConsentRecord, cio_id: str, entries: dict[Choice, Entry]
    ) -> None:
        """Settle the choices that are visible by now."""
        if not entries:
            return
        try:
            states = self._consents.read(cio_id, list(entries))
        except errors.TapError as error:
            reason = f"Could not check the result: {error}".replace(cio_id, "***")
            record.doubt(entries.values(), reason)
            entries.clear()
            return
        for choice in list(entries):
            if states is None:
                record.doubt([entries.pop(choice)], VANISHED)
            elif states[choice] is self._wanted:
                record.verify(entries.pop(choice))
