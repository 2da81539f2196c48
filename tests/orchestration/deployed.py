"""Definitions in a user's file, configured by the environment; run as a program, one partition.

A test can kill such a program.
"""

from __future__ import annotations

import os
import sys

import dagster as dg

from tap_customerio.dagster import Workspace, build_definitions

MARCH = {
    "dagster/partition": "2026-03-01|acme",
    "dagster/partition/month": "2026-03-01",
    "dagster/partition/workspace": "acme",
}


def history() -> dg.JobDefinition:
    """The job that reads months."""
    acme = Workspace(
        "acme",
        app_api_key_env="ACME_APP_API_KEY",
        target=os.environ["ACME_TARGET"],
        settings={
            "api_url": os.environ["ACME_URL"],
            "requests_per_second": 1000,
            "concurrency": 1,
        },
    )
    definitions = build_definitions(
        [acme],
        start_date="2026-02-01",
        end_date="2026-04-01",
        streams=["messages", "metrics"],
        retry_policy=dg.RetryPolicy(max_retries=1),
    )
    return definitions.resolve_job_def("customerio_history")


if __name__ == "__main__":
    with dg.DagsterInstance.get() as instance:
        job = dg.build_reconstructable_job("orchestration.deployed", "history")
        sys.exit(not dg.execute_job(job, instance, tags=MARCH).success)
