"""The people of the workspace, generated from their numbers."""

from __future__ import annotations

import re
from bisect import bisect
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from tap_customerio.sandbox.world.person_history import Event
from tap_customerio.sandbox.world.rng import DAY, Rng, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_customerio.sandbox.world.person_history import Change, PersonHistory
    from tap_customerio.sandbox.world.resampling import Resampling

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
IDENTIFIERS = frozenset({"cio_id", "id", "email"})
PREFERENCES = "cio_subscription_preferences"
COMPUTED = "_cio_subscription_preferences_computed"
LOST = 0.22
"""The share of events that remove a person."""

PLATFORMS = ("ios", "android")

# cio_ids are hexadecimal text. As numbers these become floats, infinity or zero, or lose a zero.
PREFIXES = ("30e0", "3000", "a3f4", "0300", "1e05", "b7c2", "00e1", "7d10")

SHARES = {segment: 1 << 17 - segment for segment in range(1, 9)} | {9: 0, 10: 1 << 14}
"""The number of people in each segment, of 65,536: all, half, a quarter …, none, and a quarter."""

_CORE_BEGAN = 1_546_300_800  # 2019-01-01
_CORE_YEARS = 4 * 365 * DAY
_NEWCOMER_BITS = 20
ADDED = 1 << 40
"""The number of the first person added by hand."""

_NEWCOMERS = 3_300  # of 65,536: about 5 %
_hexadecimal = re.compile(r"[0-9a-f]{4,15}")


class Name(NamedTuple):
    """The three identifiers of a person."""

    cio_id: str
    id: str | None
    email: str | None
    by_email: bool = True
    """Whether addresses identify people here; otherwise, responses name people without them."""

    def row(self) -> Row:
        """The identifiers as responses spell them."""
        row = {"cio_id": self.cio_id, "id": self.id}
        return row | {"email": self.email} if self.by_email else row


