"""Sentences about backfills and their targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.errors.base import FatalError, TapError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def other_backfill(path: str, its: str, ours: str) -> FatalError:
    """The state file belongs to something else."""
    return FatalError(
        f"State file {path!r} belongs to {its}, this is {ours}: name another file with --state, or "
        "forget what it holds with --restart."
    )


def target_failed(code: int) -> TapError:
    """The target ended badly."""
    return TapError(
        f"The target ended with {code}: its own log says why. The same command goes on from the "
        "last state it confirmed."
    )


def one_share(path: str, jobs: int) -> str:
    """A backfill that one pipe has begun cannot be divided any more."""
    return (
        f"State file {path!r} was begun with one job, and goes on with one: --restart begins again "
        f"with {jobs}."
    )


def job_failed(job: str, code: int) -> str:
    """One pipe of several failed, at the moment that happens."""
    return f"Job {job} ended with {code}."


def jobs_failed(codes: Mapping[str, int]) -> TapError:
    """Some pipes failed; all have ended."""
    jobs = ", ".join(f"{job} (exit code {code})" for job, code in codes.items())
    return TapError(
        f"Not all jobs finished their share: {jobs}. The log says why; the same command goes on "
        "from the states that their targets confirmed."
    )


def unconfirmed(streams: Sequence[str]) -> TapError:
    """The target ended well, but not all it was given is accounted for."""
    return TapError(
        f"The target has not confirmed {', '.join(streams)}: the same command sends again what is "
        "unconfirmed."
    )


HELD_OUTPUT = (
    "The target has ended, but a process that it started still holds its output: that is not "
    "waited for."
)
"""Of a target that leaves a helper behind."""
