"""A sandbox of few senders, and backfills of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from backfill.backfilling import Backfill
from harness import SINCE, new_sandbox

from tap_customerio.sandbox import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox


@pytest.fixture(scope="session")
def small_sandbox() -> Iterator[Sandbox]:
    """One for all tests that only read."""
    workspace = Workspace(
        since=SINCE,
        per_day=30,
        people=60,
        campaigns=3,
        newsletters=3,
        broadcasts=1,
        transactional=1,
    )
    with new_sandbox(workspace=workspace) as box:
        yield box


@pytest.fixture
def backfill(small_sandbox: Sandbox, tmp_path: Path) -> Backfill:
    """Backfills of the small sandbox, its calls forgotten."""
    small_sandbox.forget()
    return Backfill(small_sandbox, tmp_path)
