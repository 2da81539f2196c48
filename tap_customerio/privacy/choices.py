"""Consents: what people can opt out of, and their current choices."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_customerio import errors
from tap_customerio.api.person_paths import person_paths
from tap_customerio.privacy.identity import is_of, profiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tap_customerio.api.client import Client
    from tap_customerio.api.track import Track

ALL, EMAIL, TOPIC = "everything", "email", "topic"
CHANNELS = ("sms", "whatsapp")
PREFERENCES = "cio_subscription_preferences"
UNLISTED = (
    "The API lists no senders of text messages that no one has opted out of: name each "
    "with --from sms:SENDER or --from whatsapp:SENDER."
)


class Choice(NamedTuple):
    """One choice: `email` for all messages, a topic by id, or a sender by channel."""

    kind: str
    of: str = ""

    @property
    def label(self) -> str:
        """The choice as the command line spells it."""
        return f"{self.kind}:{self.of}" if self.of else self.kind

    @property
    def attribute(self) -> str | None:
        """The profile attribute that holds it; None for senders."""
        if self.kind == EMAIL:
            return "unsubscribed"
        return f"{PREFERENCES}.topics.topic_{self.of}" if self.kind == TOPIC else None

    def value(self, *, wanted: bool) -> bool:
        """The attribute's value for a person who wants, or does not want, to be contacted."""
        return wanted if self.kind == TOPIC else not wanted


def parse_choices(client: Client, words: Sequence[str]) -> list[Choice]:
    """Parse choices; topics and senders are looked up in the workspace.

    Raises:
        TapError: A choice does not exist, or cannot be looked up.
    """
    found: list[Choice] = []
    for word in words:
        kind, _, of = word.partition(":")
        if word == ALL:
            found += [Choice(EMAIL), *_all_topics(client), *_senders(client, CHANNELS)]
        elif word == EMAIL or (kind in CHANNELS and of):
            found.append(Choice(kind, of))
        elif word in CHANNELS:
            found += _senders(client, [word])
        elif kind == TOPIC:
            found.append(_topic(client, of))
        else:
            raise errors.privacy.no_such_choice(word)
    if not found:
        raise errors.privacy.nothing_chosen(UNLISTED)
    return list(dict.fromkeys(found))


def _all_topics(client: Client) -> list[Choice]:
    try:
        rows = client.listing("/v1/subscription_topics", "topics")
    except errors.NotFoundError:  # the plan has no subscription center
        return []
    return [Choice(TOPIC, str(row["id"])) for row in rows]


def _topic(client: Client, text: str) -> Choice:
    """A topic by its id or its name."""
    rows = client.listing("/v1/subscription_topics", "topics")
    named = [row for row in rows if text in {str(row["id"]), row.get("identifier")}]
    named = named or [r for r in rows if str(r.get("name")).casefold() == text.casefold()]
    if len(named) != 1:
        raise errors.privacy.no_such_topic(text, [str(row["id"]) for row in rows])
    return Choice(TOPIC, str(named[0]["id"]))


def _senders(client: Client, channels: Iterable[str]) -> list[Choice]:
    """Senders that at least one person has opted out of."""
    rows = client.listing("/v1/optouts", "optouts", params={"limit": 1000})
    pairs = ((o.get("channel"), o.get("from")) for r in rows for o in r.get("optouts") or ())
    found = {Choice(str(channel), str(of)) for channel, of in pairs if channel in channels and of}
    return sorted(found)


class Consents:
    """Reads and changes people's opt-outs."""

    def __init__(self, client: Client, track: Track) -> None:
        self._client, self._track = client, track
        self._paths = person_paths(client)

    def read(self, cio_id: str, choices: Iterable[Choice]) -> dict[Choice, bool | None] | None:
        """Whether to contact a person, by choice; None for unknown ones, or if the person is gone.

        Raises:
            TapError: The person's profile or opt-outs cannot be read.
        """
        found = profiles(self._client, [cio_id])
        if not found:
            return None
        if not is_of(found[0], cio_id):
            raise errors.privacy.another_person("cio_id")
        kinds = {choice.kind for choice in choices}
        topics = self._topics(cio_id, found[0]) if TOPIC in kinds else {}
        opted = self._opted(cio_id) if kinds & {*CHANNELS} else set()
        unsubscribed = found[0].get("unsubscribed")
        is_mailed = not unsubscribed if isinstance(unsubscribed, bool) else None
        states: dict[Choice, bool | None] = {}
        for choice in choices:
            if choice.kind == EMAIL:
                states[choice] = is_mailed
            elif choice.kind == TOPIC:
                states[choice] = topics.get(choice.of)
            else:
                states[choice] = (choice.kind, choice.of) not in opted
        return states

    def change(self, cio_id: str, choices: Sequence[Choice], *, wanted: bool) -> None:
        """Opt a person out of choices, or in again, through the Track API.

        Raises:
            TapError: The request is rejected.
        """
        values = {c.attribute: c.value(wanted=wanted) for c in choices if c.attribute}
        self._track.change(cio_id, {name: value for name, value in values.items() if name})

    def change_senders(self, cio_id: str, choices: Sequence[Choice], *, wanted: bool) -> None:
        """Opt a person out of senders, or in again, through the App API.

        Raises:
            TapError: The request is rejected.
        """
        rows = [{"channel": c.kind, "from": c.of, "optout": not wanted} for c in choices]
        params = {"id_type": "cio_id"}

        def put(base: str) -> None:
            path = f"{base}/optouts"
            self._client.fetch("PUT", path, params=params, body={"optouts": rows})

        self._paths.read("optouts", cio_id, put)

    def _opted(self, cio_id: str) -> set[tuple[str, str]]:
        def read(base: str) -> set[tuple[str, str]]:
            path, params = f"{base}/optouts", {"id_type": "cio_id"}
            rows = self._client.fetch("GET", path, params=params).objects("optouts")
            return {(str(row.get("channel")), str(row.get("from"))) for row in rows}

        return self._paths.read("optouts", cio_id, read)

    def _topics(self, cio_id: str, profile: Mapping[str, Any]) -> dict[str, bool]:
        """Topics by id, from the subscription center, or else from the profile attribute."""

        def read(base: str) -> dict[str, bool]:
            path, params = f"{base}/subscription_preferences", {"id_type": "cio_id"}
            rows = self._client.fetch("GET", path, params=params).object("customer").get("topics")
            return {
                str(row.get("id")): row["subscribed"]
                for row in rows or ()
                if isinstance(row, dict) and isinstance(row.get("subscribed"), bool)
            }

        try:
            return self._paths.read("subscription_preferences", cio_id, read)
        except (
            errors.BadRequestError,
            errors.NotFoundError,
        ):  # the subscription center is off
            return _from_attribute(profile)


def _from_attribute(profile: Mapping[str, Any]) -> dict[str, bool]:
    attributes = profile.get("attributes") or {}
    try:
        topics = json.loads(attributes.get(PREFERENCES) or "{}").get("topics") or {}
    except (ValueError, AttributeError):
        return {}
    pairs = ((str(name).removeprefix("topic_"), value) for name, value in topics.items())
    return {of: value for of, value in pairs if isinstance(value, bool)}
