"""The tap for Dagster: assets by workspace and month, jobs, and an hourly sync."""

from __future__ import annotations

from tap_customerio import errors

try:
    from tap_customerio.dagster.definitions import build_definitions
    from tap_customerio.dagster.workspace import Workspace
except ModuleNotFoundError as error:
    if error.name != "dagster":
        raise
    raise ModuleNotFoundError(errors.dagster.no_dagster(), name=error.name) from None

__all__ = ["Workspace", "build_definitions"]
