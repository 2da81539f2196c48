"""target-jsonl, which keeps every line: each row arrives exactly once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from e2e import rows, truth
from e2e.processes import State, sync, tap_command, write
from harness import CORE

from tap_customerio.sandbox import Workspace
from tap_customerio.windows import DAY, HOUR, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.e2e

SINCE = parse("2026-03-01")
START = parse("2026-03-08")
NOW = parse("2026-04-01T12:00:00Z")
LISTS = {
    "broadcasts": "updated",
    "campaigns": "updated",
    "newsletters": "updated",
    "transactional_messages": "updated_at",
}


@pytest.fixture
def box(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    workspace = Workspace(since=SINCE, per_day=40, people=230, newsletters=6)
    return make_sandbox(now=NOW, workspace=workspace)


@pytest.fixture
def target(
    make_venv: Callable[[str], Path],
    plugins: dict[str, dict[str, Any]],
    shipped: Callable[[str], dict[str, Any]],
    tmp_path: Path,
) -> list[str]:
    bin_folder = make_venv(plugins["target-jsonl"]["pip_url"])
    config = {**shipped("target-jsonl"), "destination_path": str(tmp_path / "output")}
    return [str(bin_folder / "target-jsonl"), "--config", write(tmp_path / "target.json", config)]


def load(
    box: Sandbox, target: list[str], folder: Path, state: State | None = None
) -> tuple[dict[str, list[dict[str, Any]]], State]:
    """The lines that a run appends to each file, and the state at its end."""
    files = {stream: folder / "output" / f"{stream}.jsonl" for stream in CORE}
    before = {stream: _size(path) for stream, path in files.items()}
    settings = {"start_date": rfc3339(START), "rescan_ages": [], "requests_per_second": 1000}
    tap = tap_command(box, folder, streams=CORE, state=state, **settings)
    states = sync(tap, target, folder)
    appended = {
        stream: [json.loads(line) for line in path.read_text().splitlines()[before[stream] :]]
        for stream, path in files.items()
    }
    return appended, states[-1]


def _size(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_every_stream_has_as_many_lines_as_the_workspace_has_rows(
    box: Sandbox, target: list[str], tmp_path: Path
) -> None:
    lines, state = load(box, target, tmp_path)
    counts = {stream: len(lines[stream]) for stream in lines if stream != "metrics"}
    assert counts == {
        "customers": box.workspace.count_people(NOW),
        "messages": truth.deliveries(box, START),
        **{stream: len(truth.table(box, stream)) for stream in LISTS},
    }
    assert min(counts.values()) > 0
    counted = sum(line["created"] for line in lines["metrics"] if line["source_type"] == "campaign")
    assert counted == sum(line["source_type"] == "campaign" for line in lines["messages"])
    assert state["bookmarks"]["messages"]["replication_key_value"] == rfc3339(NOW)


def test_a_second_run_appends_new_deliveries_and_full_lists(
    box: Sandbox, target: list[str], tmp_path: Path
) -> None:
    first, state = load(box, target, tmp_path)
    box.clock.advance(DAY)
    box.workspace.edit("campaigns", 3, at=NOW + HOUR)
    second, new_state = load(box, target, tmp_path, state)
    new = {row["id"] for row in box.workspace.deliveries(NOW, NOW + DAY, now=NOW + DAY)}
    late = {row["id"] for row in box.workspace.deliveries(NOW - 6 * HOUR, NOW, now=NOW + DAY)}
    assert late, "recent deliveries are read again"
    assert sorted(line["id"] for line in second["messages"]) == sorted(new | late)
    assert new.isdisjoint(line["id"] for line in first["messages"])
    for stream, changed in LISTS.items():
        table = truth.table(box, stream).values()
        assert {line["id"] for line in second[stream]} == {row["id"] for row in table}
        newest = max(row[changed] for row in table)
        bookmark = parse(new_state["bookmarks"][stream]["replication_key_value"])
        assert rows.instant(bookmark) == newest, "the bookmark stays for an incremental sync"
    assert 3 in {line["id"] for line in second["campaigns"]}
    assert new_state["bookmarks"]["messages"]["replication_key_value"] == rfc3339(NOW + DAY)
