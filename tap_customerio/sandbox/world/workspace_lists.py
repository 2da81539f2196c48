"""Other lists of a workspace, mostly maintained by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tap_customerio.sandbox.world.rng import DAY, Rng, Row

if TYPE_CHECKING:
    from tap_customerio.sandbox.world.change_log import ChangeLog

PLAIN = ("collections", "exports", "reporting_webhooks", "snippets")
"""Lists without pages at a path with their name; each is a method of `WorkspaceLists`."""

FIRST_SENDER = 41
SENDERS = range(FIRST_SENDER, FIRST_SENDER + 24)
COLLECTIONS = {1: "events", 2: "stores", 3: "currencies", 4: "settings"}
SNIPPETS = (
    "footer", "header", "legal notice", "address", "social_links", "signature", "Öffnungszeiten",
    "promo/summer", "promo/winter", "a+b", "greeting", "unsubscribe",
)  # fmt: skip
SNIPPET_COUNT = 24
WEBHOOK_COUNT = 4
IMPORTS = range(50, 60)
IMPORT_STATES = ("imported", "imported", "imported", "importing", "failed", "canceled")
IMPORT_KINDS = ("people", "event", "object", "relationship")
IP_ADDRESSES = tuple(f"192.0.2.{last}" for last in range(1, 13))
_EXPORT_EVERY = 3 * DAY
_EXPORT_LISTED = 60 * DAY
_EXPORT_TAKES = 90
_DONE, _PENDING, _FAILED = "done", "pending", "failed"


def is_phone(sender: int) -> bool:
    """Whether a sender is a telephone number."""
    return sender % 5 == 0


def is_hidden(sender: int) -> bool:
    """Whether a sender is listed only on request for hidden ones."""
    return sender % 8 == 0


def email_sender(pick: int) -> int:
    """The sender of an e-mail."""
    emails = [s for s in SENDERS if not is_phone(s) and not is_hidden(s)]
    return emails[pick % len(emails)]


def phone_sender(pick: int) -> int:
    """The sender of a text message."""
    phones = [s for s in SENDERS if is_phone(s) and not is_hidden(s)]
    return phones[pick % len(phones)]


class WorkspaceLists:
    """The other lists of a workspace."""

    def __init__(self, rng: Rng, change_log: ChangeLog, since: int) -> None:
        self._rng = rng
        self._change_log = change_log
        self._since = since

    def sender_identities(self, now: float) -> list[Row]:
        """All senders, the hidden ones too."""
        return [self._sender(sender, now) for sender in SENDERS]

    def plain(self, name: str, now: float) -> list[Row]:
        """The rows of a plain list."""
        rows: list[Row] = getattr(self, name)(now)
        return rows

    def collections(self, now: float) -> list[Row]:
        """Collections, without their rows."""
        return [self._collection(number, now) for number in COLLECTIONS]

    def collection_content(self, number: int) -> Any:
        """The rows of a collection; those of the last one are a single object."""
        if number == len(COLLECTIONS):
            return {"theme": "dark", "limits": {"daily": 3, "weekly": None}, "tags": ["a", "b"]}
        words = self._rng.draw("collection", number)
        return [
            {"name": f"{COLLECTIONS[number]} {place}", "size": words[place], "on": None}
            for place in range(1 + words[0] % 15)
        ]

    def snippets(self, now: float) -> list[Row]:
        """Named pieces of text."""
        return [self._snippet(place, now) for place in range(SNIPPET_COUNT)]

    def reporting_webhooks(self, _now: float) -> list[Row]:
        """Targets of reported events; some URLs hold a password."""
        return [_webhook(place) for place in range(WEBHOOK_COUNT)]

    def exports(self, now: float) -> list[Row]:
        """Exports of the last sixty days, newest first; older ones are not listed."""
        newest, oldest = (int(at) // _EXPORT_EVERY for at in (now, now - _EXPORT_LISTED))
        return [_export(number, now) for number in range(newest, oldest, -1)]

    def data_import(self, number: int) -> Row | None:
        """An import by id, which no list contains."""
        if number not in IMPORTS:
            return None
        return _import(number, self._since - (IMPORTS.stop - number) * DAY)

    def _sender(self, sender: int, now: float) -> Row:
        words = self._rng.draw("sender", sender)
        updated = self._change_log.latest("sender_identities", sender, now, self._past(words[0]))
        row: Row = {
            "id": sender,
            "template_type": "phone" if is_phone(sender) else "email",
            "auto_generated": is_hidden(sender),
            "hidden": is_hidden(sender),
            "deduplicate_id": f"{sender}:{updated}",
        }
        if is_phone(sender):
            return row | {"name": None, "phone": f"+1555010{sender:04d}"}
        email = f"team-{sender}@example.org"
        return row | {
            "name": f"Team {sender}",
            "email": email,
            "address": f"Team {sender} <{email}>",
        }

    def _collection(self, number: int, now: float) -> Row:
        content = self.collection_content(number)
        rows = content if isinstance(content, list) else [content]
        created = self._past(self._rng.draw("collection", number)[1])
        return {
            "id": number,
            "name": COLLECTIONS[number],
            "schema": list(rows[0]),
            "rows": len(rows),
            "bytes": len(json.dumps(content)),
            "created_at": created,
            "updated_at": self._change_log.latest("collections", number, now, created),
        }

    def _snippet(self, place: int, now: float) -> Row:
        name = SNIPPETS[place % len(SNIPPETS)]
        name = name if place < len(SNIPPETS) else f"{name} {place}"
        natural = self._past(self._rng.draw("snippet", place)[0])
        return {
            "name": name,
            "value": f"<p>{name}: {{{{customer.first_name}}}} — 👋</p>",
            "updated_at": self._change_log.latest("snippets", name, now, natural),
        }

    def _past(self, word: int) -> int:
        """A moment in the two years before the workspace began."""
        return self._since - word * 960 - 1


def _webhook(place: int) -> Row:
    endpoints = (
        "https://reporter:s3cr3t-word@hooks.example.net/cio",
        "https://hooks.example.net/cio?token=s3cr3t-token&v=1",
        "https://chat.example.net/services/T0000/B0000/s3cr3t-path",
        "https://hooks.example.net/plain",
    )
    return {
        "id": 4 + place,
        "name": f"to warehouse {place + 1}",
        "type": "webhook",
        "endpoint": endpoints[place % 4],
        "events": ["email_opened", "customer_unsubscribed"] if place % 3 else None,
        "disabled": place % 4 == 3,  # noqa: PLR2004 - every fourth
        "full_resolution": place % 2 == 1,
        "with_content": False,
    }


def _export(number: int, now: float) -> Row:
    """An export job: it runs for a while, and sometimes it fails."""
    created = number * _EXPORT_EVERY
    is_over = created + _EXPORT_TAKES <= now
    status = (_FAILED if number % 7 == 0 else _DONE) if is_over else _PENDING
    updated = created + _EXPORT_TAKES if is_over else created
    return {
        "id": number,
        "type": "deliveries" if number % 2 else "customers",
        "status": status,
        "failed": status == _FAILED,
        "total": number % 900 if status == _DONE else 0,
        "downloads": number % 3 if status == _DONE else 0,
        "description": "Deliveries export" if number % 2 else "Filtered customer export",
        "user_id": number % 5,
        "user_email": "ops@example.org",
        "deduplicate_id": f"{number}:{updated}",
        "created_at": created,
        "updated_at": updated,
    }


def _import(number: int, created: int) -> Row:
    kind, state = IMPORT_KINDS[number % 4], IMPORT_STATES[number % 6]
    row: Row = {
        "id": number,
        "name": f"crm sync {number}",
        "description": None if number % 2 else "nightly",
        "type": kind,
        "data_to_process": "all",
        "people_to_process": "all",
        "state": state,
        "rows_to_import": 300,
        "rows_imported": {"imported": 298, "importing": 120}.get(state, 0),
        "created_at": created,
        "updated_at": created + 60,
    }
    if kind != "object":
        row["identifier"] = "email"
    else:
        row["object_type_id"] = "1"
    if state == "failed":
        row |= {"error": "line 3: no email", "error_export_id": 900 + number}
    return row
