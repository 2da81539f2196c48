"""Sharing the limit of a workspace with another client, and among processes of the tap."""

from __future__ import annotations

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

import pytest
import requests
from benchmarks import sharing
from e2e import truth
from harness import SINCE, config_for, new_sandbox, run_tap

from tap_customerio.sandbox import Workspace
from tap_customerio.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.e2e

LIMIT = 40
OK, TOO_MANY = 200, 429


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
    stream, path = "campaign_actions", "/v1/campaigns/*/actions"
    workspace = Workspace(since=SINCE, people=9, per_day=10, campaigns=60)
    with new_sandbox(workspace=workspace, latency_ms=20, requests_per_second=LIMIT) as box:
        # test_limiter.py, with a fake clock, checks how much of the limit it then uses.
        box.fail(status=TOO_MANY, headers={"retry-after": "1"}, path=path)
        with another_client(box) as theirs:
            config = config_for(box, requests_per_second=LIMIT)
            output = run_tap(config, streams=[stream])
        ours = [call.status for call in box.calls if fnmatch(call.path, path)]
        expected = truth.keys(box, [stream])[stream]
    assert Counter((row["campaign_id"], row["id"]) for row in output.records[stream]) == expected
    assert TOO_MANY in ours
    assert theirs.count(OK) > 0.85 * len(theirs)


@pytest.mark.parametrize(("keeper", "campaigns"), [("redis", 8), ("file", 4)])
def test_three_processes_of_four_workers_share_one_limit_and_lose_nothing(
    keeper: str, campaigns: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"file:{tmp_path}/budget" if keeper == "file" else request.getfixturevalue("redis_url")
    # A machine busy with other tests may send requests late, together with others, but no more.
    size = {"per_day": 60, "broadcasts": 2, "transactional": 2}
    with sharing.sandbox_of(campaigns, requests_per_second=13, **size) as box:
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
