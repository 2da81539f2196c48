"""Random changes of people and their data over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.sandbox.world.people import COMPUTED, PLANS, REGIONS, computed
from tap_customerio.sandbox.world.person_history import Event
from tap_customerio.sandbox.world.rng import DAY

if TYPE_CHECKING:
    from tap_customerio.sandbox.world.people import People
    from tap_customerio.sandbox.world.person_history import Change
    from tap_customerio.sandbox.world.rng import Rng, Words

CHANGED = 45_000
DEVICES = 51_000
DELETED = 58_500
"""The ends of the shares of attributes, devices and deletions in 65,536 events; then merges."""

ATTRIBUTES = ("plan", "plan", "seats", "seats", "region", "unsubscribed", COMPUTED, "email")
VALUES = {
    "plan": tuple(dict.fromkeys(PLANS)),
    "seats": tuple(map(str, range(1, 51))),
    "region": REGIONS,
    "unsubscribed": ("true", "false"),
    COMPUTED: (computed(is_subscribed=True), computed(is_subscribed=False)),
}


class Churn:
    """Changes a share of the people every day."""

    def __init__(self, rng: Rng, people: People, rate: float) -> None:
        self._rng = rng
        self._people = people
        self._history = people.history
        self._rate = rate

    def day(self, day: int) -> None:
        """Simulate a day; days must follow each other."""
        for number in self._people.newcomers(day):
            self._history.note(Event(self._people.joined(number), number, "profile_create"))
        wanted = self._rate * self._people.arrived(day * DAY)
        count = int(wanted + self._rng.draw("churn", day)[0] / 65_536)
        draws = (self._rng.draw("churn", day, place) for place in range(count))
        for words in sorted(draws):
            self._happen(day * DAY + (words[0] * DAY >> 16), words)

    def _happen(self, at: int, words: Words) -> None:
        number = self._random_person(at, words[1] << 16 | words[2])
        if number is None:
            return
        if words[3] < CHANGED:
            changes = self._change(number, at, words)
            self._history.note(Event(at, number, "attribute_change", changes))
        elif words[3] < DEVICES:
            self._history.note(Event(at, number, "device_change"))
        elif words[3] < DELETED:
            self._people.delete(number, at)
        else:
            loser = self._random_person(at, words[4] << 16 | words[5])
            if loser is not None and loser != number:
                self._people.merge(number, loser, at)

    def _random_person(self, at: int, pick: int) -> int | None:
        """A random person who arrived by `at`, unless they are gone."""
        arrived = self._people.arrived(at)
        number = self._people.number(pick % arrived) if arrived else None
        return None if number is None or self._history.is_over(number, at) else number

    def _change(self, number: int, at: int, words: Words) -> dict[str, Change]:
        """A new value for one attribute."""
        attributes = self._people.attributes(number, at)
        name = ATTRIBUTES[words[6] % len(ATTRIBUTES)]
        if name == "email" and name in attributes:
            return {name: (attributes[name], f"renamed{words[7]:x}.{number}@example.org")}
        name = "plan" if name == "email" else name
        others = [value for value in VALUES[name] if value != attributes.get(name)]
        return {name: (attributes.get(name), others[words[7] % len(others)])}
