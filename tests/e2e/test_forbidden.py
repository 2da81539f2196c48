"""A key with missing permissions: one stream fails, and the others are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from e2e import truth
from e2e.processes import Pipe, State, sync, tap_command
from harness import few_senders

from tap_customerio.windows import parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from e2e.warehouse import Warehouse

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.e2e

SINCE = parse("2026-03-01")
NOW = parse("2026-04-01T12:00:00Z")
FOREVER = 10**6
BY_THE_CLOCK = {
    *("action_metrics", "activities", "journey_metrics", "link_metrics", "messages", "metrics"),
}
BY_CHANGE = {
    *("asset_folders", "assets", "broadcasts", "campaigns", "collections"),
    *("design_studio_components", "design_studio_emails", "design_studio_folders", "exports"),
    *("newsletters", "segments", "snippets", "transactional_messages"),
}


def test_a_forbidden_stream_fails_alone(
    make_sandbox: Callable[..., Sandbox],
    make_warehouse: Callable[..., Warehouse],
    target_command: Callable[..., list[str]],
    tmp_path: Path,
) -> None:
    workspace = few_senders(since=SINCE, per_day=8, people=30, objects_per_type=3)
    box = make_sandbox(now=NOW, workspace=workspace)
    warehouse = make_warehouse("duckdb", tmp_path)
    target = target_command(warehouse, tmp_path)
    box.fail(status=403, times=FOREVER, path="/v1/optouts")

    with Pipe(tap_command(box, tmp_path, requests_per_second=1000), target, tmp_path) as pipe:
        codes = pipe.wait()
        state = pipe.states()[-1]
        log = pipe.tap_log()
    assert codes == (1, 0), pipe.log()
    check_log(log)

    counts = warehouse.counts()
    assert counts.keys() == set(truth.STREAMS) - truth.ON_REQUEST
    assert counts["opt_outs"] == 0
    others = counts.keys() - {"opt_outs"}
    assert warehouse.keys(others) == truth.keys(box, others)
    check_bookmarks(state)

    box.middleware.failures.clear()
    again = tap_command(box, tmp_path, streams=["opt_outs"], state=state, requests_per_second=1000)
    sync(again, target, tmp_path)
    assert warehouse.keys(["opt_outs"]) == truth.keys(box, ["opt_outs"])
    assert warehouse.counts()["opt_outs"] > 0


def check_log(log: str) -> None:
    """The log names the stream, the reason and the fix."""
    [why] = [line for line in log.splitlines() if "Stream opt_outs failed" in line]
    assert "app_api_key may not read GET /v1/optouts (403)" in why
    assert "give the key a role or scope that allows it" in why
    assert "deselect the streams that need it" in why
    [summary] = [line for line in log.splitlines() if "Incomplete: " in line]
    assert "Incomplete: opt_outs could not be read" in summary
    assert "Traceback" not in log


def check_bookmarks(state: State) -> None:
    """All other streams have bookmarks."""
    bookmarks = {
        stream: bookmark["replication_key_value"]
        for stream, bookmark in state["bookmarks"].items()
        if "replication_key_value" in bookmark
    }
    assert bookmarks.keys() == BY_THE_CLOCK | BY_CHANGE
    assert {bookmarks[stream] for stream in BY_THE_CLOCK} == {rfc3339(NOW)}
    assert all(parse(bookmarks[stream]) <= NOW for stream in BY_CHANGE)
