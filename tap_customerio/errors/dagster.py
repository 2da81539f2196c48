"""Sentences about workspaces in Dagster."""

from __future__ import annotations

from tap_customerio.errors.base import TapError
from tap_customerio.errors.extras import needs_extra

TERMINATED = (
    "Terminated: the last state that the target confirmed is kept; a re-execution continues there."
)
"""The error of a terminated Dagster run."""


def no_dagster() -> str:
    """The extra is not installed."""
    return needs_extra("tap_customerio.dagster", "dagster")


def bad_workspace(name: str, wrong: str) -> TapError:
    """The definition of a workspace in Dagster is invalid."""
    return TapError(f"Workspace {name!r}: {wrong}")


def no_workspace_key(name: str, variable: str) -> TapError:
    """The key is missing on a machine that runs partitions."""
    return TapError(
        f"Workspace {name!r}: environment variable {variable} is not set on this machine: set it "
        "to the workspace's App API key, for every worker."
    )


def no_workspace_target(name: str, program: str) -> TapError:
    """The target is missing on a machine that runs partitions."""
    return TapError(
        f"Workspace {name!r}: target {program!r} is not on this machine: install it on every "
        "worker, or give its path."
    )
