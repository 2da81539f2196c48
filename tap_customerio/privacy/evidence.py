"""The outcome of a request, without names of people."""

from __future__ import annotations

import hmac
import time
import unicodedata
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_customerio.settings import NAME
from tap_customerio.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_customerio.api.track import Track, TrackAccount
    from tap_customerio.privacy.identity import Request

COMPLETE, INCOMPLETE = "complete", "incomplete"
VERIFIED, UNPROVEN, UNVERIFIED = "erased_verified", "gone_unproven", "accepted_unverified"
OPTED_OUT, OPTED_IN, OPT_UNPROVEN = "opted_out_verified", "opted_in_verified", "opt_unproven"
UNSUPPRESSED = "unsuppress_accepted"
NOT_FOUND, FAILED = "not_found", "failed"

EXIT_CODES = {
    COMPLETE: 0,
    VERIFIED: 0,
    UNSUPPRESSED: 0,
    OPTED_OUT: 0,
    OPTED_IN: 0,
    NOT_FOUND: 4,
    INCOMPLETE: 3,
    UNPROVEN: 3,
    OPT_UNPROVEN: 3,
    UNVERIFIED: 3,
    FAILED: 1,
}
"""Exit code by outcome, from the best outcome to the worst."""

MEANINGS = {
    COMPLETE: "Everything was read.",
    VERIFIED: "Erased: afterwards no identifier finds the person.",
    UNSUPPRESSED: "The unblocking was accepted; Customer.io does not say if anything was blocked.",
    OPTED_OUT: "Opted out of everything that was chosen, and checked.",
    OPTED_IN: "Opted in again, and checked.",
    NOT_FOUND: "No one has this identifier.",
    INCOMPLETE: "Something could not be read; the report lists it.",
    UNPROVEN: "Gone, but not proven to result from this request.",
    OPT_UNPROVEN: "True now, but not proven to result from this request.",
    UNVERIFIED: "Accepted, but not verified yet.",
    FAILED: "Not done, or not known to be done.",
}
"""The meaning of each outcome, in a sentence."""

AGAIN = {FAILED, INCOMPLETE, UNPROVEN, OPT_UNPROVEN, UNVERIFIED}
"""Outcomes that another run may improve."""

RESIDUE = (
    "Copies in warehouses and their backups: --warehouse-sql writes the SQL that removes them.",
    "Finished exports, and files that were downloaded from Customer.io.",
    "Collections, snippets and messages into which someone wrote personal data.",
    "Other workspaces of the account: people are not shared between them.",
    "Suppression lists of the e-mail provider: Customer.io leaves the address on them.",
    "Data that webhooks and integrations have passed on to other systems.",
    "Apps that send events or imports of the person: they could create the person again.",
)
"""Places that the APIs cannot erase."""


class Outcome(NamedTuple):
    """The outcome of a request."""

    outcome: str
    people: int = 0
    reason: str = ""
    is_settled: bool = True
    untouched: frozenset[str] = frozenset()
    """Permanent ids of people whose erasure failed."""


def worst(outcomes: Iterable[str]) -> str:
    """The most important of several outcomes; not_found for none."""
    order = list(EXIT_CODES)
    return max(outcomes, key=order.index, default=NOT_FOUND)


def digest(key: bytes, kind: str, value: str) -> str:
    """HMAC-SHA256 of `kind:value` in hexadecimal digits; e-mail addresses in lower case."""
    if kind == "email":
        value = unicodedata.normalize("NFC", value).lower()
    return hmac.digest(key, f"{kind}:{value}".encode(), "sha256").hex()


def utc_now() -> str:
    """The current time, RFC 3339 in UTC."""
    return rfc3339(int(time.time()))


def described(key: bytes, kind: str, value: str) -> dict[str, Any]:
    """An identifier in the form that evidence may hold."""
    return {"type": kind, "hash": digest(key, kind, value)}


def heading(
    action: str, request: Request, key: bytes, track: Track, account: TrackAccount
) -> dict[str, Any]:
    """The beginning of a file of evidence: the request, and the workspace that it went to."""
    return {
        "format": f"{NAME} privacy evidence 1",
        "tap_version": version(NAME),
        "action": action,
        "request": described(key, *request),
        "track_host": track.place,
        "region": account.region,
        "workspace_id": account.workspace_id,
        "workspace_stated": account.stated,
        "same_workspace_proven": account.is_proven,
        "started_at": utc_now(),
    }
