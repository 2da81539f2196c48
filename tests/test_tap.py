"""The tap as a process: Singer's rules, checkpoints under kill -9, signals, the request rate."""

from __future__ import annotations

import gzip
import json
import os
import socket
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from harness import (
    CORE,
    NOW,
    Output,
    Process,
    config_for,
    few_senders,
    new_sandbox,
    restored_signals,
    run_tap,
    select,
)
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from tap_customerio.tap import TapCustomerio
from tap_customerio.windows import parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PORT = _free_port()


@pytest.fixture(scope="class")
def standing_sandbox() -> Iterator[None]:
    few = few_senders(
        since=parse("2026-03-10"), per_day=3, people=12, objects_per_type=3, campaigns=8
    )
    with new_sandbox(port=PORT, workspace=few):
        yield


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    """Few senders of each type."""
    with new_sandbox(workspace=few_senders()) as sandbox:
        yield sandbox


@pytest.mark.slow
@pytest.mark.usefixtures("standing_sandbox")
class TestSingerSdk(
    get_tap_test_class(  # type: ignore[misc]  # built at run time
        TapCustomerio,
        config={
            "app_api_key": "sandbox-app-api-key",
            "api_url": f"http://127.0.0.1:{PORT}",
            "requests_per_second": 1000,
            "start_date": "2026-03-10",
            "metrics_resolution": "weeks",
        },
        suite_config=SuiteConfig(max_records_limit=500),
        catalog=select(),
        parse_env_config=False,
    )
):
    """The SDK's own tests of taps, for all streams."""


