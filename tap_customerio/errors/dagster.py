"""Sentences about workspaces in Dagster."""

from __future__ import annotations

from tap_customerio.errors.base import TapError
from tap_customerio.errors.extras import needs_extra

TERMINATED = (
    "Terminated: the last state that the target confirmed is kept; a re-execution continues there."
)
"""Of a run of Dagster's."""


def no_dagster() -> str:
    """An optional part is imported, but not installed."""
    return needs_extra("tap_customerio.dagster", "dagster")


def bad_workspace(name: str, wrong: str) -> TapError:
    """The definition of a workspace in Dagster is wrong."""
    return TapError(f"Workspace {name!r}: {wrong}")


def no_workspace_key(name: str, variable: str) -> TapError:
    """A machine that runs partitions does not know the key."""
    return TapError(
        f"Workspace {name!r}: environment variable {variable} is not set on this machine: set it "
        "to the workspace's App API key, for every worker."
    )


def no_workspace_target(name: str, program: str) -> TapError:
    """A machine that runs partitions does not have the target."""
    return TapError(
        f"Workspace {name!r}: target {program!r} is not on this machine: install it on every "
        "worker, or give its path."
    )
