"""Permanent faults: one clear sentence, an exit code, and the state of the last finished slice."""

from __future__ import annotations

import gzip
import logging
import re
from collections import Counter
from contextlib import contextmanager
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW, SINCE, config_for, logged_errors, new_sandbox, run_tap

from tap_customerio.api import pagination
from tap_customerio.api.client import Client
from tap_customerio.api.transport import Transport
from tap_customerio.sandbox import Faults, Workspace
from tap_customerio.windows import DAY, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("fast_retries")

ODD = ("looping_cursor", "missing_envelope")
WORKSPACE = Workspace(since=SINCE, per_day=15, people=20, campaigns=4)


@contextmanager
def faulty(*kinds: str, **how: Any) -> Iterator[tuple[Sandbox, Faults]]:
    """A sandbox whose requests all fail by default."""
    faults = Faults(*kinds, **{"rate": 1, "in_a_row": 10**9, **how})
    with new_sandbox(workspace=WORKSPACE, faults=faults) as box:
        yield box, faults


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("forbidden", "app_api_key may not read GET /v1/snippets (403)"),
        ("bad_request", "The API refused GET /v1/snippets with status 400"),
        ("unauthorized", "app_api_key may not read GET /v1/snippets (401)"),
        ("redirect", "GET /v1/snippets was redirected (status 302), while other requests were not"),
        ("gone", "The API has nothing at GET /v1/snippets (404)"),
        ("missing_envelope", "The response to GET /v1/snippets has no 'snippets'"),
        ("looping_cursor", "The pages of GET /v1/activities repeat"),
    ],
)
def test_a_list_that_always_fails_fails_its_stream_only(
    caplog: pytest.LogCaptureFixture, kind: str, sentence: str
) -> None:
    stream = "activities" if kind == "looping_cursor" else "snippets"
    with faulty(kind, path=f"/v1/{stream}") as (box, faults):
        output = run_tap(config_for(box), streams=["collections", stream, "workspaces"], fails=True)
    assert output.problem.startswith(f"Incomplete: {stream} could not be read")
    [error] = logged_errors(caplog)
    assert error.startswith(f"Stream {stream} failed: {sentence}")
    assert faults.injected[kind] == (Client.max_invalid_responses if kind in ODD else 1)
    assert output.records["collections"]
    assert output.records["workspaces"]
    assert output.states[-1]["bookmarks"].keys() >= {"collections", "workspaces"}


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("unauthorized", r"app_api_key was refused by http://127\.0\.0\.1:\d+ \(401\)"),
        ("proxy_login", r"A proxy in front of .* requires a login \(407\)"),
        ("clock_back", r"The clock of .* went back by more than a minute"),
    ],
)
def test_faults_of_all_streams_end_the_run(kind: str, sentence: str) -> None:
    path = "/v1/snippets" if kind == "proxy_login" else "*"
    # A run without a state requests the workspaces first.
    with faulty(kind, path=path, after=2 if path == "*" else 0) as (box, _):
        # In sequence, so that the first response, which sets the clock, is another one.
        config = config_for(box, concurrency=1)
        output = run_tap(config, streams=["collections", "snippets", "workspaces"], fails=True)
    assert re.search(sentence, output.problem)
    assert output.records["collections"]
    assert output.states[-1]["bookmarks"]["collections"]
    assert not output.records["workspaces"]


