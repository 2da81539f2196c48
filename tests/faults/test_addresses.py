"""Paths that always fail while others succeed: each loses its slice, and is named once."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW, SINCE, config_for, logged_errors, new_sandbox, run_tap

from tap_customerio.api import retrying as patience_module
from tap_customerio.api.client import Client
from tap_customerio.api.retrying import Health, Retrying
from tap_customerio.api.transport import RequestSpec, TransientError
from tap_customerio.errors import TapError
from tap_customerio.sandbox import Faults, Workspace
from tap_customerio.settings import SETTINGS, Settings
from tap_customerio.streams import people
from tap_customerio.windows import parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness import Output

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("fast_retries", "_short_patience")

WORKSPACE = Workspace(
    since=SINCE, per_day=15, people=40, campaigns=30, newsletters=6, activities_per_day=10
)
FOREVER = 10**9
DEFAULTS = {name: kind.get("default") for name, kind in SETTINGS["properties"].items()}


@pytest.fixture
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "give_up_alone_after", 0.05)


def config(box: Sandbox) -> dict[str, Any]:
    """Reads only the time with deliveries."""
    return config_for(box, start_date=rfc3339(SINCE), metrics_resolution="weeks")


@contextmanager
def failing(kind: str, path: str, **how: Any) -> Iterator[Sandbox]:
    faults = Faults(kind, path=path, **{"rate": 1, "in_a_row": FOREVER, **how})
    with new_sandbox(workspace=WORKSPACE, faults=faults) as box:
        yield box


def whole(streams: list[str], state: dict[str, Any] | None = None) -> Output:
    """The output of a run without faults."""
    with new_sandbox(workspace=WORKSPACE) as box:
        return run_tap(config(box), streams=streams, state=state)


@pytest.mark.slow
def test_a_path_that_always_fails_loses_its_slice_and_the_next_run_reads_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    streams = ["journey_metrics", "messages", "snippets"]
    fault_free = whole(streams)
    dead = fault_free.records["journey_metrics"][0]["campaign_id"]
    path = f"/v1/campaigns/{dead}/journey_metrics"
    with failing("server_error", path) as box:
        first = run_tap(config(box), streams=streams, fails=True)
    assert first.problem.startswith("Incomplete: journey_metrics could not be read")
    [error] = logged_errors(caplog)
    assert error == (
        "Stream journey_metrics is incomplete: 1 of its requests could not be read: "
        f"GET {path} (status 500). The rest was read; the next run tries again."
    )
    kept = [row for row in fault_free.records["journey_metrics"] if row["campaign_id"] != dead]
    assert first.rows("journey_metrics") == sorted(map(repr, kept))
    assert first.rows("messages") == fault_free.rows("messages")
    assert "replication_key_value" not in first.states[-1]["bookmarks"]["journey_metrics"]
    assert first.bookmark("messages") == rfc3339(NOW)
    second = whole(streams, first.states[-1])
    assert second.rows("journey_metrics") == fault_free.rows("journey_metrics")
    assert second.bookmark("journey_metrics") == rfc3339(NOW)


@pytest.mark.slow
def test_when_all_requests_fail_the_run_waits_longer_and_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Client, "give_up_after", 0.5)
    with failing("unavailable", "*", after=2) as box:
        config = config_for(box, concurrency=1)
        output = run_tap(config, streams=["collections", "snippets", "workspaces"], fails=True)
    assert "Gave up on GET /v1/snippets" in output.problem
    assert "The API does not respond to other requests either" in output.problem
    assert output.records["collections"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "status"), [("bad_request", 400), ("forbidden", 403), ("unprocessable", 422)]
)
def test_rejected_children_are_left_out_and_named_once(
    caplog: pytest.LogCaptureFixture, kind: str, status: int
) -> None:
    with failing(kind, "/v1/segments/[2-5]/used_by") as box:
        output = run_tap(config(box), streams=["segment_usage", "segments"], fails=True)
        refused = sorted(call.path for call in box.calls if call.status == status)
    [error] = logged_errors(caplog)
    assert error.startswith(
        f"Stream segment_usage is incomplete: {len(refused)} of its requests could not be read: "
        f"GET {refused[0]} (status {status}), "
    )
    assert error.count("GET") == 3
    assert "and 1 more" in error
    assert len(refused) == len({*refused}) == 4
    left = {row["id"] for row in output.records["segments"]} - {*output.ids("segment_usage")}
    assert left == {2, 3, 4, 5}
    activated = [m["stream"] for m in output.messages if m["type"] == "ACTIVATE_VERSION"]
    assert activated.count("segment_usage") == 0


def test_a_stream_with_only_rejected_children_stops_after_five_requests(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with failing("forbidden", "/v1/campaigns/*/actions") as box:
        output = run_tap(
            config_for(box, concurrency=1), streams=["campaign_actions", "snippets"], fails=True
        )
        asked = [call.path for call in box.calls if call.path.endswith("/actions")]
    [error] = logged_errors(caplog)
    assert error.startswith(
        f"Stream campaign_actions failed: app_api_key may not read GET {asked[0]}"
    )
    assert 5 <= len(asked) <= 7
    assert output.records["snippets"]


@pytest.mark.slow
def test_a_rejected_window_holds_the_bookmark_and_the_others_are_read() -> None:
    with failing("bad_request", "/v1/messages", after=1, most=1) as box:
        config = config_for(box, concurrency=1, start_date=rfc3339(SINCE))
        first = run_tap(config, streams=["messages"], fails=True)
    truth = [row["id"] for row in WORKSPACE.deliveries(SINCE, NOW, now=NOW)]
    later = [r for r in first.records["messages"] if r["created"] > first.bookmark("messages")]
    assert later
    assert SINCE < parse(first.bookmark("messages")) < NOW
    assert {*first.ids("messages")} < {*truth}
    second = whole(["messages"], first.states[-1])
    assert {*first.ids("messages"), *second.ids("messages")} == {*truth}
    assert second.bookmark("messages") == rfc3339(NOW)


@pytest.mark.slow
def test_a_failing_list_loses_only_its_children(
    caplog: pytest.LogCaptureFixture,
) -> None:
    streams = ["campaigns", "campaign_actions", "journey_metrics", "metrics", "snippets"]
    fault_free = whole(streams)
    with failing("server_error", "/v1/campaigns") as box:
        output = run_tap(config(box), streams=streams, fails=True)
    others = [row for row in fault_free.records["metrics"] if row["source_type"] != "campaign"]
    assert others
    assert output.rows("metrics") == sorted(map(repr, others))
    assert output.rows("snippets") == fault_free.rows("snippets")
    assert not any(output.records[name] for name in streams[:3])
    error = sorted(line.partition(":")[0] for line in logged_errors(caplog))
    failed = ["campaign_actions", "campaigns", "journey_metrics"]
    assert error == sorted(
        [*(f"Stream {name} failed" for name in failed), "Stream metrics is incomplete"]
    )


def test_a_people_search_that_fails_half_way_fails_all_streams_that_need_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "SEARCHED", 20)
    streams = ["customer_relationships", "customers", "snippets", "subscription_preferences"]
    with failing("server_error", "/v1/customers", after=1) as box:
        output = run_tap(config(box), streams=streams, fails=True)
    error = logged_errors(caplog)
    assert len(error) == 3
    assert all("failed: Gave up on POST /v1/customers after" in line for line in error)
    assert len(output.records["customers"]) == len(output.records["subscription_preferences"]) == 20
    assert output.records["snippets"]
    assert not output.states[-1]["bookmarks"].get("customers")
    assert not output.activated & {*streams} - {"snippets"}


@pytest.mark.slow
def test_the_path_of_the_probe_may_fail() -> None:
    with failing("server_error", "/v1/workspaces") as box:
        output = run_tap(config(box), streams=["messages", "workspaces"], fails=True)
    assert output.problem.startswith("Incomplete: workspaces could not be read")
    assert output.bookmark("messages") == rfc3339(NOW)


class Clock:
    """A clock that a test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """The time."""
        return self.now


