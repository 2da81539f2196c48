"""Contents of newsletters and transactional messages, by language or test group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.sandbox.world import payloads
from tap_customerio.sandbox.world.senders import TRANSACTIONAL_CHANNELS
from tap_customerio.sandbox.world.workspace_lists import email_sender

if TYPE_CHECKING:
    from tap_customerio.sandbox.world.change_log import ChangeLog
    from tap_customerio.sandbox.world.payloads import Send
    from tap_customerio.sandbox.world.rng import Row
    from tap_customerio.sandbox.world.senders import Senders

LANGUAGES = ("", "it", "de")
TRANSLATION = 100_000
_WRITTEN = 600


class Contents:
    """The contents of messages without actions."""

    def __init__(self, senders: Senders, change_log: ChangeLog) -> None:
        self._senders = senders
        self._change_log = change_log

    def ids(self, collection: str, sender: int) -> tuple[int, ...]:
        """The ids of a sender's contents."""
        if collection == "newsletters":
            return self._senders.send(sender).contents
        return (500 + sender,) if sender % 3 else (500 + sender, TRANSLATION + sender)

    def parts(self, collection: str, sender: int) -> dict[int, frozenset[int]]:
        """Parts with counts: each content."""
        return {content: frozenset({content}) for content in self.ids(collection, sender)}

    def rows(self, collection: str, sender: int, now: float) -> list[Row]:
        """The contents as the API lists them."""
        ids = self.ids(collection, sender)
        if collection == "newsletters":
            send = self._senders.send(sender)
            return [self._newsletter(send, place, now) for place in range(len(ids))]
        return [self._transactional(sender, content, now) for content in ids]

    def known(self, now: float) -> set[int]:
        """The ids of all contents."""
        return {
            content
            for collection in ("newsletters", "transactional")
            for sender in self._senders.ids(collection, now)
            for content in self.ids(collection, sender)
        }

    def test_groups(self, newsletter: int) -> list[Row]:
        """The two groups of an A/B test; the second one has its ids as text."""
        contents = self._senders.send(newsletter).contents
        if not _is_on_trial(newsletter, contents):
            return []
        winner = newsletter % 4 == 0
        return [
            _group(1, "Short subject", list(contents[:1]), winner=winner),
            _group(2, "Long subject", [str(c) for c in contents[1:]], winner=not winner),
        ]

    def _newsletter(self, send: Send, place: int, now: float) -> Row:
        """A content with all members: unset texts are empty."""
        content, on_trial = send.contents[place], _is_on_trial(send.id, send.contents)
        updated = self._updated(content, send.created, now)
        name = payloads.name_of("newsletter", send.id)
        return _content(content, send.channel, name) | {
            "newsletter_id": send.id,
            "deduplicate_id": f"{content}:{updated}",
            "layout": "",
            "body_plain": "",
            "body_amp": "",
            "preprocessor": "none",
            "language": "" if on_trial else LANGUAGES[place],
            "test_group_id": (1 if place == 0 else 2) if on_trial else 0,
            "recipient": "{{customer.email}}",
            "bcc": "",
            "cc": "",
            "preheader_text": "",
            "created": send.created,
            "updated": updated,
        }

    def _transactional(self, message: int, content: int, now: float) -> Row:
        """A content without its sender's id; unset texts are null."""
        created = self._senders.born("transactional", message)
        channel = TRANSACTIONAL_CHANNELS[(message - 1) % 5]
        return _content(content, channel, payloads.transactional_name(message - 1)) | {
            "preprocessor": "",
            "language": "it" if content > TRANSLATION else "",
            "recipient": None,
            "bcc": None,
            "cc": None,
            "preheader_text": None,
            "created": created,
            "updated": self._updated(content, created, now),
        }

    def _updated(self, content: int, created: int, now: float) -> int:
        """Contents are written within minutes, and may be edited at any time."""
        written = created + _WRITTEN
        natural = written if written <= now else created
        return self._change_log.latest("contents", content, now, natural)


def _is_on_trial(newsletter: int, contents: tuple[int, ...]) -> bool:
    return len(contents) > 1 and newsletter % 2 == 0


def _group(number: int, label: str, contents: list[int] | list[str], *, winner: bool) -> Row:
    return {
        "id": number,
        "name": "AB"[number - 1],
        "label": label,
        "winner": winner,
        "content_ids": contents,
    }


def _content(content: int, channel: str, name: str) -> Row:
    """The members that both kinds of contents have."""
    return {
        "id": content,
        "name": name,
        "type": channel,
        "subject": payloads.subject(channel, name) or "",
        "body": f"<!DOCTYPE html><html><body><h1>{name}</h1>{'<p>Hello</p>' * 20}</body></html>",
        "from": "" if content % 2 else "Team <team@example.org>",
        "from_id": None if content % 2 else email_sender(content),
        "reply_to": "",
        "reply_to_id": None,
        "fake_bcc": True,
        "headers": "[]",
    }