class People:
    """`at_start` people on the first day, and more on each later day.

    Inside the sandbox a person has a number: 0, 1, 2 … for the first ones, and day and index of
    arrival for newcomers, so that numbers do not depend on the start of the workspace.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what people are made from
        self,
        rng: Rng,
        at_start: int,
        first_day: int,
        history: PersonHistory,
        resampling: Resampling,
        by_email: bool,  # noqa: FBT001 - given by position
    ) -> None:
        """Set the number of arrivals: one in a thousand per day, or as many as leave.

        `by_email`: whether addresses identify people.
        """
        self.by_email = by_email
        self._rng = rng
        self._at_start = at_start
        self._first_day = first_day
        self.history = history
        self._resampling = resampling
        self._daily = -(-at_start * max(1, int(1000 * LOST * resampling.rate)) // 1000)
        self._made_name = lru_cache(maxsize=8192)(self._make_name)
        self._added: list[tuple[int, Row]] = []
        self._heirs: dict[int, tuple[int, int]] = {}
        self._belongs = lru_cache(maxsize=1 << 16)(self._draw)

    def count(self, now: float) -> int:
        """The number of people at `now`."""
        added = sum(at <= now for at, _ in self._added)
        return self.arrived(now) + added - self.history.over(now)

    def arrived(self, now: float) -> int:
        """The number of people who have arrived by `now`, without those added by calls."""
        days, seconds = divmod(int(now) - self._first_day * DAY, DAY)
        if days < 0:
            return self._at_start
        return self._at_start + days * self._daily + self._arrived(seconds)

    def newcomers(self, day: int) -> Iterator[int]:
        """The people who arrive on a day."""
        return (day << _NEWCOMER_BITS | place for place in range(self._daily))

    def number(self, index: int) -> int:
        """The number of the person at this position of the list of all past and present people."""
        if index < self._at_start or index >= ADDED:
            return index
        days, place = divmod(index - self._at_start, self._daily)
        return (self._first_day + days) << _NEWCOMER_BITS | place

    def places(self, now: float, start: int = 0) -> Iterator[int]:
        """The positions in that list of the people present at `now`."""
        places = iter(range(start, self.arrived(now)))
        if not self.history.over(now) and not self._added:
            return places
        added = range(max(start, ADDED), ADDED + len(self._added))
        return (at for at in chain(places, added) if self.is_there(self.number(at), now))

    def numbers(self, now: float) -> Iterator[int]:
        """All people, in the order of arrival."""
        return map(self.number, self.places(now))

    def someone(self, pick: int, fresh: int, created: int) -> int | None:
        """A recipient for a delivery; one in twenty is a newcomer of that day."""
        if not self._at_start:
            return None
        if fresh < _NEWCOMERS:
            day, seconds = divmod(created, DAY)
            if arrived := self._arrived(seconds):
                return self._instead(day << _NEWCOMER_BITS | pick % arrived, created)
        return self._instead(pick % self._at_start, created)

    def _instead(self, number: int, now: int) -> int | None:
        """The person, or another one if that person is gone."""
        for attempt in range(8):
            if not self.history.is_over(number, now):
                return number
            number = (number * 31 + attempt) % self._at_start
        return None

    def is_there(self, number: int, now: float) -> bool:
        """Whether a person of this number has arrived and is not gone."""
        return self._has_arrived(number, now) and not self.history.is_over(number, now)

    def _has_arrived(self, number: int, now: float) -> bool:
        if number < self._at_start:
            return number >= 0
        if number >= ADDED:
            return number < ADDED + len(self._added) and self.joined(number) <= now
        day, place = divmod(number, 1 << _NEWCOMER_BITS)
        return day >= self._first_day and place < self._daily and self.joined(number) <= now

    def joined(self, number: int) -> int:
        """The time of the person's arrival."""
        if number >= ADDED:
            return self._added[number - ADDED][0]
        if number >= self._at_start:
            day, place = divmod(number, 1 << _NEWCOMER_BITS)
            return day * DAY + (2 * place + 1) * DAY // (2 * self._daily)
        words = self._rng.draw("joined", number)
        began = _CORE_BEGAN + (words[0] << 16 | words[1]) % _CORE_YEARS
        return min(began, self._first_day * DAY)

    def add(self, attributes: Row, at: int) -> int:
        """Add a person without any data, and return their number."""
        self._added.append((at, attributes))
        return ADDED + len(self._added) - 1

    def delete(self, number: int, at: int) -> None:
        """Delete a person, unless they are gone by then."""
        if not self.history.is_over(number, at):
            self.history.end(number, at)
            self.history.note(Event(at, number, "profile_delete"))

    def merge(self, winner: int, loser: int, at: int) -> None:
        """Merge a loser into a winner, who gets the loser's missing data except identifiers."""
        had = self.attributes(winner, at)
        changes: dict[str, Change] = {
            name: (None, value)
            for name, value in self.attributes(loser, at).items()
            if name not in had and name not in IDENTIFIERS
        }
        self.history.note(Event(at, winner, "profile_merge", changes))
        self.history.end(loser, at)
        self._heirs[loser] = (winner, at)

    def delivery_owner(self, number: int, now: float) -> int:
        """The owner of a person's deliveries at `now`: a merge moves them to the winner."""
        while self.history.is_over(number, now) and number in self._heirs:
            winner, at = self._heirs[number]
            if at > now:
                break
            number = winner
        return number

    def is_member(self, segment: int, number: int, now: float) -> bool:
        """Whether the person is in the segment."""
        if not SHARES.get(segment):
            return False
        return self._belongs(
            segment, number, self._resampling.count(now, number * 40_503 + segment)
        )

    def name(self, number: int, now: float) -> Name:
        """The identifiers of a person at `now`."""
        name = self._made_name(number)
        for event in self.history.of(number, now):
            changed = {key: new for key, (_, new) in event.changes.items()}
            name = name._replace(
                id=changed.get("id", name.id), email=changed.get("email", name.email)
            )
        return name

    def profile(self, number: int, now: float) -> Row:
        """All data of a person that the API returns."""
        name = self.name(number, now)
        attributes = self.attributes(number, now)
        profile: Row = {
            "identifiers": name.row(),
            "attributes": attributes,
            "timestamps": self._timestamps(number, attributes, now),
            "unsubscribed": attributes.get("unsubscribed") == "true",
            "devices": self._devices(number, now),
        }
        return profile if name.id is None else {"id": name.id, **profile}

    def attributes(self, number: int, now: float) -> Row:
        """A person's attributes, all of them text."""
        attributes = self._made_attributes(number)
        for event in self.history.of(number, now):
            attributes |= {name: new for name, (_, new) in event.changes.items()}
        return attributes

    def _made_attributes(self, number: int) -> Row:
        name = self._made_name(number)
        named = {"cio_id": name.cio_id, "id": name.id, "email": name.email}
        attributes = {key: value for key, value in named.items() if value is not None}
        if number >= ADDED:
            known = {COMPUTED: computed(is_subscribed=True), **self._added[number - ADDED][1]}
            return attributes | known
        words = self._rng.draw("profile", number)
        attributes |= {
            "created_at": str(self.joined(number)),
            "first_name": FIRST_NAMES[words[0] % 20].title(),
            "region": REGIONS[bisect(REGION_LIMITS, words[1])],
            "plan": PLANS[words[2] % 7],
            COMPUTED: computed(is_subscribed=words[3] > 0),
        }
        if words[4] % 3:
            attributes["seats"] = str(1 + words[4] % 50)
        if words[5] % 2:
            attributes["unsubscribed"] = _flag(words[6] % 8 == 0)
        if words[7] % 5 == 0:
            attributes["phone"] = phone(number)
        return attributes

    def _draw(self, segment: int, number: int, round_: int) -> bool:
        """Whether a person is in a segment, in the current round of resampling."""
        about = (segment, number, round_) if round_ else (segment, number)
        return self._rng.draw("member", *about)[0] < SHARES[segment]

    def _arrived(self, seconds: int) -> int:
        """The number of a day's newcomers `seconds` after midnight."""
        return (2 * self._daily * (seconds + 1) - 1 + DAY) // (2 * DAY)

    def _make_name(self, number: int) -> Name:
        cio_id = f"{PREFIXES[number % 8]}{number // 8:04x}"
        if number >= ADDED:
            known = self._added[number - ADDED][1]
            return Name(cio_id, known.get("id"), known.get("email"), self.by_email)
        own = f"u-{number}" if has_id(number) else None
        email = _email(number, self._rng.draw("name", number)) if has_email(number) else None
        return Name(cio_id, own, email, self.by_email)

    def _timestamps(self, number: int, attributes: Row, now: float) -> Row:
        stamps = dict.fromkeys(attributes, self.joined(number))
        for event in self.history.of(number, now):
            stamps |= dict.fromkeys(event.changes, event.at)
        # The API sends 0 for this one, even after it is computed.
        return stamps | {COMPUTED: 0}

    def _devices(self, number: int, now: float) -> list[Row] | None:
        words = self._rng.draw("profile", number)
        added = [it.at for it in self.history.of(number, now) if it.type == "device_change"]
        if words[8] % 3 and not added:
            return [] if words[8] % 3 == 1 else None
        places = range(0 if words[8] % 3 else 1 + words[9] % 2)
        return [self._device(number, place) for place in places] + [
            self._device(number, place) | {"last_used": at} for place, at in enumerate(added, 2)
        ]

    def _device(self, number: int, place: int) -> Row:
        words = self._rng.draw("device", number, place)
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
    """Whether the person has a custom id; one in 21 has none."""
    return number % 21 != 5  # noqa: PLR2004 - arbitrary


def has_email(number: int) -> bool:
    """Whether the person has an address; one in 20 has none."""
    return number % 20 != 13  # noqa: PLR2004 - arbitrary


def phone(number: int) -> str:
    """A fictitious telephone number."""
    return f"+1555{number % 10_000_000:07d}"


def computed(*, is_subscribed: bool) -> str:
    """The attribute with a person's preferences."""
    return f'{{"topics":{{"topic_1":{_flag(is_subscribed)}}}}}'


def _flag(value: object) -> str:
    return "true" if value else "false"


def _email(number: int, words: tuple[int, ...]) -> str:
    first, last = FIRST_NAMES[words[2] % 20], LAST_NAMES[words[3] % 20]
    tag = "+news" if words[4] % 8 == 0 else ""
    return f"{first}.{last}{tag}.{number}@example.org"


def numbered(cio_id: str) -> int | None:
    """The number of the person, present or gone, with this permanent id."""
    prefix, digits = cio_id[:4], cio_id[4:]
    if prefix not in PREFIXES or not _hexadecimal.fullmatch(digits):
        return None
    return 8 * int(digits, 16) + PREFIXES.index(prefix)
