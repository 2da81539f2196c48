"""The people of the workspace, made up one by one from their number."""

from __future__ import annotations

import re
from bisect import bisect
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from tap_customerio.sandbox.dice import DAY, Dice, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_NAMES = (
    "ada", "aino", "björn", "chloé", "dmitri", "elif", "fatima", "george", "hana", "ines",
    "josé", "kofi", "lena", "mateo", "noor", "olga", "priya", "quinn", "ren", "zoë",
)  # fmt: skip
LAST_NAMES = (
    "abara", "berg", "costa", "dubois", "eriksen", "fischer", "garcía", "haddad", "ito", "jansen",
    "kaya", "lopez", "müller", "novak", "okafor", "petrov", "rossi", "silva", "tanaka", "virtanen",
)  # fmt: skip
REGIONS = ("Europe", "North America", "Asia", "South America", "Africa", "Oceania")
REGION_LIMITS = (22_000, 41_000, 53_000, 59_500, 63_500)
PLANS = ("free", "free", "free", "pro", "pro", "team", "enterprise")
COMPUTED = "_cio_subscription_preferences_computed"
PLATFORMS = ("ios", "android")

# cio_ids are hexadecimal text. Read as numbers these become floats, infinity, zero, or lose a zero.
PREFIXES = ("30e0", "3000", "a3f4", "0300", "1e05", "b7c2", "00e1", "7d10")

SHARES = {segment: 1 << 17 - segment for segment in range(1, 9)} | {9: 0, 10: 1 << 14}
"""How many of 65,536 people are in a segment: all, half, a quarter …, nobody, and a quarter."""

_CORE_BEGAN = 1_546_300_800  # 2019-01-01
_CORE_YEARS = 4 * 365 * DAY
_NEWCOMER_BITS = 20
_NEWCOMERS = 3_300  # of 65,536: about 5 %
_email_number = re.compile(r"(\d+)@example\.org$")


class Name(NamedTuple):
    """The three identifiers of a person."""

    cio_id: str
    id: str | None
    email: str | None

    def row(self) -> Row:
        """As answers name a person."""
        return {"cio_id": self.cio_id, "id": self.id, "email": self.email}


