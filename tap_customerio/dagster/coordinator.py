"""A run coordinator that knows which workspace a run reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import DagsterRun, QueuedRunCoordinator

if TYPE_CHECKING:
    from dagster import SubmitRunContext

GROUP = "customerio"
WORKSPACE_TAG = f"{GROUP}/workspace"
SYNC_TAG = f"{GROUP}/sync"
SYNC_JOB = f"{GROUP}_sync"

_PARTITION_TAGS = ("dagster/partition/workspace", "dagster/partition")


class WorkspaceRunCoordinator(QueuedRunCoordinator):
    """Queues runs, tagged by workspace, so that limits hold over all jobs and backfills."""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Tag the run, and queue it."""
        run = context.dagster_run
        if not _is_ours(run):
            return super().submit_run(context)
        workspace = next((run.tags[tag] for tag in _PARTITION_TAGS if tag in run.tags), None)
        if workspace is not None:
            tags = {WORKSPACE_TAG: workspace}
            if run.job_name == SYNC_JOB:
                tags[SYNC_TAG] = workspace
            self._instance.add_run_tags(run.run_id, tags)
        return super().submit_run(context)


def _is_ours(run: DagsterRun) -> bool:
    """Whether a job or a selection of assets reads Customer.io, among others of the instance."""
    chosen = run.asset_selection or ()
    return run.job_name.startswith(f"{GROUP}_") or any(key.path[0] == GROUP for key in chosen)
