"""A backfill reads exactly its range; its shards together read everything, and nothing twice."""

from __future__ import annotations

import json
import logging
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from backfill.backfilling import Backfill, keys
from harness import NOW, SINCE, Output, config_for, few_senders, run_tap, select

from tap_customerio.sandbox import Workspace
from tap_customerio.streams import all_streams
from tap_customerio.windows import parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.slow

START, END = "2026-02-10T07:30:00Z", "2026-03-20T09:45:00Z"
RANGE = ("--from", START, "--to", END)
RANGED = {stream_class.name for stream_class in all_streams() if stream_class.has_time_range}
DAY = 86_400


def truth(box: Sandbox, start: int, end: int) -> list[str]:
    return sorted(row["id"] for row in box.workspace.deliveries(start, end, now=NOW))


def test_streams_with_a_time_range_are_read_by_default(backfill: Backfill) -> None:
    output = backfill.run(*RANGE).output
    assert output.keys.keys() == RANGED
    assert {"action_metrics", "activities", "journey_metrics", "link_metrics", "messages"} < RANGED
    assert sorted(output.ids("messages")) == truth(backfill.box, parse(START), parse(END))
    assert output.bookmark("messages") == END
    assert not backfill.asked("/v1/customers")


def test_any_stream_can_be_named(backfill: Backfill) -> None:
    output = backfill.run(*RANGE, "--stream", "campaigns", "--stream", "messages").output
    assert output.keys.keys() == {"campaigns", "messages"}
    assert output.records["campaigns"]


def test_a_catalog_deselects_streams_and_fields(backfill: Backfill) -> None:
    catalog = select(["messages", "customers"])
    for stream in catalog["streams"]:
        for item in stream["metadata"]:
            if list(item["breadcrumb"]) == ["properties", "recipient"]:
                item["metadata"]["selected"] = False
    path = backfill.folder / "catalog.json"
    path.write_text(json.dumps(catalog))
    output = backfill.run(*RANGE, "--catalog", str(path)).output
    assert output.keys.keys() == {"messages"}
    assert output.records["messages"]
    assert not any("recipient" in row for row in output.records["messages"])


def test_no_setting_makes_it_request_anything_outside_the_range(backfill: Backfill) -> None:
    settings = {"start_date": "2026-03-19", "end_date": "2026-03-30", "rescan_ages": [1, 3, 7]}
    output = backfill.run(*RANGE, "--stream", "messages", **settings).output
    assert sorted(output.ids("messages")) == truth(backfill.box, parse(START), parse(END))
    windows = sorted((int(q["start_ts"]), int(q["end_ts"]) + 1) for q in backfill.asked())
    assert windows[0][0] == parse(START)
    assert windows[-1][1] == parse(END)
    assert all(one[1] == two[0] for one, two in pairwise(windows))


def test_the_range_ends_now_at_the_latest(backfill: Backfill) -> None:
    output = backfill.run("--from", START, "--to", "2026-05-01", "--stream", "messages").output
    assert sorted(output.ids("messages")) == truth(backfill.box, parse(START), int(NOW))
    assert output.bookmark("messages") == rfc3339(int(NOW))


@pytest.mark.parametrize(("count", "resolution", "days"), [(2, "hours", 20), (3, "months", 54)])
def test_shards_are_disjoint_and_together_complete(
    backfill: Backfill, count: int, resolution: str, days: int
) -> None:
    settings = {"metrics_resolution": resolution, "metrics_timezone": "Asia/Kolkata"}
    start = rfc3339(int(NOW) - days * DAY - 1234)
    options = ["--from", start, "--to", rfc3339(int(NOW) - 1)]
    options += [word for name in (*sorted(RANGED), "segments") for word in ("--stream", name)]
    whole = keys(backfill.run(*options, **settings).output)
    shards = [
        keys(backfill.run(*options, "--shard", f"{number}/{count}", **settings).output)
        for number in range(1, count + 1)
    ]
    assert {stream for stream, *_ in whole} >= RANGED - {"link_metrics"}
    assert sum(shards, shards[0].__class__()) == whole
    assert all(any(key[0] == "messages" for key in shard) for shard in shards)
    assert [any(key[0] == "segments" for key in shard) for shard in shards].count(True) == 1


