"""The Dagster definitions of the workspaces in workspaces.yaml."""

from pathlib import Path

import yaml
from dagster import RetryPolicy

from tap_customerio.dagster import Workspace, build_definitions

listed = yaml.safe_load(Path(__file__).with_name("workspaces.yaml").read_text(encoding="utf-8"))
defs = build_definitions(
    [Workspace(**workspace) for workspace in listed.pop("workspaces")],
    retry_policy=RetryPolicy(**listed.pop("retry_policy")),
    **listed,
)
