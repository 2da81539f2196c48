"""The shards of one backfill, with their states in one file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from tap_customerio.backfill.job import STATE_KEY, check

if TYPE_CHECKING:
    from typing_extensions import Self

    from tap_customerio.backfill.job import Job, State

_STATES = "shares"
"""Member of STATE_KEY with the state of each shard."""


@dataclass
class Shards:
    """A backfill in shards; a single shard is the whole backfill.

    Attributes:
        job: The whole backfill.
        states: The state of each shard; None before it begins.
    """

    job: Job
    states: list[State | None]

    @classmethod
    def of(cls, job: Job, saved: State | None, count: int) -> Self:
        """The number of shards comes from the state, if there is one, or else from `count`."""
        if saved is None:
            return cls(job, [None] * count)
        states = (saved.get(STATE_KEY) or {}).get(_STATES)
        return cls(job, states if isinstance(states, list) else [saved])

    @property
    def count(self) -> int:
        """The number of shards."""
        return len(self.states)

    @cached_property
    def jobs(self) -> list[Job]:
        """The job of each shard."""
        if self.count == 1:
            return [self.job]
        numbers = range(1, self.count + 1)
        return [replace(self.job, shard=shard, shards=self.count) for shard in numbers]

    @property
    def identity(self) -> dict[str, str]:
        """The identity of the combined state; a single shard does not accept it."""
        identity = self.job.identity
        return identity if self.count == 1 else {**identity, "shard": f"all of {self.count}"}

    @property
    def state(self) -> State:
        """The combined state."""
        return {"bookmarks": {}, STATE_KEY: {**self.identity, _STATES: self.states}}

    def check(self, saved: State, path: str) -> None:
        """Check that a state belongs to this backfill.

        Raises:
            TapError: It does not.
        """
        check(saved, self.identity, path)
        for job, state in zip(self.jobs, self.states, strict=True):
            if state is not None:
                job.check(state, path)

    @cached_property
    def left(self) -> list[int]:
        """Indexes, from 0, of the unfinished shards."""
        return [
            place
            for place, (job, state) in enumerate(zip(self.jobs, self.states, strict=True))
            if set(job.streams) - set(job.done(state))
        ]
