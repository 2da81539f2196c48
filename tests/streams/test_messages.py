"""Messages: every delivery of the range, once, with any windows; a bookmark per window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from harness import CORE, NOW, SINCE, config_for, few_senders, metrics_of, run_tap
from hostile import Edited

from tap_customerio.sandbox import Workspace
from tap_customerio.windows import DAY, HOUR, WindowPlan, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Output

    from tap_customerio.sandbox import Sandbox


def truth(sandbox: Sandbox, start: int = SINCE, end: int = NOW) -> list[str]:
    now = sandbox.clock.now()
    return sorted(row["id"] for row in sandbox.workspace.deliveries(start, end, now=now))


@pytest.fixture(scope="module")
def everything(shared_sandbox: Sandbox) -> Output:
    """One run over the whole shared sandbox."""
    return run_tap(config_for(shared_sandbox), streams=["messages"])


@pytest.mark.slow
def test_every_delivery_arrives_once(sandbox: Sandbox, everything: Output) -> None:
    assert sorted(everything.ids("messages")) == truth(sandbox)
    assert everything.bookmark("messages") == rfc3339(NOW)


def test_the_range_is_half_open_and_limits_the_bookmark(sandbox: Sandbox) -> None:
    start, end = parse("2026-02-10T07:00:00Z"), parse("2026-02-20T09:30:00Z")
    settings = {"start_date": rfc3339(start), "end_date": rfc3339(end)}
    output = run_tap(config_for(sandbox, **settings), streams=["messages"])
    assert sorted(output.ids("messages")) == truth(sandbox, start, end)
    assert output.bookmark("messages") == rfc3339(end)


def test_a_second_run_reads_only_new_deliveries(make_sandbox: Callable[..., Sandbox]) -> None:
    box = make_sandbox()
    config = config_for(box, rescan_ages=[])
    first = run_tap(config, streams=["messages"])
    box.clock.advance(DAY)
    box.forget()
    second = run_tap(config, streams=["messages"], state=first.states[-1])
    # Deliveries of the last six hours may be listed late.
    assert sorted(second.ids("messages")) == truth(box, NOW - 6 * HOUR, NOW + DAY)
    assert second.ids("messages")
    assert len([call for call in box.calls if call.path == "/v1/messages"]) == 2


def test_a_second_run_with_nothing_new_keeps_the_bookmark(
    sandbox: Sandbox, everything: Output
) -> None:
    second = run_tap(config_for(sandbox), streams=["messages"], state=everything.states[-1])
    assert second.records["messages"] == []
    assert second.bookmark("messages") == everything.bookmark("messages")


def test_an_earlier_end_never_moves_the_bookmark_back(sandbox: Sandbox) -> None:
    state = {"bookmarks": {"messages": {"replication_key_value": "2026-03-01T00:00:00Z"}}}
    config = config_for(sandbox, end_date="2026-02-15")
    output = run_tap(config, streams=["messages"], state=state)
    assert output.records["messages"] == []
    assert output.bookmark("messages") == "2026-03-01T00:00:00Z"


def test_equal_seconds_at_the_edges_of_windows_are_read_once(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    edges = [SINCE + 3 * DAY + second for second in (-1, 0, 1)]
    box = make_sandbox(
        workspace=Workspace(since=SINCE, per_day=5, people=20, bursts=dict.fromkeys(edges, 40))
    )
    config = config_for(box, start_date=rfc3339(SINCE))
    output = run_tap(config, streams=["messages"])
    assert sorted(output.ids("messages")) == truth(box)
    starts = [int(call.query["start_ts"]) for call in box.calls if call.path == "/v1/messages"]
    assert edges[1] in starts


@pytest.mark.slow
@pytest.mark.parametrize("rows", [999, 1000, 1001, 2000])
def test_windows_of_about_a_page_are_complete(
    make_sandbox: Callable[..., Sandbox], rows: int
) -> None:
    second = SINCE + DAY
    quiet = [(SINCE, second), (second + 1, int(NOW))]
    box = make_sandbox(
        workspace=Workspace(since=SINCE, people=20, gaps=quiet, bursts={second: rows})
    )
    config = config_for(box, start_date=rfc3339(SINCE), end_date=rfc3339(NOW - 60))
    output = run_tap(config, streams=["messages"])
    assert len(set(output.ids("messages"))) == len(output.ids("messages"))
    assert sorted(output.ids("messages")) == truth(box, end=NOW - 60)
    assert len(output.ids("messages")) >= rows


def test_empty_years_cost_few_requests_and_move_the_bookmark(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    box = make_sandbox(workspace=Workspace(since=SINCE, gaps=[(SINCE, NOW + 1)]))
    output = run_tap(config_for(box), streams=["messages"])
    assert output.records["messages"] == []
    assert output.bookmark("messages") == rfc3339(NOW)
    assert len(box.calls) <= 60


@pytest.mark.slow
@pytest.mark.parametrize("first", [61, 7 * 3600 + 1, 40 * DAY])
def test_the_result_does_not_depend_on_the_width_of_windows(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    monkeypatch.setattr(WindowPlan, "first", first)
    config = config_for(sandbox, start_date=rfc3339(NOW - 20 * DAY))
    output = run_tap(config, streams=["messages"])
    assert sorted(output.ids("messages")) == truth(sandbox, NOW - 20 * DAY)


def write_times_as_text(page: Any) -> None:
    for row in page["messages"] or ():
        row["created"] = str(row["created"])


@pytest.mark.slow
@pytest.mark.parametrize("edit", [lambda _: None, write_times_as_text], ids=["usual", "as text"])
def test_oversized_windows_are_split_and_complete(
    make_sandbox: Callable[..., Sandbox],
    monkeypatch: pytest.MonkeyPatch,
    edit: Callable[[Any], None],
) -> None:
    seconds = [SINCE + day * DAY + 12_345 for day in range(0, 50, 2)]
    bursts = dict.fromkeys(seconds, 90)
    box = make_sandbox(workspace=Workspace(since=SINCE, per_day=30, people=20, bursts=bursts))
    box.middleware.app = Edited("GET /v1/messages", edit).around(box.middleware.app)
    monkeypatch.setattr(WindowPlan, "first", 50 * DAY)
    monkeypatch.setattr(WindowPlan, "rows_wanted", 100)
    monkeypatch.setattr(WindowPlan, "pages_many", 1)
    config = config_for(box, start_date=rfc3339(SINCE), include_drafts=True)
    output = run_tap(config, streams=["messages"])
    drafts = box.workspace.deliveries(SINCE, int(NOW), now=NOW, drafts=True)
    whole = sorted([*truth(box), *(row["id"] for row in drafts)])
    assert sorted(output.ids("messages")) == whole, "a split window repeats some deliveries"
    windows = {
        (int(call.query["start_ts"]), int(call.query["end_ts"]))
        for call in box.calls
        if call.path == "/v1/messages"
    }
    nested = [
        (outer, inner)
        for outer in windows
        for inner in windows
        if outer != inner and outer[0] <= inner[0] and inner[1] <= outer[1]
    ]
    assert nested, "no window was split"
    assert output.bookmark("messages") == rfc3339(NOW)


@pytest.mark.slow
def test_drafts_are_read_on_request(sandbox: Sandbox, everything: Output) -> None:
    now = sandbox.clock.now()
    drafts = {
        row["id"] for row in sandbox.workspace.deliveries(SINCE, int(NOW), now=now, drafts=True)
    }
    config = config_for(sandbox, start_date=rfc3339(SINCE), include_drafts=True)
    both = run_tap(config, streams=["messages"])
    assert drafts
    assert set(both.ids("messages")) - set(everything.ids("messages")) == drafts


def test_records_have_person_and_last_change_at_top_level(
    sandbox: Sandbox, everything: Output
) -> None:
    rows = {
        row["id"]: row
        for row in sandbox.workspace.deliveries(SINCE, int(NOW), now=sandbox.clock.now())
    }
    for record in everything.records["messages"]:
        raw = rows[record["id"]]
        assert record["cio_id"] == raw["customer_identifiers"]["cio_id"]
        assert record["created"] == rfc3339(raw["created"])
        assert record["updated"] == rfc3339(int(raw["deduplicate_id"].rpartition(":")[2]))
        assert metrics_of(record) == {name: rfc3339(at) for name, at in raw["metrics"].items()}


def test_state_is_written_after_every_window(sandbox: Sandbox) -> None:
    output = run_tap(config_for(sandbox, start_date="2025-01-01"), streams=["messages"])
    marks = [
        state["bookmarks"]["messages"]["replication_key_value"]
        for state in output.states
        if state["bookmarks"].get("messages")
    ]
    windows = {
        int(call.query["end_ts"]) + 1 for call in sandbox.calls if call.path == "/v1/messages"
    }
    assert {parse(mark) for mark in marks} == windows
    assert marks == sorted(marks)


@pytest.mark.slow
def test_a_wrong_local_clock_changes_nothing(make_sandbox: Callable[..., Sandbox]) -> None:
    box = make_sandbox(workspace=few_senders(per_day=5, people=10))
    config = config_for(box, start_date="2026-03-20")
    outputs = []
    for hours in (0, -1, 1):
        with time_machine.travel(NOW + hours * 3600):
            outputs.append(run_tap(config, streams=CORE))
    right = outputs[0]
    for wrong in outputs[1:]:
        assert wrong.states[-1] == right.states[-1]
        for stream in right.schemas:
            assert _sorted(wrong.records[stream]) == _sorted(right.records[stream])


def _sorted(records: list[dict[str, Any]]) -> list[str]:
    return sorted(map(repr, records))


def test_an_invalid_bookmark_stops_the_run(sandbox: Sandbox) -> None:
    state = {"bookmarks": {"messages": {"replication_key_value": "yesterday"}}}
    with pytest.raises(Exception, match="bookmark of stream 'messages'"):
        run_tap(config_for(sandbox), streams=["messages"], state=state)


@pytest.mark.slow
def test_a_full_table_read_ignores_and_keeps_the_bookmark(sandbox: Sandbox) -> None:
    state = {"bookmarks": {"messages": {"replication_key_value": "2026-03-01T00:00:00Z"}}}
    output = run_tap(
        config_for(sandbox), streams=["messages"], state=state, full_table=["messages"]
    )
    assert sorted(output.ids("messages")) == truth(sandbox)
    assert output.bookmark("messages") == "2026-03-01T00:00:00Z"
