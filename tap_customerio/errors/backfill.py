"""Sentences about backfills and their targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.errors.base import FatalError, TapError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def other_backfill(path: str, its: str, ours: str) -> FatalError:
    """The state file belongs to another backfill."""
    return FatalError(
        f"State file {path!r} belongs to {its}, but this is {ours}: choose another file with "
        "--state, or discard that state with --restart."
    )


def target_failed(code: int) -> TapError:
    """The target failed."""
    return TapError(
        f"The target exited with code {code}: its log says why. Run the same command again "
        "to continue from the last state that it confirmed."
    )


NOT_FINISHED = (
    "This backfill is not finished. Run the same command again: it continues from the last "
    "confirmed state."
)
"""The end of the sentence about an interrupted or incomplete backfill."""


def one_shard(path: str, jobs: int) -> str:
    """A backfill that began as one shard cannot be divided."""
    return (
        f"State file {path!r} was started with one job and continues with one: add --restart "
        f"to start over with {jobs} jobs."
    )


def job_failed(job: str, code: int) -> str:
    """One of several jobs failed; logged when it happens."""
    return f"Job {job} exited with code {code}."


def jobs_failed(codes: Mapping[str, int]) -> TapError:
    """Jobs failed; raised once all have ended."""
    jobs = ", ".join(f"{job} (exit code {code})" for job, code in codes.items())
    return TapError(
        f"Not all jobs finished: {jobs}. The log says why. Run the same command "
        "again to continue from the states that their targets confirmed."
    )


def unconfirmed(streams: Sequence[str]) -> TapError:
    """The target succeeded, but did not confirm everything."""
    return TapError(
        f"The target has not confirmed {', '.join(streams)}: run the same command again to "
        "send what is unconfirmed."
    )


HELD_OUTPUT = (
    "The target has ended, but a process that it started keeps its output open; the tap "
    "does not wait for that process."
)
"""Warning about a target that leaves a child process running."""
