"""A sandbox with few senders, and backfills of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from backfill.backfilling import Backfill
from harness import few_senders, new_sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox


@pytest.fixture(scope="session")
def small_sandbox() -> Iterator[Sandbox]:
    """A sandbox for tests that only read."""
    with new_sandbox(workspace=few_senders(people=20, per_day=20)) as box:
        yield box


@pytest.fixture
def backfill(small_sandbox: Sandbox, tmp_path: Path) -> Backfill:
    """Backfills of the small sandbox, without earlier requests."""
    small_sandbox.forget()
    return Backfill(small_sandbox, tmp_path)
