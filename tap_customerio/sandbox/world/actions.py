"""The actions of campaigns and broadcasts, and the triggers of broadcasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tap_customerio.sandbox.world import payloads
from tap_customerio.sandbox.world.senders import BRANCHING_STEP, WEEK
from tap_customerio.sandbox.world.workspace_lists import email_sender, phone_sender

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_customerio.sandbox.world.change_log import ChangeLog
    from tap_customerio.sandbox.world.rng import Rng, Row
    from tap_customerio.sandbox.world.senders import Senders

TRANSLATIONS = (
    "it", "de", "fr", "es", "fi", "nl", "pt", "sv", "da", "pl", "cs", "nb", "el", "hu", "ro", "tr",
    "uk", "ja", "ko", "zh-CN", "pt-BR", "en-GB", "fr-CA",
)  # fmt: skip
TEXTS = frozenset({"twilio", "whatsapp"})
FIRST_TRANSLATION = 1_000_000
_HALF_A_YEAR = 26  # weeks
_FIRES = 20_000  # of 65,536: about one trigger every three weeks


class Action(NamedTuple):
    """One action of one campaign or broadcast."""

    id: int
    channel: str
    place: int
    language: str = ""
    branch: int | None = None
    sends: bool = True


class Actions:
    """The steps of workflows; some have several languages, with an action for each."""

    def __init__(self, rng: Rng, senders: Senders, change_log: ChangeLog, since: int) -> None:
        self._rng = rng
        self._senders = senders
        self._change_log = change_log
        self._since = since

    def of(self, collection: str, sender: int) -> list[Action]:
        """All actions of a campaign or broadcast."""
        steps = self._senders.steps(collection[:-1], sender)
        if not steps or not _is_multilingual(collection, sender):
            return [Action(action, channel, at) for at, (action, channel) in enumerate(steps)]
        branch, languages = sender * 10 + 8, iter(("", *TRANSLATIONS))
        spoken = [
            Action(action, channel, at, next(languages), branch)
            if channel == "email"
            else Action(action, channel, at)
            for at, (action, channel) in enumerate(steps)
        ]
        first = FIRST_TRANSLATION + sender * 100
        drafts = range(len(spoken), _size(collection, sender))
        return spoken + [
            Action(first + at, "email", at, next(languages), branch, sends=False) for at in drafts
        ]

    def variants(self, collection: str, sender: int, branch: int) -> dict[int, str]:
        """The languages of the actions that share a branch."""
        actions = self.of(collection, sender)
        return {action.id: action.language for action in actions if action.branch == branch}

    def parts(self, collection: str, sender: int) -> dict[int, frozenset[int]]:
        """Parts with counts: actions, and branches with the actions of all languages."""
        parts: dict[int, set[int]] = {}
        for action in self.of(collection, sender):
            parts[action.id] = {action.id}
            if action.branch is not None:
                parts.setdefault(action.branch, set()).add(action.id)
        return {part: frozenset(actions) for part, actions in parts.items()}

    def rows(self, collection: str, sender: int, now: float) -> list[Row]:
        """The actions as the API lists them."""
        return [
            self._row(collection, sender, action, now) for action in self.of(collection, sender)
        ]

    def ids(self) -> set[int]:
        """The ids of all actions."""
        return {
            action.id
            for collection in ("campaigns", "broadcasts")
            for sender in self._senders.ids(collection, 0)
            for action in self.of(collection, sender)
        }

    def triggers(self, broadcast: int, now: float) -> list[Row]:
        """The triggers of a broadcast, from half a year before the workspace began."""
        fired = (at for at in self._firings(broadcast, int(now)) if at <= now)
        return [
            {
                "id": number,
                "broadcast_id": broadcast,
                "created_at": at,
                "processed_at": at + 42 + at % 600 if at + 42 + at % 600 <= now else None,
            }
            for number, at in enumerate(fired, 1)
        ]

    def _firings(self, broadcast: int, now: int) -> Iterator[int]:
        for week in range(self._since // WEEK - _HALF_A_YEAR, now // WEEK + 1):
            words = self._rng.draw("firing", broadcast, week)
            if words[0] < _FIRES:
                yield week * WEEK + words[1] * 9

    def _row(self, collection: str, sender: int, action: Action, now: float) -> Row:
        created = min(self._senders.born(collection, sender) + 60 * action.place, self._since)
        words = self._rng.draw("action", action.id)
        natural = min(created + words[0] * 300, self._since)
        updated = self._change_log.latest("actions", action.id, now, natural)
        is_step = action.place == BRANCHING_STEP
        row: Row = {
            "id": str(action.id) if collection == "campaigns" else action.id,
            "deduplicate_id": f"{1000 + action.id}:{updated}",
            payloads.workflow_key(collection[:-1], sender): sender,
            "parent_action_id": sender * 10 + 9 if is_step else None,
            "name": f"{payloads.name_of(collection[:-1], sender)} {action.place + 1}",
            "type": action.channel,
            "created": created,
            "updated": updated,
        }
        if action.channel == "attribute_update":
            return row
        row["sending_state"] = "automatic" if action.sends else "draft"
        return row | _details(action, row["name"])


def _is_multilingual(collection: str, sender: int) -> bool:
    return sender % 5 == 2 if collection == "campaigns" else sender % 2 == 0  # noqa: PLR2004


def _size(collection: str, sender: int) -> int:
    """The number of actions with all translations: a full last page, or a partial one."""
    if collection == "broadcasts":
        return 12
    return 20 if sender % 2 == 0 else 23


def _details(action: Action, name: str) -> Row:
    """The keys of the action's channel; those of other channels are missing."""
    if action.channel == "webhook":
        return {
            "url": "https://hooks.example.org/cio",
            "method": "post",
            "headers": "[]",
            "body": '{"id": "{{customer.id}}"}',
        }
    if action.channel in TEXTS:
        return {
            "body": "Hi {{customer.first_name}}",
            "image_url": "",
            "sender_identity_id": phone_sender(action.id),
            "tracked": action.id % 2 == 0,
            "recipient": "{{customer.phone}}",
            "language": "",
        }
    return _message(action, name)


def _message(action: Action, name: str) -> Row:
    """An e-mail, or another message of the same shape."""
    is_email = action.channel == "email"
    return {
        "multi_language_branch_action_id": action.branch,
        "layout": "Plain" if is_email else "",
        "body": f"<p>Hello {{{{customer.first_name}}}}, welcome to {name}</p>",
        "body_amp": "",
        "language": action.language,
        "from": "Team <team@example.org>" if is_email else "",
        "from_id": email_sender(action.id) if is_email else None,
        "reply_to": "",
        "reply_to_id": None,
        "preprocessor": "premailer" if is_email else "none",
        "recipient": "{{customer.email}}" if is_email else "",
        "subject": payloads.subject(action.channel, name) or "",
        "bcc": "",
        "cc": "",
        "fake_bcc": False,
        "preheader_text": "",
        "headers": "[]",
    }
