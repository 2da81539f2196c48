"""Dagster runs the tap against a sandbox, in this process."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
from backfill.backfilling import TARGET, fake_target
from e2e.processes import installed, write
from e2e.warehouse import SCHEMA, Warehouse
from harness import Output

from tap_customerio.dagster import Workspace, build_definitions

if TYPE_CHECKING:
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox

KEY = "ACME_APP_API_KEY"
"""The environment variable of the key."""

QUIET = {"telemetry": {"enabled": False}}
"""Settings of a Dagster instance in a folder."""


@dataclass
class DagsterHarness:
    """A sandbox, a target folder, and a Dagster instance in memory."""

    box: Sandbox
    folder: Path
    instance: dg.DagsterInstance
    options: dict[str, Any] = field(default_factory=dict)

    def workspace(self, name: str = "acme", target: str = "", **settings: Any) -> Workspace:
        """A workspace of the sandbox."""
        return Workspace(
            name,
            app_api_key_env=KEY,
            target=target or self.target(),
            settings={"api_url": self.box.url, "requests_per_second": 1000, **settings},
        )

    def definitions(self, *workspaces: Workspace) -> dg.Definitions:
        """Definitions as a user writes them, by default without retries."""
        usual = {"start_date": "2026-02-01", "end_date": "2026-04-01", "retry_policy": None}
        return build_definitions(workspaces or [self.workspace()], **{**usual, **self.options})

    def run(
        self, job: str, partition: str, *workspaces: Workspace, **options: Any
    ) -> dg.ExecuteInProcessResult:
        """Run a partition of a job; it may fail."""
        options["asset_selection"] = [
            dg.AssetKey(["customerio", stream]) for stream in options.pop("streams", ())
        ] or None
        return (
            self.definitions(*workspaces)
            .resolve_job_def(f"customerio_{job}")
            .execute_in_process(
                instance=self.instance, partition_key=partition, raise_on_error=False, **options
            )
        )

    def target(self, script: str = TARGET) -> str:
        """A fake target that writes its input to a file."""
        return fake_target(self.folder, script)

    def received(self) -> Output:
        """What the target received since the last call."""
        path = self.folder / "kept.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return Output.of(lines)

    def duckdb(self, name: str = "acme") -> tuple[str, Warehouse]:
        """A DuckDB file, and the target that loads it."""
        path = str(self.folder / f"{name}.duckdb")
        settings = {
            "path": path,
            "default_target_schema": SCHEMA,
        }
        config = write(self.folder / f"{name}.json", settings)
        command = shlex.join([installed("tap-customerio-duckdb"), "--config", config])
        warehouse = Warehouse(
            "duckdb", {"path": path}, lambda: duckdb.connect(path, read_only=True)
        )
        return command, warehouse

    def log(self, result: dg.ExecuteInProcessResult) -> list[tuple[int | str, str]]:
        """Levels and texts in Dagster's log from tap and target."""
        entries = self.instance.all_logs(result.run_id)
        return [(e.level, e.user_message) for e in entries if e.dagster_event is None]


def materialized(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """The metadata of each materialized stream."""
    return {
        event.materialization.asset_key.path[-1]: {
            name: value.value for name, value in event.materialization.metadata.items()
        }
        for event in result.all_events
        if event.is_step_materialization
    }


def failure(result: dg.ExecuteInProcessResult) -> str:
    """The error sentences of a failed run."""
    assert not result.success
    [why] = [
        event.step_failure_data.user_failure_data.description
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.user_failure_data
    ]
    return str(why)
