"""A sandbox and a Dagster instance for each module, and jobs to run in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest
from harness import few_senders, new_sandbox
from orchestration.dagster_harness import KEY, DagsterHarness

from tap_customerio.windows import parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox

NOW = parse("2026-04-01")
"""Two months only."""


@pytest.fixture(scope="module")
def months() -> Iterator[Sandbox]:
    """February and March of a small workspace."""
    with new_sandbox(now=NOW, workspace=few_senders()) as box:
        yield box


@pytest.fixture
def dagster_harness(
    months: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DagsterHarness]:
    """Runs Dagster against the sandbox; the key is in the environment."""
    months.forget()
    months.middleware.failures.clear()
    monkeypatch.setenv(KEY, months.app_api_key)
    with dg.DagsterInstance.ephemeral() as instance:
        yield DagsterHarness(months, tmp_path, instance)