@pytest.mark.parametrize(("given_up", "most"), [(0, 120), (1, 60), (3, 15), (1000, 120 / 64)])
def test_a_request_that_fails_alone_is_given_up_within_two_minutes(
    monkeypatch: pytest.MonkeyPatch, given_up: int, most: float
) -> None:
    spent, probes = _time_spent(monkeypatch, given_up=given_up, others=True)
    assert most / 2 < spent <= most + 0.01
    assert probes == 0
    spent, probes = _time_spent(monkeypatch, given_up=given_up, others=False)
    assert spent > 900
    assert probes >= 2


def _time_spent(
    monkeypatch: pytest.MonkeyPatch, *, given_up: int, others: bool
) -> tuple[float, int]:
    """Seconds until one request is given up, or 15 minutes; and the number of probes."""
    clock, probed = Clock(), Counter[str]()

    def probe(path: str) -> bool:
        probed[path] += 1
        return False

    monkeypatch.setattr(patience_module, "time", clock)
    monkeypatch.setattr(Client, "longest_delay", 60.0)
    monkeypatch.setattr(Client, "give_up_alone_after", 120.0)
    client = Client(Settings.of({**DEFAULTS, "app_api_key": "none", "api_url": "https://api.test"}))
    client.health = Health(probe)
    client.health.given_up["messages"] = given_up
    tries = Retrying(client, RequestSpec("GET", "/v1/messages"), "messages")
    delays = tries.delays()
    next(delays)
    fault, began = TransientError("status 500"), clock.now
    while not tries.is_over(fault) and clock.now - began <= 900:
        if others:
            client.health.record_success()
        clock.now += delays.send(fault)
    return clock.now - began, probed.total()


