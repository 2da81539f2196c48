"""A client of the workspace of a test module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sandbox.sandbox_caller import Caller, calling

from tap_customerio.sandbox import Clock, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def api(request: pytest.FixtureRequest) -> Iterator[Caller]:
    """Calls the module's WORKSPACE at the fixed time NOW of the module."""
    workspace, clock = request.module.WORKSPACE, Clock(request.module.NOW)
    with (
        Sandbox(workspace, clock=clock, requests_per_second=None) as sandbox,
        calling(sandbox) as caller,
    ):
        yield caller