def test_there_may_be_more_shards_than_seconds(backfill: Backfill) -> None:
    second = next(row["created"] for row in backfill.box.workspace.deliveries(SINCE, NOW, now=NOW))
    options = ["--from", rfc3339(second), "--to", rfc3339(second + 2), "--stream", "messages"]
    whole = keys(backfill.run(*options).output)
    shards = [keys(backfill.run(*options, "--shard", f"{n}/5").output) for n in range(1, 6)]
    assert sum(shards, shards[0].__class__()) == whole
    assert whole


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--from", "yesterday", "--to", END), "--from is 'yesterday'"),
        (("--from", END, "--to", START), f"--from is '{END}'"),
        (("--from", START, "--to", "2199-01-01"), "--to is '2199-01-01': it is in the future"),
        ((*RANGE, "--shard", "0/8"), "--shard is '0/8'"),
        ((*RANGE, "--shard", "9/8"), "--shard is '9/8'"),
        ((*RANGE, "--shard", "a third"), "--shard is 'a third'"),
        ((*RANGE, "--stream", "mails"), "There is no stream 'mails'"),
        ((*RANGE, "--config", "/nowhere.json"), "Cannot read /nowhere.json"),
        ((*RANGE, "--catalog", "/nowhere.json"), "--catalog is '/nowhere.json'"),
        ((*RANGE, "--state", "/dev/null/a"), "--state is '/dev/null/a'"),
        ((*RANGE, "--target", "no-such-target"), "--target is 'no-such-target'"),
        ((*RANGE, "--target", "'"), "--target is"),
        ((*RANGE, "--target", ""), "--target is ''"),
    ],
)
def test_impossible_options_are_rejected(
    backfill: Backfill, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.chdir(backfill.folder)
    ran = backfill.run(*options)
    assert ran.code == 1
    assert ran.problem is not None
    assert ran.problem.startswith(sentence)
    assert ran.printed == ""


# States.


def test_every_state_resumes_without_reading_finished_streams_again(backfill: Backfill) -> None:
    options = ["--from", rfc3339(SINCE), "--to", END, "--state", str(backfill.state)]
    options += ["--stream", "messages", "--stream", "journey_metrics", "--stream", "segments"]
    lines = backfill.run(*options).printed.splitlines()
    whole = keys(Output.of(line.encode() for line in lines))
    places = [place for place, line in enumerate(lines) if '"type":"STATE"' in line]
    assert len(places) > 10
    for place in places[::3]:
        state = json.loads(lines[place])["value"]
        backfill.state.write_text(json.dumps(state))
        backfill.box.forget()
        rest = backfill.run(*options).output
        before = keys(Output.of(line.encode() for line in lines[:place]))
        assert (before | keys(rest)).keys() == whole.keys()
        assert rest.keys.keys().isdisjoint(state["backfill"]["done"])
        if bookmark := state["bookmarks"].get("messages"):
            mark = parse(bookmark["replication_key_value"])
            assert all(int(query["start_ts"]) >= mark for query in backfill.asked())


def test_states_appended_to_a_file_by_a_shell_resume(
    backfill: Backfill, caplog: pytest.LogCaptureFixture
) -> None:
    options = [*RANGE, "--stream", "messages", "--state", str(backfill.state)]
    states = backfill.run(*options).output.states
    lines = [json.dumps(state) for state in states[:3]]
    backfill.state.write_text("\n".join([*lines, '{"bookmarks": {"mess']))
    backfill.box.forget()
    with caplog.at_level(logging.INFO):
        backfill.run(*options)
    assert "Continuing with messages." in caplog.text
    mark = parse(states[2]["bookmarks"]["messages"]["replication_key_value"])
    assert min(int(query["start_ts"]) for query in backfill.asked()) == mark


def test_a_finished_backfill_reads_nothing_until_restarted(
    backfill: Backfill, caplog: pytest.LogCaptureFixture
) -> None:
    options = [*RANGE, "--stream", "messages", *backfill.target()]
    assert backfill.run(*options).code == 0
    backfill.box.forget()
    with caplog.at_level(logging.INFO):
        assert backfill.run(*options) == (0, "", None)
    assert "This backfill is already complete" in caplog.text
    assert not backfill.box.calls
    assert backfill.run(*options, "--restart").code == 0
    assert set(keys(backfill.received()).values()) == {2}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_other_buckets_are_read_though_the_former_ones_are_done(
    backfill: Backfill, jobs: str
) -> None:
    options = [*RANGE, "--stream", "metrics", "--stream", "campaigns", *backfill.target()]
    options += ["--jobs", jobs]
    for resolution in ("months", "weeks", "weeks"):
        assert backfill.run(*options, metrics_resolution=resolution).code == 0
    rows = Counter(row["resolution"] for row in backfill.received().records["metrics"])
    assert rows.keys() == {"months", "weeks"}
    assert set(keys(backfill.received()).values()) == {1}


def test_a_range_beyond_now_is_cut_and_not_done(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = make_sandbox(workspace=few_senders())
    backfill = Backfill(box, tmp_path)
    end = int(NOW) + DAY
    options = ["--from", rfc3339(int(NOW) - DAY), "--to", rfc3339(end), "--stream", "messages"]
    options += [*backfill.target(), "--stream", "metrics"]
    with caplog.at_level(logging.WARNING):
        assert backfill.run(*options).code == 0
    for stream in ("messages", "metrics"):
        assert f"Stream '{stream}': the range ends at {rfc3339(end)}, in the future" in caplog.text
    assert json.loads(backfill.state.read_text())["backfill"]["done"] == []
    box.clock.advance(2 * DAY)
    assert backfill.run(*options).code == 0
    assert sorted(json.loads(backfill.state.read_text())["backfill"]["done"]) == [
        "messages",
        "metrics",
    ]
    rows = box.workspace.deliveries(int(NOW) - DAY, end, now=end)
    assert {row["id"] for row in rows} == set(backfill.received().ids("messages"))


def test_a_stream_with_a_failed_slice_is_not_done(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    box = make_sandbox(workspace=few_senders())
    backfill = Backfill(box, tmp_path)
    options = [*RANGE, "--stream", "metrics", *backfill.target()]
    box.fail(status=403, path="/v1/campaigns/1/metrics")
    assert backfill.run(*options).code == 1
    assert json.loads(backfill.state.read_text())["backfill"]["done"] == []
    assert backfill.run(*options).code == 0
    assert json.loads(backfill.state.read_text())["backfill"]["done"] == ["metrics"]


def test_a_state_works_only_for_its_own_backfill(backfill: Backfill) -> None:
    state = ("--state", str(backfill.state))
    own = (*RANGE, "--stream", "messages")
    backfill.state.write_text(json.dumps(backfill.run(*own, *state).output.states[-1]))
    for other in (
        ("--from", START, "--to", "2026-03-21", "--stream", "messages"),
        (*RANGE, "--stream", "metrics"),
        RANGE,
        (*own, "--shard", "1/2"),
    ):
        refused = backfill.run(*other, *state)
        assert refused.code == 1, other
        assert refused.printed == ""
        assert "belongs to the backfill from 2026-02-10T07:30:00Z" in str(refused.problem)
        assert "--restart" in str(refused.problem)
    assert backfill.run(*other, *state, "--restart").code == 0
    assert backfill.state.read_text() == ""


def test_a_state_works_only_for_its_workspace_and_contains_no_key(
    backfill: Backfill, make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    options = [*RANGE, "--stream", "messages", "--state", str(backfill.state)]
    state = json.dumps(backfill.run(*options).output.states[-1])
    assert backfill.box.app_api_key not in state
    backfill.state.write_text(state)
    refused = Backfill(make_sandbox(app_api_key="another"), tmp_path).run(*options)
    assert "State file" in str(refused.problem)


def test_the_state_of_a_regular_sync_is_refused(backfill: Backfill) -> None:
    backfill.state.write_text('{"bookmarks": {"messages": {"replication_key_value": "2026"}}}')
    refused = backfill.run(*RANGE, "--state", str(backfill.state))
    assert "belongs to an ordinary sync" in str(refused.problem)


def test_a_failed_stream_is_not_finished(backfill: Backfill) -> None:
    options = [*RANGE, "--stream", "messages", "--stream", "metrics", *backfill.target()]
    backfill.box.fail(status=400, path="/v1/campaigns")
    failed = backfill.run(*options)
    assert failed.code == 1
    assert json.loads(backfill.state.read_text())["backfill"]["done"] == ["messages"]
    backfill.box.forget()
    assert backfill.run(*options).code == 0
    assert not backfill.asked()
    assert backfill.received().records["metrics"]


# Windows.


def test_empty_years_cost_few_requests(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    box = make_sandbox(workspace=Workspace(since=SINCE, gaps=[(SINCE, int(NOW) + 1)]))
    backfill = Backfill(box, tmp_path)
    years = ["--from", "2012-01-01", "--to", "2026-01-01", "--stream", "messages"]
    output = backfill.run(*years).output
    assert output.bookmark("messages") == "2026-01-01T00:00:00Z"
    assert 30 < len(box.calls) <= 80


def test_hundreds_of_pages_have_a_checkpoint_every_fifty(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    box = make_sandbox()
    box.middleware.app = Crowded(box.middleware.app)
    start = SINCE + 10 * DAY
    options = ["--from", rfc3339(start), "--to", rfc3339(start + Crowded.seconds)]
    lines = Backfill(box, tmp_path).run(*options, "--stream", "messages").printed.splitlines()
    pages = [json.loads(line) for line in lines]
    between, longest, ids = 0, 0, []
    for message in pages:
        if message["type"] == "RECORD":
            ids.append(message["record"]["id"])
            between += 1
        elif message["type"] == "STATE":
            longest, between = max(longest, between), 0
    assert len(set(ids)) == Crowded.seconds
    assert len(ids) == Crowded.seconds
    assert longest <= 55


class Crowded:
    """A thousand deliveries a second for five minutes; each page of 1000 shows one of them.

    Windows are split only by the number of pages and the time of their rows.
    """

    seconds = 300

    def __init__(self, app: Any) -> None:
        """Respond for deliveries only."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One page: the newest second not yet read."""
        if scope["path"] != "/v1/messages":
            await self._app(scope, receive, send)
            return
        query = dict(part.split("=") for part in scope["query_string"].decode().split("&"))
        newest = int(query.get("start") or query["end_ts"])
        row = {"id": str(newest), "created": newest, "deduplicate_id": f"{newest}:{newest}"}
        following = str(newest - 1) if newest > int(query["start_ts"]) else ""
        body = json.dumps({"messages": [row], "next": following}).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def test_the_regular_sync_is_unaffected(backfill: Backfill) -> None:
    """The next sync reads the same with and without a backfill before it."""
    box = backfill.box
    config = config_for(box, rescan_ages=[])
    first = run_tap(config | {"end_date": "2026-03-01"}, streams=["messages"])
    state = json.dumps(first.states[-1])
    undisturbed = run_tap(config, streams=["messages"], state=json.loads(state))
    backfill.run("--from", "2026-03-10", "--to", "2026-03-15", *backfill.target())
    second = run_tap(config, streams=["messages"], state=json.loads(state))
    assert second.all_rows() == undisturbed.all_rows()
    assert {*second.ids("messages")} >= {*truth(box, parse("2026-03-01"), int(NOW))}