class People:
    """`at_start` people on the first day, and one in a thousand more on each day after it.

    A person is known inside the sandbox by a number: 0, 1, 2 … for the first ones, and the day
    and place of arrival for newcomers, so that it does not depend on when the workspace began.
    """

    def __init__(self, dice: Dice, at_start: int, first_day: int) -> None:
        """Settle how many there are."""
        self._dice = dice
        self._at_start = at_start
        self._first_day = first_day
        self._daily = -(-at_start // 1000)
        self.name = lru_cache(maxsize=8192)(self._name)

    def count(self, now: float) -> int:
        """How many people there are at `now`."""
        days, seconds = divmod(int(now) - self._first_day * DAY, DAY)
        if days < 0:
            return self._at_start
        return self._at_start + days * self._daily + self._arrived(seconds)

    def number(self, index: int) -> int:
        """The number of the person at this place of the list of all people."""
        if index < self._at_start:
            return index
        days, place = divmod(index - self._at_start, self._daily)
        return (self._first_day + days) << _NEWCOMER_BITS | place

    def numbers(self, now: float) -> Iterator[int]:
        """Everybody, in the order of arrival."""
        return map(self.number, range(self.count(now)))

    def someone(self, pick: int, fresh: int, created: int) -> int | None:
        """A recipient for a delivery, one in twenty of them a newcomer of that day."""
        if not self._at_start:
            return None
        if fresh < _NEWCOMERS:
            day, seconds = divmod(created, DAY)
            if arrived := self._arrived(seconds):
                return day << _NEWCOMER_BITS | pick % arrived
        return pick % self._at_start

    def is_there(self, number: int, now: float) -> bool:
        """Whether a person of this number has arrived."""
        day, place = divmod(number, 1 << _NEWCOMER_BITS)
        if number < self._at_start:
            return number >= 0
        return day >= self._first_day and place < self._daily and self.joined(number) <= now

    def joined(self, number: int) -> int:
        """When the person arrived."""
        if number >= self._at_start:
            day, place = divmod(number, 1 << _NEWCOMER_BITS)
            return day * DAY + (2 * place + 1) * DAY // (2 * self._daily)
        words = self._dice.throw("joined", number)
        began = _CORE_BEGAN + (words[0] << 16 | words[1]) % _CORE_YEARS
        return min(began, self._first_day * DAY)

    def find(self, kind: str, text: str, now: float) -> int | None:
        """The person whose identifier of this kind reads `text`."""
        number = _number_in(kind, text)
        if number is None or not self.is_there(number, now):
            return None
        mine: str | None = getattr(self.name(number), kind)
        if kind == "email":
            # Addresses are matched without regard to case, the other identifiers with it.
            return number if mine is not None and mine.casefold() == text.casefold() else None
        return number if mine == text else None

    def is_member(self, segment: int, number: int) -> bool:
        """Whether the person is in the segment."""
        share = SHARES.get(segment, 0)
        return share > 0 and self._dice.throw("member", segment, number)[0] < share

    def profile(self, number: int) -> Row:
        """Everything the API tells about a person."""
        name = self.name(number)
        words = self._dice.throw("profile", number)
        attributes = self.attributes(number)
        profile: Row = {
            "identifiers": name.row(),
            "attributes": attributes,
            "timestamps": self._timestamps(number, attributes),
            "unsubscribed": attributes.get("unsubscribed") == "true",
            "devices": self._devices(number, words),
        }
        return profile if name.id is None else {"id": name.id, **profile}

    def attributes(self, number: int) -> Row:
        """What the workspace knows about a person, all of it text."""
        words = self._dice.throw("profile", number)
        named = self.name(number).row()
        attributes = {key: value for key, value in named.items() if value is not None}
        attributes |= {
            "created_at": str(self.joined(number)),
            "first_name": FIRST_NAMES[words[0] % 20].title(),
            "region": REGIONS[bisect(REGION_LIMITS, words[1])],
            "plan": PLANS[words[2] % 7],
            COMPUTED: f'{{"topics":{{"topic_1":{_flag(words[3])}}}}}',
        }
        if words[4] % 3:
            attributes["seats"] = str(1 + words[4] % 50)
        if words[5] % 2:
            attributes["unsubscribed"] = _flag(words[6] % 8 == 0)
        if words[7] % 5 == 0:
            attributes["phone"] = phone(number)
        return attributes

    def _arrived(self, seconds: int) -> int:
        """How many of a day's newcomers are there `seconds` after midnight."""
        return (2 * self._daily * (seconds + 1) - 1 + DAY) // (2 * DAY)

    def _name(self, number: int) -> Name:
        cio_id = f"{PREFIXES[number % 8]}{number // 8:04x}"
        own = f"u-{number}" if has_id(number) else None
        email = _email(number, self._dice.throw("name", number)) if has_email(number) else None
        return Name(cio_id, own, email)

    def _timestamps(self, number: int, attributes: Row) -> Row:
        joined = self.joined(number)
        stamps = dict.fromkeys(attributes, joined)
        # The API sends 0 for this one, whatever was computed when.
        return stamps | {COMPUTED: 0}

    def _devices(self, number: int, words: tuple[int, ...]) -> list[Row] | None:
        if words[8] % 3:
            return [] if words[8] % 3 == 1 else None
        return [self._device(number, place) for place in range(1 + words[9] % 2)]

    def _device(self, number: int, place: int) -> Row:
        words = self._dice.throw("device", number, place)
        return {
            "id": f"tok-{number}-{words[0]:04x}{words[1]:04x}",
            "platform": PLATFORMS[words[2] % 2],
            "last_used": self.joined(number) + words[3] * 60,
            "attributes": {
                "push_enabled": _flag(words[4] % 4),
                "device_os": f"{12 + words[5] % 7}.{words[6] % 5}",
                "_last_status": ("", "sent", "bounced", "suppressed")[words[7] % 4],
            },
        }


def has_id(number: int) -> bool:
    """Whether the owner of the workspace gave the person an id; one in 21 has none."""
    return number % 21 != 5  # noqa: PLR2004 - any would do


def has_email(number: int) -> bool:
    """Whether the person has an address; one in 20 has none."""
    return number % 20 != 13  # noqa: PLR2004 - any would do


def phone(number: int) -> str:
    """A telephone number nobody has."""
    return f"+1555{number % 10_000_000:07d}"


def _flag(value: object) -> str:
    return "true" if value else "false"


def _email(number: int, words: tuple[int, ...]) -> str:
    first, last = FIRST_NAMES[words[2] % 20], LAST_NAMES[words[3] % 20]
    tag = "+news" if words[4] % 8 == 0 else ""
    return f"{first}.{last}{tag}.{number}@example.org"


def _number_in(kind: str, text: str) -> int | None:
    try:
        if kind == "cio_id":
            return 8 * int(text[4:], 16) + PREFIXES.index(text[:4])
        if kind == "id":
            return int(text.removeprefix("u-"))
        match = _email_number.search(text.lower())
        return int(match[1]) if match else None
    except ValueError:
        return None
