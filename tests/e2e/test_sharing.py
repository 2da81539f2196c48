"""Another client of the same workspace takes half of the limit."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import requests
from harness import NOW, SINCE, config_for, new_sandbox, run_tap

from tap_customerio.sandbox import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.e2e

LIMIT = 40
OK = 200


@contextmanager
def another_client(sandbox: Sandbox) -> Iterator[list[int]]:
    """Asks for half of the limit, evenly, whatever it is told; gives the statuses it gets."""
    done = threading.Event()
    statuses: list[int] = []

    def ask() -> None:
        key = {"Authorization": f"Bearer {sandbox.app_api_key}"}
        statuses.append(requests.get(f"{sandbox.url}/v1/segments", headers=key).status_code)

    def run() -> None:
        due = time.monotonic()
        with ThreadPoolExecutor(LIMIT) as pool:
            while not done.wait(max(0, due - time.monotonic())):
                pool.submit(ask)
                due += 2 / LIMIT

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield statuses
    finally:
        done.set()
        thread.join()


def test_the_tap_settles_near_the_other_half_and_loses_nothing() -> None:
    workspace = Workspace(since=SINCE, people=7000, per_day=10)
    with new_sandbox(workspace=workspace, latency_ms=50, requests_per_second=LIMIT) as box:
        with another_client(box) as theirs:
            began = time.monotonic()
            output = run_tap(config_for(box, requests_per_second=LIMIT), streams=["customers"])
            seconds = time.monotonic() - began
        ours = [call.status for call in box.calls if call.path.startswith("/v1/customers")]
    assert len(output.records["customers"]) == workspace.count_people(NOW)
    assert ours.count(429) > 0  # it was tested
    assert theirs.count(OK) > 0.8 * len(theirs)
    assert ours.count(OK) > 0.5 * seconds * LIMIT / 2
