"""Consents and suppressions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tap_customerio.sandbox.world.people import COMPUTED, FIRST_NAMES, PREFERENCES, computed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_customerio.sandbox.world.people import People
    from tap_customerio.sandbox.world.resampling import Resampling
    from tap_customerio.sandbox.world.rng import Rng, Row

TOPICS = ("Product news", "Offers", "Events", "Surveys")
OPTED_OUT = 41  # one person in this number
DOMAINS = ("mail.example.org", "news.example.org")
CATEGORIES = {"bounces": "bounces", "blocks": "bounces", "spam_reports": "spam"}
"""Categories of the lists; a list without one has no such key."""

SUPPRESSED = {"bounces": 130, "blocks": 26, "spam_reports": 13, "invalid_emails": 0}
"""The number of addresses on each list."""

HEADERS = {
    "fi": ("Sinun valintasi", "Valitse, mistä haluat kuulla"),
    "it": ("Le tue scelte", "Scegli cosa vuoi ricevere"),
}
ENGLISH = ("Your choices", "Pick what you want to hear about")


class Consents:
    """Opt-outs, subscription preferences, and the lists of the e-mail provider."""

    def __init__(self, rng: Rng, people: People, since: int, resampling: Resampling) -> None:
        self._rng = rng
        self._people = people
        self._since = since
        self._resampling = resampling
        self._optouts: dict[int, list[tuple[float, Row]]] = {}

    def choose(self, number: int, optout: Row, at: float) -> None:
        """Opt a person out of a sender, or in again, from `at` on."""
        self._optouts.setdefault(number, []).append((at, optout))

    def opt_outs(self, now: float) -> Iterator[Row]:
        """Opt-outs from text messages, by person and sender."""
        for number in self._people.numbers(now):
            if opted := self.opt_outs_of(number, now):
                name = self._people.name(number, now)
                yield {"cio_id": f"cio_{name.cio_id}", "customer_id": name.id, "optouts": opted}

    def opt_outs_of(self, number: int, now: float) -> list[Row]:
        """Opt-outs of one person."""
        opted = {(row["channel"], row["from"]): row for row in self._drawn(number, now)}
        for at, optout in self._optouts.get(number, ()):
            place = (optout["channel"], optout["from"])
            if at <= now and optout["optout"]:
                opted[place] = {"channel": place[0], "from": place[1]}
            elif at <= now:
                opted.pop(place, None)
        return list(opted.values())

    def _drawn(self, number: int, now: float) -> list[Row]:
        round_ = self._resampling.count(now, number * 7919)
        drawn = self._rng.draw("opted out", number, round_)[0] if round_ else number
        if drawn % OPTED_OUT != 7:  # noqa: PLR2004 - arbitrary
            return []
        opted = [{"channel": "sms", "from": "+15550100001"}]
        return opted if number % 3 else [*opted, {"channel": "whatsapp", "from": "ACME"}]

    def topics(self) -> list[Row]:
        """Topics that people can subscribe to."""
        return [
            {
                "id": topic,
                "identifier": f"topic_{topic}",
                "name": name,
                "description": "" if topic == 1 else f"All about {name.lower()}",
                "subscribed_by_default": topic % 2 == 1,
            }
            for topic, name in enumerate(TOPICS, 1)
        ]

    def channels(self) -> list[Row]:
        """Channels that people can subscribe to."""
        names = {"email": "Email", "twilio": "SMS", "push": "Push", "whatsapp": "WhatsApp"}
        return [
            {
                "id": number,
                "name": name,
                "description": None if kind == "push" else f"{name} we send",
                "type": kind,
                "subscribed_by_default": kind != "whatsapp",
            }
            for number, (kind, name) in enumerate(names.items(), 1)
        ]

    def preferences(self, number: int, now: float, language: str) -> Row:
        """A person's preferences: the first topic as in the profile, the others independent."""
        name, profile = self._people.name(number, now), self._people.profile(number, now)
        title, subtitle = HEADERS.get(language, ENGLISH)
        wants_first = profile["attributes"][COMPUTED] == computed(is_subscribed=True)
        set_to = json.loads(profile["attributes"].get(PREFERENCES) or "{}").get("topics") or {}
        wanted = self._rng.draw("topics", number)
        return {
            "id": name.id,
            "identifiers": name.row(),
            "unsubscribed": profile["unsubscribed"],
            "header": {"title": title, "subtitle": subtitle},
            "topics": [
                {
                    "id": str(topic["id"]),
                    "name": topic["name"],
                    "description": topic["description"],
                    "subscribed": set_to.get(
                        topic["identifier"],
                        wants_first if topic["id"] == 1 else wanted[topic["id"]] % 3 > 0,
                    ),
                }
                for topic in self.topics()
            ],
        }

    def suppressions(self, kind: str, now: float, domain: str | None = None) -> list[Row]:
        """Addresses that the provider suppresses, from all domains or one, by address.

        Raises:
            KeyError: The list does not exist.
        """
        every = {DOMAINS[0]: 1, DOMAINS[1]: 4}.get(domain or DOMAINS[0])
        places = range(0, SUPPRESSED[kind], every) if every else ()
        rows = (self._suppression(kind, place, now) for place in places)
        return sorted(filter(None, rows), key=lambda row: str(row["email"]))

    def _suppression(self, kind: str, place: int, now: float) -> Row | None:
        """The address at a position of a list; after some time, another address replaces it."""
        phase = self._rng.draw("suppression", kind, place)[2]
        round_ = self._resampling.count(now, phase)
        if not round_:
            words = self._rng.draw("suppression", kind, place)
            return self._refused(kind, place, self._since - words[1] * 900 - 1)
        words = self._rng.draw("suppression", kind, place, round_)
        if words[2] % 4 == 0:
            return None
        # No address is on a list twice.
        return self._refused(
            kind, place + round_ * SUPPRESSED[kind], self._resampling.began(round_, phase)
        )

    def _refused(self, kind: str, place: int, created: int) -> Row:
        # Other workspaces that share the domain contribute addresses of unknown people.
        is_ours = place % 3 > 0 and self._people.is_there(place, max(created, self._since))
        first_name = FIRST_NAMES[self._rng.draw("suppression", kind, place)[0] % 20]
        email = (
            self._people.name(place, created).email if is_ours else None
        ) or f"{first_name}+{kind}.{place}@example.com"
        return {
            "email": email,
            "created": created,
            "reason": f"mailbox of {email} does not exist" if kind == "bounces" else "rejected",
            "status": "550",
        }
