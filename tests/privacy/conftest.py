"""A desk for every test that wants one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from desk import Desk

from tap_customerio.api.track import Track
from tap_customerio.privacy.erase import Eraser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing."""
    monkeypatch.setattr("random.uniform", lambda low, high: 0.005)  # noqa: ARG005
    monkeypatch.setattr(Eraser, "interval", 0.01)
    monkeypatch.setattr(Track, "give_up_after", 0.2)


@pytest.fixture
def open_desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Opens desks that close with the test."""
    with contextlib.ExitStack() as stack:

        def opened(workspace: dict[str, Any] | None = None, **options: Any) -> Desk:
            desk = Desk(tmp_path, workspace, **options)
            stack.enter_context(desk.box)
            return desk

        yield opened


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    """One without anything special."""
    return open_desk()