@pytest.mark.e2e
def test_the_server_never_sees_more_than_ten_in_a_rolling_second(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    box = make_sandbox(requests_per_second=10, latency_ms=150, jitter_ms=100)
    config = config_for(box, requests_per_second=10)
    code, _, _ = Process(tmp_path, config, catalog=select(["messages"])).end()
    assert code == 0
    assert len(box.calls) > 30
    assert box.busiest() <= 10
    assert {call.status for call in box.calls} == {200}


@pytest.mark.slow
def test_the_last_message_is_a_state_with_every_stream(sandbox: Sandbox) -> None:
    first = run_tap(config_for(sandbox), streams=CORE)
    second = run_tap(config_for(sandbox), streams=CORE, state=first.states[-1])
    assert second.types[-1] == "STATE"
    assert second.states[-1] == first.states[-1]
    assert first.states[-1]["bookmarks"].keys() == first.schemas.keys()


def test_schemas_contain_all_fields_of_the_stream(sandbox: Sandbox) -> None:
    output = run_tap(config_for(sandbox), streams=["segments", "workspaces"])
    assert {name: schema["description"] for name, schema in output.schemas.items()} == {
        "segments": "Segments: groups of people, maintained by hand or by conditions.",
        "workspaces": "Workspaces: all workspaces of the account, with counts that are "
        "up to two hours old.",
    }


@pytest.mark.slow
def test_states_contain_only_bookmarks_and_counts(sandbox: Sandbox) -> None:
    output = run_tap(config_for(sandbox), streams=CORE)
    kept = {
        name
        for state in output.states
        for bookmark in state["bookmarks"].values()
        for name in bookmark
    }
    assert kept == {
        *("replication_key", "replication_key_value", "resolution", "timezone"),
        *("rescans", "rescans_began", "full_at", "changes_until", "read_with"),
        "rows",  # of the last complete read, to notice a much smaller one
    }


@pytest.mark.slow
def test_an_error_ends_the_run_with_a_sentence_and_the_state_so_far(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    box = make_sandbox(workspace=few_senders(per_day=5, people=20))
    box.fail(status=403, times=1000, path="/v1/customers")
    code, lines, log = Process(tmp_path, config_for(box), catalog=select(CORE)).end()
    assert code == 1
    assert "app_api_key may not read POST /v1/customers (403)" in log
    assert "Traceback" not in log
    assert box.app_api_key not in log
    assert "campaigns" in Output.of(lines).states[-1]["bookmarks"]


@pytest.mark.slow
def test_messages_in_batches_are_the_same_as_in_records(sandbox: Sandbox, tmp_path: Path) -> None:
    batch = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": tmp_path.as_uri()},
        "batch_size": 500,
    }
    plain = run_tap(config_for(sandbox), streams=["messages"])
    batched = run_tap(config_for(sandbox, batch_config=batch), streams=["messages"])
    rows = [
        json.loads(line)
        for path in tmp_path.iterdir()
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    assert sorted(row["id"] for row in rows) == sorted(plain.ids("messages"))
    assert batched.types.index("STATE") > batched.types.index("BATCH")
    assert batched.bookmark("messages") == plain.bookmark("messages")


@pytest.mark.slow
def test_deselected_fields_are_left_out(sandbox: Sandbox, tmp_path: Path) -> None:
    config = config_for(sandbox)
    catalog = select(["messages"])
    for stream in catalog["streams"]:
        for item in stream["metadata"]:
            if item["breadcrumb"] in (["properties", "recipient"], ["properties", "subject"]):
                item["metadata"]["selected"] = False
    code, lines, _ = Process(tmp_path, config, catalog=catalog).end()
    output = Output.of(lines)
    assert code == 0
    assert output.records.keys() == {"messages"}
    assert "recipient" not in output.schemas["messages"]["properties"]
    assert all("recipient" not in record for record in output.records["messages"])


@pytest.mark.slow
def test_unbuffered_python_writes_complete_lines(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "PYTHONUNBUFFERED", "1")
    code, lines, _ = Process(tmp_path, config_for(sandbox), catalog=select(CORE)).end()
    assert code == 0
    output = Output.of(lines)
    assert output.bookmark("messages") == rfc3339(NOW)
    assert parse(output.bookmark("messages")) == NOW


def test_rows_of_each_stream_are_logged_at_the_end_and_metrics_only_at_debug(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    output = run_tap(config_for(sandbox), streams=["campaigns", "segments"])
    [line] = [record.message for record in caplog.records if " rows: " in record.message]
    counts = {name: len(output.records[name]) for name in ("campaigns", "segments")}
    assert line == f"{sum(counts.values())} rows: " + ", ".join(
        f"{name} {count}" for name, count in counts.items()
    )
    assert "METRIC" not in caplog.text
    assert "Skipping deselected stream" not in caplog.text


def test_unknown_fields_are_named_with_their_stream(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    row = {"name": "one", "value": "1", "updated_at": int(NOW) - 100, "mood": "good"}
    sandbox.fail(status=200, body={"snippets": [row]}, path="/v1/snippets")
    run_tap(config_for(sandbox), streams=["snippets"])
    assert "Stream snippets: fields not in the schema: ['mood']" in caplog.messages


def test_the_requests_of_each_stream_are_logged_at_the_end(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAP_CUSTOMERIO_LOGLEVEL", "DEBUG")
    caplog.set_level("INFO")
    run_tap(config_for(sandbox), streams=["campaigns", "campaign_actions", "segments"])
    [line] = [record.message for record in caplog.records if " requests: " in record.message]
    named = dict(pair.split() for pair in line.partition(": ")[2].split(", "))
    assert sum(map(int, named.values())) == len(sandbox.calls)
    assert int(line.split()[0]) == len(sandbox.calls)
    assert int(named["campaign_actions"]) > int(named["segments"]) == 1
    metrics = [json.loads(log.message[8:]) for log in caplog.records if "METRIC: {" in log.message]
    measured = {(point["metric"], point["tags"].get("stream")): point["value"] for point in metrics}
    for stream, requests in named.items():
        assert measured["http_request_count", stream] == int(requests)
    assert measured["rate_limit_wait", None] == 0


def test_a_tap_that_runs_again_reads_again(sandbox: Sandbox) -> None:
    with restored_signals():
        tap = TapCustomerio(config=config_for(sandbox), catalog=select(["segments", "workspaces"]))
        tap.sync_all()
        first = len(sandbox.calls)
        tap.sync_all()
    assert len(sandbox.calls) == 2 * first == 4


@pytest.mark.slow
def test_nothing_is_requested_twice_in_a_run_and_no_field_is_left_out(
    make_sandbox: Callable[..., Sandbox], caplog: pytest.LogCaptureFixture
) -> None:
    since = parse("2026-03-10")
    box = make_sandbox(workspace=few_senders(since=since, per_day=3, people=8, objects_per_type=3))
    with caplog.at_level("INFO"):
        run_tap(config_for(box, start_date="2026-03-01", metrics_resolution="weeks"))
    assert "left out" not in caplog.text
    asked = Counter(
        (call.method, call.path, tuple(sorted(call.query.items())))
        for call in box.calls
        if call.path not in ("/v1/objects", "/v1/customers", "/v1/customers/attributes")
    )
    assert len(asked) > 200
    # Targets delete rows that a mirror lacks: the first of two pages is checked again at the end.
    followed = {
        (method, path, tuple(pair for pair in query if pair[0] != "start"))
        for method, path, query in asked
        if "start" in dict(query) and path not in ("/v1/activities", "/v1/messages")
    }
    followed &= asked.keys()
    assert {question for question, times in asked.items() if times > 1} == followed
    assert {asked[question] for question in followed} == {2}
