"""A run coordinator that tags runs with their workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import DagsterRun, QueuedRunCoordinator

if TYPE_CHECKING:
    from dagster import SubmitRunContext

GROUP = "customerio"
WORKSPACE_TAG = f"{GROUP}/workspace"
SYNC_TAG = f"{GROUP}/sync"
SYNC_JOB = f"{GROUP}_sync"


class WorkspaceRunCoordinator(QueuedRunCoordinator):
    """Queues runs tagged by workspace, so that concurrency limits cover all jobs and backfills.

    Runs that read all current rows have one more tag: if two ran at once, the later one would let
    the target delete the rows that the earlier one has just written.
    """

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Tag and queue the run."""
        run = context.dagster_run
        if _is_ours(run) and "dagster/partition" in run.tags:
            month_of = run.tags.get("dagster/partition/workspace")
            workspace = month_of or run.tags["dagster/partition"]
            tags = (WORKSPACE_TAG,) if month_of else (WORKSPACE_TAG, SYNC_TAG)
            self._instance.add_run_tags(run.run_id, dict.fromkeys(tags, workspace))
        return super().submit_run(context)


def _is_ours(run: DagsterRun) -> bool:
    """Whether a job or asset selection reads Customer.io; an instance may have others."""
    selected = run.asset_selection or ()
    return run.job_name.startswith(f"{GROUP}_") or any(key.path[0] == GROUP for key in selected)
