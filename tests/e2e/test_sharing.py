"""Sharing the limit of a workspace with another client, and among processes of the tap."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests
from benchmarks import sharing
from harness import NOW, SINCE, config_for, new_sandbox, run_tap

from tap_customerio.sandbox import Workspace
from tap_customerio.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.e2e

LIMIT = 40
OK = 200


@contextmanager
def another_client(sandbox: Sandbox) -> Iterator[list[int]]:
    """Requests at half of the limit, whatever the responses are; returns the statuses."""
    done = threading.Event()
    statuses: list[int] = []

    def ask() -> None:
        key = {"Authorization": f"Bearer {sandbox.app_api_key}"}
        statuses.append(requests.get(f"{sandbox.url}/v1/segments", headers=key).status_code)

    def run() -> None:
        with ThreadPoolExecutor(LIMIT) as pool:
            while not done.wait(2 / LIMIT):  # time lost on a busy machine is not made up for
                pool.submit(ask)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield statuses
    finally:
        done.set()
        thread.join()


def test_the_tap_throttles_for_another_client_and_loses_nothing() -> None:
    workspace = Workspace(since=SINCE, people=4000, per_day=10)
    with new_sandbox(workspace=workspace, latency_ms=50, requests_per_second=LIMIT) as box:
        # test_limiter.py, with a fake clock, checks how much of the limit it then uses.
        box.fail(status=429, times=5, headers={"retry-after": "1"}, path="/v1/customers*")
        with another_client(box) as theirs:
            config = config_for(box, requests_per_second=LIMIT)
            output = run_tap(config, streams=["customers"])
        ours = [call.status for call in box.calls if call.path.startswith("/v1/customers")]
    assert len(output.records["customers"]) == workspace.count_people(NOW)
    assert ours.count(429) >= 5
    assert theirs.count(OK) > 0.8 * len(theirs)


@pytest.mark.parametrize(("keeper", "campaigns"), [("redis", 12), ("file", 4)])
def test_three_processes_of_four_workers_share_one_limit_and_lose_nothing(
    keeper: str, campaigns: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"file:{tmp_path}/budget" if keeper == "file" else request.getfixturevalue("redis_url")
    # A machine busy with other tests may send requests late, together with others, but no more.
    with sharing.sandbox_of(campaigns, per_day=60, requests_per_second=13) as box:
        shared = sharing.backfill(box, url, processes=3, folder=tmp_path)
        request.node.add_report_section("call", "pace", shared.summary())
        assert shared.refused() == 0
        assert box.busiest(10) <= 100
    with new_sandbox(workspace=box.workspace, now=sharing.NOW) as fault_free:
        config = config_for(
            fault_free, start_date=rfc3339(sharing.SINCE), end_date=rfc3339(sharing.NOW)
        )
        whole = run_tap(config, streams=sharing.STREAMS)
    for stream in sharing.STREAMS:
        shares = [output.records[stream] for output in shared.outputs]
        assert any(shares)
        assert _lines(row for share in shares for row in share) == _lines(whole.records[stream])


def _lines(records: Iterable[dict[str, Any]]) -> list[str]:
    """As text, without zeros: the API omits a count that is zero in a whole window."""
    nonzero = ({name: value for name, value in record.items() if value} for record in records)
    return sorted(json.dumps(record, sort_keys=True) for record in nonzero)