def test_a_throttled_request_is_retried_however_many_others_succeed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(patience_module, "time", clock)
    client = Client(Settings.of({**DEFAULTS, "app_api_key": "none", "api_url": "https://api.test"}))
    tries = Retrying(client, RequestSpec("GET", "/v1/messages"), "messages")
    for _ in range(100):
        client.health.record_success()
        clock.now += 8
        assert not tries.is_over(TransientError("status 429", throttled=True))


@contextmanager
def dripping(*chunks: bytes, every: float) -> Iterator[Client]:
    """A client of a server that sends a response in chunks."""
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                line, _ = listener.accept()
            except OSError:
                return
            with line:
                line.recv(1 << 16)
                for chunk in chunks:
                    if over.is_set():
                        break
                    try:
                        line.sendall(chunk)
                    except OSError:
                        break
                    over.wait(every)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = {**DEFAULTS, "app_api_key": "none", "api_url": url, "request_timeout": 0.5}
        try:
            yield Client(Settings.of(settings))
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


BODY = b'{"snippets": []}'
HEAD = (
    b"HTTP/1.1 200 OK\r\nDate: Wed, 01 Apr 2026 12:00:00 GMT\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n"
)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["head", "body"])
def test_a_response_that_arrives_byte_by_byte_times_out(where: str) -> None:
    head = HEAD % len(BODY)
    drops = [bytes([byte]) for byte in (head + BODY if where == "head" else BODY)]
    chunks = drops if where == "head" else [head, *drops]
    with dripping(*chunks, every=0.2) as client:
        client.give_up_after = 0.1
        with pytest.raises(TapError, match="no complete response within request_timeout"):
            client.fetch("GET", "/v1/snippets")


@pytest.mark.slow
def test_a_large_response_may_take_five_times_as_long() -> None:
    body = BODY.rjust(1 << 17)
    with dripping(HEAD % len(body), body[:-10], body[-10:], every=0.4) as client:
        assert client.fetch("GET", "/v1/snippets").get("snippets") == []


@pytest.mark.slow
def test_an_unreachable_server_is_reported_with_the_cause(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Client, "give_up_absent_after", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}"
    for address, cause in (
        (f"http://{place}", rf"no connection to {place} \(Connection refused\)"),
        ("https://api.customer.invalid", "there is no host api.customer.invalid"),
    ):
        config = {"app_api_key": "none", "api_url": address}
        output = run_tap(config, streams=["snippets"], fails=True)
        assert f"No Customer.io API responds at {address}, after " in output.problem
        with pytest.raises(TapError, match=cause):
            Client(Settings.of({**DEFAULTS, **config})).fetch("GET", "/")
        assert cause.replace("\\", "") in caplog.text


def test_a_web_server_in_place_of_the_api_is_reported(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "give_up_absent_after", 0.05)
    sandbox.fail(status=200, times=FOREVER, body="<html>Welcome</html>")
    output = run_tap(config_for(sandbox), streams=["snippets"], fails=True)
    sandbox.middleware.failures.clear()
    assert "a response that is not a JSON object. Check api_url or region" in output.problem