@pytest.mark.parametrize(
    "kind",
    [
        "unauthorized",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("bad_request", "html")),
    ],
)
def test_a_failure_half_way_keeps_the_state_of_the_finished_windows(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(Client, "give_up_after", 0.05)
    with new_sandbox(workspace=WORKSPACE) as box:
        start = {"start_date": rfc3339(SINCE - 300 * DAY)}
        box.middleware.app = Faults(
            kind, path="/v1/messages", rate=1, in_a_row=10**9, after=9
        ).around(box.middleware.app, box.clock)
        first = run_tap(config_for(box, **start), streams=["messages"], fails=True)
    with new_sandbox(workspace=WORKSPACE) as box:
        second = run_tap(config_for(box, **start), streams=["messages"], state=first.states[-1])
    truth = [row["id"] for row in WORKSPACE.deliveries(SINCE, NOW, now=NOW)]
    assert SINCE - 300 * DAY < parse(first.bookmark("messages")) < NOW
    assert {*first.ids("messages"), *second.ids("messages")} == {*truth}
    assert max(Counter(second.ids("messages")).values()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["clock_ahead", "clock_back"])
def test_a_first_response_with_a_wrong_clock_moves_no_bookmark_too_far(kind: str) -> None:
    with faulty(kind, path="/v1/workspaces", most=1) as (box, _):
        if kind == "clock_back":
            output = run_tap(config_for(box), streams=["messages"])
            assert output.bookmark("messages") == rfc3339(NOW - 3600)
        else:
            output = run_tap(config_for(box), streams=["messages"], fails=True)
            assert "went back" in output.problem
            assert not any(state["bookmarks"].get("messages") for state in output.states)


def test_error_pages_of_a_proxy_do_not_set_the_clock() -> None:
    with new_sandbox() as box:
        date = formatdate(NOW + 365 * DAY, usegmt=True)
        box.fail(status=502, body="<html>", headers={"date": date}, path="/v1/workspaces")
        output = run_tap(config_for(box), streams=["messages"])
        assert output.bookmark("messages") == rfc3339(NOW)


def test_people_deleted_between_search_and_profile_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with faulty("people_gone") as (box, faults):
        output = run_tap(config_for(box), streams=["customers"])
        people = box.workspace.count_people(NOW)
    gone = faults.injected["people_gone"]
    assert gone >= 1
    assert len(output.records["customers"]) == people - gone
    assert f"{gone} of {people} people were deleted or merged" in caplog.text


def test_a_404_of_a_listed_path_fails_its_stream_and_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with faulty("gone", path="/v1/segments/3/*") as (box, _):
        output = run_tap(config_for(box), streams=["segment_usage", "segments"], fails=True)
    assert {row["id"] for row in output.records["segments"]} - {
        row["segment_id"] for row in output.records["segment_usage"]
    } == {3}
    assert output.problem.startswith("Incomplete: segment_usage")
    assert "nothing at GET /v1/segments/3/used_by (404)" in caplog.text


@pytest.mark.parametrize("seconds", ["86400", formatdate(NOW + DAY, usegmt=True), "1e400"])
def test_a_retry_after_of_a_day_is_not_waited_for(sandbox: Sandbox, seconds: str) -> None:
    sandbox.fail(status=429, headers={"retry-after": seconds}, path="/v1/snippets")
    output = run_tap(config_for(sandbox), streams=["snippets"], fails=True)
    assert re.search(
        r"asks to wait (1 d|an unlimited time) before GET /v1/snippets", output.problem
    )


def test_endless_empty_pages_end(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagination, "EMPTY_PAGES", 20)
    for number in range(20):
        body = {"activities": None, "next": f"token-{number}"}
        sandbox.fail(status=200, body=body, path="/v1/activities")
    output = run_tap(config_for(sandbox), streams=["activities"], fails=True)
    assert output.problem.startswith("Incomplete: activities")


def test_a_response_larger_than_memory_is_rejected_while_it_is_decompressed(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Transport, "largest", 1 << 20)
    bomb = gzip.compress(b" " * (16 << 20))
    headers = {"content-encoding": "gzip"}
    sandbox.fail(status=200, body=bomb, headers=headers, path="/v1/snippets")
    run_tap(config_for(sandbox), streams=["snippets"], fails=True)
    assert "The response to GET /v1/snippets is larger than 1 MiB" in caplog.text


def test_the_key_does_not_follow_a_redirect(
    sandbox: Sandbox, make_sandbox: Callable[..., Sandbox]
) -> None:
    elsewhere = make_sandbox()
    headers = {"location": f"{elsewhere.url}/v1/snippets"}
    sandbox.fail(status=302, headers=headers, path="/v1/snippets")
    run_tap(config_for(sandbox), streams=["snippets"], fails=True)
    assert elsewhere.calls == []


@pytest.mark.slow
@pytest.mark.parametrize("hostile", ["..", ".", "../campaigns", "a/b", "1?x=1#y", "%2e%2e", " "])
def test_hostile_identifiers_stay_within_their_path(sandbox: Sandbox, hostile: str) -> None:
    rows = {"segments": [{"id": hostile, "name": "hostile"}]}
    sandbox.fail(status=200, body=rows, path="/v1/segments")
    output = run_tap(config_for(sandbox), streams=["segment_usage"], fails=hostile in {".", ".."})
    assert output.records["segment_usage"] == []
    others = [call for call in sandbox.calls if call.path not in {"/v1/workspaces", "/v1/segments"}]
    assert {call.status for call in others} <= {404}
