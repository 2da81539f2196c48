"""Erases the people of a request, and verifies that they are gone."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from tap_customerio import errors
from tap_customerio.privacy.erasure_record import JOURNAL, ErasureRecord
from tap_customerio.privacy.evidence import (
    FAILED,
    UNPROVEN,
    UNVERIFIED,
    VERIFIED,
    heading,
    utc_now,
)
from tap_customerio.privacy.former import with_also, with_former
from tap_customerio.privacy.identity import Match, Person, look_up, profiles, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_customerio.api.client import Client
    from tap_customerio.api.track import Action, Track, TrackAccount
    from tap_customerio.privacy.evidence import Outcome
    from tap_customerio.privacy.folder import Folder
    from tap_customerio.privacy.former import Identifier
    from tap_customerio.privacy.identity import Request

BACK = (
    "Gone, but someone new has one of their identifiers: an event or import created them "
    "again, or they were merged into another person. Stop what sends them, and run the "
    "same command again."
)
SLOW = "Accepted, but still there when the time to wait was over. Run the same command again."
KEYS = (
    "Gone, but not proven to result from this request: site_id and track_api_key may "
    "belong to another workspace than app_api_key. Neither id nor e-mail address was "
    "blocked. If they belong to the same workspace, run the same command again with "
    "--workspace {}."
)
UNANSWERED = (
    "Gone, but not proven to result from this request: it was interrupted before "
    "Customer.io responded."
)
ELSEWHERE = (
    "Gone, but not proven to result from this request: the call went to another workspace, "
    "with the keys of an earlier run. Neither id nor e-mail address was blocked."
)
VANISHED = (
    "Deleted, or merged into another person, after they were looked up; nothing was sent. Run the "
    "same command again."
)


class Eraser:
    """Erases people by their permanent ids, and checks the App API until they are gone."""

    interval = 5.0
    """Seconds between two checks."""

    def __init__(  # noqa: PLR0913 - what it works with, and three choices
        self,
        client: Client,
        track: Track,
        account: TrackAccount,
        *,
        action: Action,
        key: bytes,
        wait: float,
    ) -> None:
        """Prepare; `wait` is the maximum number of seconds for verification."""
        self._client, self._track, self._account = client, track, account
        self._action: Action = action
        self._key = key
        self._wait = wait
        self._stopped = threading.Event()
        self._accepted: dict[str, str] = {}
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def stop(self) -> None:
        """Stop waiting and sending; a running request ends normally."""
        self._stopped.set()
        self._client.close()
        self._track.close()

    def find(self, request: Request, folder: Folder, also: Sequence[Identifier] = ()) -> Match:
        """The people of an interrupted run, or else those that the App API finds.

        `also` holds former identifiers of the people, by kind.

        Raises:
            TapError: The people cannot be looked up.
        """
        left = folder.read_json(JOURNAL)
        if left is None:
            return with_former(self._client, resolve(self._client, request), also)
        people, others = ([Person(*each) for each in left[part]] for part in ("people", "others"))
        former = [(kind, value) for kind, value in left["former"]]
        return with_also(self._client, Match(request, people, others, former, left["notes"]), also)

    def erase(self, match: Match, folder: Folder) -> Outcome:
        """Erase all matching people, and write evidence to the folder in any case.

        Raises:
            TapError: Evidence cannot be written; then no other person is erased.
        """
        about = heading(self._action, match.request, self._key, self._track, self._account)
        record = ErasureRecord(folder, match, self._key, about)
        for person in match.people:
            self._send(record, person)
        self._verify(record)
        return record.close()

    def _send(self, record: ErasureRecord, person: Person) -> None:
        cio_id = person.cio_id
        try:
            with self._locks[cio_id]:  # several requests may concern one person
                if look_up(self._client, "cio_id", cio_id):
                    record.sending(person)
                    self._track.act(self._action, "cio_id", cio_id)
                    self._accepted[cio_id] = utc_now()
                if cio_id in self._accepted:
                    record.accepted(person, self._accepted[cio_id])
            if record.was_sent(person):
                record.note(person, UNVERIFIED, SLOW)
            else:
                record.note(person, FAILED, VANISHED, is_settled=True)
        except errors.TapError as error:
            record.note(person, FAILED, str(error))

    def _verify(self, record: ErasureRecord) -> None:
        """Check the erased people repeatedly until they are gone or time is up."""
        deadline = time.monotonic() + self._wait
        try:
            while record.waiting():
                for person in record.waiting():
                    self._check_gone(record, person)
                rest = max(0.0, deadline - time.monotonic())
                if record.waiting() and (not rest or self._stopped.wait(min(self.interval, rest))):
                    return
        except errors.TapError as error:
            for person in record.waiting():
                record.note(person, UNVERIFIED, f"Could not check that they are gone: {error}")

    def _check_gone(self, record: ErasureRecord, person: Person) -> None:
        """Check whether a person is gone; if so, record it."""
        if profiles(self._client, [person.cio_id]):
            return
        found = {
            (other.cio_id, kind)
            for kind, value in person.identifiers.items()
            for other in look_up(self._client, kind, value, must_state=False)
        }
        if any(cio_id == person.cio_id for cio_id, _ in found):
            return
        if found - record.shared(person):
            record.note(person, UNVERIFIED, BACK, is_settled=True)
        elif not self._account.is_proven:
            record.note(person, UNPROVEN, KEYS.format(self._account.workspace_id))
        elif not record.was_sent_here(person):
            record.note(person, UNPROVEN, ELSEWHERE, is_settled=True)
        else:
            self._settle(record, person)

    def _settle(self, record: ErasureRecord, person: Person) -> None:
        """Block the identifiers of a person who is gone, and note whether that was proven."""
        if self._action == "suppress":
            self._block(record, person)
        if record.was_accepted_here(person):
            record.note(person, VERIFIED, verified_at=utc_now())
        else:
            record.note(person, UNPROVEN, UNANSWERED, is_settled=True)

    def _block(self, record: ErasureRecord, person: Person) -> None:
        """Block identifiers one by one: suppression by cio_id may not block them.

        Only in the person's workspace: people of another one may have the same identifiers.
        """
        for kind, value in person.identifiers.items():
            if look_up(
                self._client, kind, value, must_state=False
            ):  # it belongs to a person who is not to be erased
                record.block(person, kind, "no: someone else has it")
                continue
            try:
                self._track.act("suppress", kind, value)
            except errors.BadRequestError:
                record.block(person, kind, "no: it identifies no one here")
            else:
                record.block(person, kind, "yes")
