"""Rescans: every delivery is read once at every age, whenever the syncs run."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_customerio.streams.rescans import PATIENCE, Rescans
from tap_customerio.windows import DAY, HOUR

AGES = (1, 3, 7, 30)
START = 10_000 * DAY


@dataclass
class Reader:
    """Syncs like the stream, and records when every hour of deliveries was read."""

    ages: tuple[float, ...] = AGES
    cursors: dict[float, int] = field(default_factory=dict)
    began: int | None = None
    read: int = START
    reads: dict[int, list[int]] = field(default_factory=dict)
    checked: dict[float, int] = field(default_factory=dict)

    def sync(self, present: int, killed_after: int | None = None) -> None:
        """One sync; optionally killed after a number of rescanned ranges."""
        self.began = present if self.began is None else self.began
        rescans = Rescans(
            self.ages,
            self.cursors,
            began=self.began,
            start=START,
            read=self.read,
            present=present,
        )
        before, self.read = self.read, present
        self._note(before, present, present)
        for number, window in enumerate(rescans.ranges()):
            if number == killed_after:
                return
            assert window.end <= before
            self._note(window.start, window.end, present)
            self.cursors = rescans.reach(window.end)
        self.cursors = rescans.complete()

    def _note(self, start: int, end: int, present: int) -> None:
        for created in range(-(-start // HOUR) * HOUR, end, HOUR):
            self.reads.setdefault(created, []).append(present)

    def check(self, present: int) -> None:
        """Every delivery was read at every age that it reached since the last check."""
        for age in self.ages:
            created = self.checked.get(age, START)
            while created + age * DAY + age * DAY / PATIENCE <= present:
                assert max(self.reads[created]) - created >= age * DAY, (created, age)
                created += HOUR
            self.checked[age] = created


gaps = st.lists(st.integers(60, 40 * DAY), min_size=1, max_size=40)


@pytest.mark.slow
@given(gaps)
def test_every_delivery_is_read_once_at_every_age(gaps: list[int]) -> None:
    reader, present = Reader(), START + 50 * DAY
    reader.sync(present)
    for gap in gaps:
        present += gap
        reader.sync(present)
        reader.check(present)
    assert max(map(len, reader.reads.values())) <= 1 + len(AGES) + 2


@given(gaps, st.integers(0, 3), st.integers(0, 10))
@example([DAY] * 12, 1, 11)  # between the ranges of two ages
def test_a_killed_sync_leaves_no_gap(gaps: list[int], after: int, which: int) -> None:
    reader, present = Reader(), START + 50 * DAY
    reader.sync(present)
    for number, gap in enumerate(gaps):
        present += gap
        reader.sync(present, killed_after=after if number == which else None)
    present += 2 * DAY
    reader.sync(present)
    reader.check(present)


@pytest.mark.slow
@given(gaps, gaps, st.sets(st.sampled_from([1, 2, 3, 7, 30, 90])), st.integers(0, 60 * DAY))
def test_ages_may_change_between_runs(
    before: list[int], after: list[int], ages: set[int], age: int
) -> None:
    reader, present = Reader(), START + age
    reader.sync(present)
    for gap in before:
        present += gap
        reader.sync(present)
    reader.ages = tuple(ages)
    for gap in [*after, 90 * DAY, 90 * DAY]:
        present += gap
        reader.sync(present)
    last = max(ages, default=0) * DAY
    for created, reads in reader.reads.items():
        if created + last * (1 + 1 / PATIENCE) <= present:
            assert max(reads) - created >= last


def test_a_new_age_starts_where_a_greater_one_has_been() -> None:
    reader = Reader(ages=(7,))
    for day in range(20):
        reader.sync(START + day * DAY)
    reader.ages = (1, 7)
    now = START + 19 * DAY + HOUR  # too early for the greater one
    reader.sync(now)
    again = [created for created, reads in reader.reads.items() if now in reads]
    assert min(again) == START + 12 * DAY


def test_an_hourly_sync_reads_each_delivery_once_more_per_age() -> None:
    reader = Reader(ages=(1, 3, 7))
    for hour in range(40 * 24):
        reader.sync(START + hour * HOUR)
    settled = [
        reads for created, reads in reader.reads.items() if START < created < START + 30 * DAY
    ]
    assert {len(reads) for reads in settled} == {1 + 2 + 3}


def test_a_late_read_after_downtime_needs_no_rescan_for_passed_ages() -> None:
    reader = Reader()
    reader.sync(START + 50 * DAY)
    reader.sync(START + 70 * DAY)
    assert len(reader.reads[START + 55 * DAY]) == 1
    reader.sync(START + 86 * DAY)
    assert len(reader.reads[START + 55 * DAY]) == 2


@pytest.mark.parametrize(
    ("created", "changed", "news"),
    [
        (START + 60 * DAY, START + 60 * DAY, True),  # passed no age: it may not be listed yet
        (START + 70 * DAY - HOUR, START + 69 * DAY, True),  # passed no age, and its times are odd
        (START + 45 * DAY, START + 45 * DAY, False),
        (START + 45 * DAY, START + 46 * DAY, True),
        (START + 45 * DAY, START + 46 * DAY - 6 * HOUR, True),
        (START + 45 * DAY, START + 46 * DAY - 6 * HOUR - 1, False),
        (START + 30 * DAY, START + 32 * DAY, False),
        (START + 30 * DAY, START + 40 * DAY, True),
    ],
)
def test_only_changes_since_the_last_age_are_new(created: int, changed: int, *, news: bool) -> None:
    cursors = {1.0: START + 50 * DAY, 7.0: START + 40 * DAY, 30.0: START}
    rescans = Rescans(
        (1, 7, 30),
        cursors,
        began=START,
        start=START,
        read=START + 70 * DAY,
        present=START + 70 * DAY,
    )
    assert rescans.is_news(created, changed) is news


@given(st.lists(st.sampled_from([0.5, 1, 3, 7, 30, 90, 175]), unique=True), gaps)
def test_ranges_are_in_order_and_disjoint(ages: list[float], gaps: list[int]) -> None:
    present, cursors = START + 200 * DAY, dict.fromkeys(ages, START)
    for gap in gaps:
        rescans = Rescans(
            ages, cursors, began=START, start=START, read=present, present=present + gap
        )
        ranges = rescans.ranges()
        edges = [edge for window in ranges for edge in window]
        assert edges == sorted(edges)
        assert all(window.start < window.end for window in ranges)
        present, cursors = present + gap, rescans.complete()
