"""The evidence of an erasure as a printable page to sign; contains no names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_customerio.privacy.evidence import MEANINGS, VERIFIED
from tap_customerio.privacy.html_report import KINDS, document, items, minute, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CERTIFICATE = "certificate.html"

_ACTIONS = {
    "suppress": "Erase, and block the identifiers from coming back (suppress)",
    "delete": "Erase, without blocking the identifiers (delete)",
}
_PERSON = {
    "number": "person",
    "outcome": "outcome",
    "sent": "sent",
    "accepted": "accepted",
    "verified": "verified gone",
    "blocked": "identifiers blocked",
}
_SIGN = "<p>For the controller (name, date, signature):</p><p>______________________________</p>"


def certificate(evidence: Mapping[str, Any], sha256: str) -> str:
    """The page for finished evidence, linked to the file by its SHA-256."""
    is_erased = evidence["outcome"] == VERIFIED
    title = "Certificate of erasure" if is_erased else "Record of an erasure request"
    people = [_row(number, each) for number, each in enumerate(evidence["people"], 1)]
    parts = [
        f"<h1>{title}</h1>",
        f"<p><strong>{MEANINGS[evidence['outcome']]}</strong></p>",
        "<h2>Request</h2>",
        table(
            "What was asked and done", list(_request(evidence)), {"name": "field", "value": "value"}
        ),
        "<h2>People</h2>",
        table("Outcome of each profile", people, _PERSON),
        items("What this does not cover", evidence["residue"]),
        items("How to check", _checks(sha256)),
        _SIGN,
    ]
    return document(title, parts)


def _request(evidence: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    request = evidence["request"]
    is_proven = evidence["same_workspace_proven"]
    rows = {
        "Asked for": _ACTIONS[evidence["action"]],
        "Person named by": KINDS[request["type"]],
        "Hash of the identifier": request["hash"],
        "Workspace": f"{evidence['workspace_id']}, region {evidence['region']}",
        "Proven that all keys belong to it": is_proven,
        "Started": minute(evidence["started_at"]),
        "Finished": minute(evidence["finished_at"]),
        "Profiles found": len(evidence["people"]),
        "Similar profiles, not changed": len(evidence["not_included"]),
        "Outcome": evidence["outcome"],
        "Made by": f"tap-customerio {evidence['tap_version']}",
    }
    for name, value in rows.items():
        yield {"name": name, "value": value}


def _row(number: int, person: Mapping[str, Any]) -> dict[str, Any]:
    blocked = [
        f"{KINDS[each['type']]}: {each['blocked'] or 'not tried'}"
        for each in person["identifiers"]
        if each["type"] in KINDS
    ]
    times = {name: person[f"{name}_at"] for name in ("sent", "accepted", "verified")}
    return {
        "number": str(number),
        "outcome": "\n".join(filter(None, [person["outcome"], person["reason"]])),
        **{name: minute(at) if at else "" for name, at in times.items()},
        "blocked": "\n".join(blocked),
    }


def _checks(sha256: str) -> Iterator[str]:
    yield f"The full evidence is evidence.json beside this page. Its SHA-256 is {sha256}."
    yield (
        "The hash of the identifier is the HMAC-SHA256 of type:value with the key in "
        "evidence.key, e-mail addresses in lower case."
    )
