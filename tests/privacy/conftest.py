"""A sandbox and a folder for the privacy tests."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from privacy_case import PrivacyCase

from tap_customerio.api.track import Track
from tap_customerio.privacy.erase import Eraser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the delays."""
    monkeypatch.setattr("random.uniform", lambda low, high: 0.005)  # noqa: ARG005
    monkeypatch.setattr(Eraser, "interval", 0.01)
    monkeypatch.setattr(Track, "give_up_after", 0.2)


@pytest.fixture
def open_case(tmp_path: Path) -> Iterator[Callable[..., PrivacyCase]]:
    """Creates privacy cases that close with the test."""
    with contextlib.ExitStack() as stack:

        def opened(workspace: dict[str, Any] | None = None, **options: Any) -> PrivacyCase:
            case = PrivacyCase(tmp_path, workspace, **options)
            stack.enter_context(case.box)
            return case

        yield opened


@pytest.fixture
def case(open_case: Callable[..., PrivacyCase]) -> PrivacyCase:
    """One without anything special."""
    return open_case()
