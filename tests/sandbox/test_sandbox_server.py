"""The HTTP server: keys, limits, failures, and shutdown."""

from __future__ import annotations

import gc
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest
import requests
from sandbox.sandbox_caller import DAY, SINCE, Caller, calling

from tap_customerio.sandbox import Behaviours, Clock, Sandbox, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = SINCE + 10 * DAY


@pytest.fixture(scope="module")
def shared() -> Iterator[Caller]:
    """A sandbox without a limit."""
    with small() as sandbox, calling(sandbox) as caller:
        yield caller


@pytest.fixture
def api(shared: Caller) -> Caller:
    """The same sandbox, without earlier requests."""
    shared.sandbox.forget()
    return shared


def small(**settings: object) -> Sandbox:
    """A sandbox that starts quickly."""
    defaults: dict[str, object] = {"clock": Clock(NOW), "requests_per_second": None}
    return Sandbox(Workspace(per_day=10), **{**defaults, **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize("key", [None, "Bearer wrong", "sandbox-app-api-key"])
def test_a_wrong_or_missing_key_is_unauthorized(api: Caller, key: str | None) -> None:
    headers = {"Authorization": key} if key else {}
    response = requests.get(f"{api.sandbox.url}/v1/workspaces", headers=headers, timeout=10)
    assert response.status_code == 401
    assert response.json() == {"errors": [{"detail": "unauthorized", "status": "401"}]}


def test_the_key_is_configurable() -> None:
    with small(app_api_key="another") as sandbox, calling(sandbox) as api:
        assert sandbox.app_api_key == "another"
        assert api.get("/v1/workspaces").status_code == 200


@pytest.mark.parametrize("path", ["/", "/v1/nothing", "/v1/campaigns/x/metrics", "/v1/people"])
def test_unknown_paths_return_plain_text(api: Caller, path: str) -> None:
    response = api.get(path)
    assert (response.status_code, response.text) == (404, "404 page not found")
    assert response.headers["content-type"].startswith("text/plain")


def test_references_of_errors_differ(api: Caller) -> None:
    details = {api.get("/v1/campaigns/99/metrics").json()["errors"][0]["detail"] for _ in "abc"}
    assert len(details) == 3
    assert all(len(detail) == len("not found (reference )") + 26 for detail in details)


def test_every_response_has_the_date_of_the_clock() -> None:
    clock = Clock(NOW + 0.7)
    with small(clock=clock) as sandbox, calling(sandbox) as api:
        for path in ("/v1/workspaces", "/v1/nothing", "/v1/campaigns/99/metrics"):
            response = api.get(path)
            assert parsedate_to_datetime(response.headers["date"]).timestamp() == NOW
            assert "server" not in response.headers
        clock.advance(60)
        api.session.headers.clear()
        refused = api.get("/v1/workspaces")
        assert parsedate_to_datetime(refused.headers["date"]).timestamp() == NOW + 60


def test_the_content_type_is_json(api: Caller) -> None:
    headers = api.get("/v1/workspaces").headers
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert "content-encoding" not in headers


@pytest.mark.slow
def test_the_eleventh_request_within_a_second_is_one_too_many() -> None:
    with small(requests_per_second=10) as sandbox, calling(sandbox) as api:
        answers = [api.get("/v1/workspaces") for _ in range(12)]
        assert [response.status_code for response in answers] == [200] * 10 + [429] * 2
        assert answers[-1].headers["retry-after"] == "1"
        details = [response.json()["errors"][0]["detail"] for response in answers[-2:]]
        assert details[0] != details[1]
        assert details[0].startswith("rate limited to 10 requests per 1s (reference 01")
        time.sleep(1 - (time.monotonic() - sandbox.calls[0].arrived) + 0.01)
        assert api.get("/v1/workspaces").status_code == 200
        assert sandbox.busiest() == 12


def test_a_request_counts_from_its_arrival_even_on_a_busy_server() -> None:
    asleep, awake = threading.Event(), threading.Event()

    def sleep() -> None:
        asleep.set()
        awake.wait(10)

    with (
        small() as sandbox,
        socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2]))) as caller,
    ):
        sandbox._server._loop.call_soon_threadsafe(sleep)  # noqa: SLF001 - as if it answered
        assert asleep.wait(10)
        caller.sendall(b"GET / HTTP/1.1\r\nhost: it\r\n\r\n")
        time.sleep(0.3)
        woke = time.monotonic()
        awake.set()
        assert caller.recv(1)
    assert sandbox.calls[0].arrived < woke - 0.2


def test_the_limit_can_be_removed(api: Caller) -> None:
    assert {api.get("/v1/workspaces").status_code for _ in range(30)} == {200}


def test_the_response_time_is_configurable_and_responses_do_not_wait_for_each_other() -> None:
    with small(latency_ms=150, jitter_ms=20) as sandbox:
        began = time.monotonic()
        threads = [threading.Thread(target=call_once, args=(sandbox,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - began
    assert 0.13 <= took < 0.6
    assert len(sandbox.calls) == 8


def call_once(sandbox: Sandbox) -> None:
    """A rejected request, which takes as long as any other."""
    began = time.monotonic()
    assert requests.get(sandbox.url, timeout=10).status_code == 401
    assert time.monotonic() - began >= 0.13


def test_requests_are_recorded_with_all_parameters(api: Caller) -> None:
    sandbox = api.sandbox
    api.get("/v1/messages", limit=5, type="")
    api.post("/v1/customers", {}, limit=1)
    api.get("/v1/messages")
    noted = [(call.method, call.path, call.query, call.status) for call in sandbox.calls]
    assert noted == [
        ("GET", "/v1/messages", {"limit": "5", "type": ""}, 200),
        ("POST", "/v1/customers", {"limit": "1"}, 400),
        ("GET", "/v1/messages", {}, 200),
    ]
    assert sandbox.requests_by_path() == {"/v1/messages": 2, "/v1/customers": 1}
    assert sandbox.calls[0].arrived <= sandbox.calls[1].arrived <= time.monotonic()
    sandbox.forget()
    assert sandbox.calls == []
    assert sandbox.busiest() == 0


def test_requests_are_recorded_with_their_user_agent(api: Caller) -> None:
    url, headers = f"{api.sandbox.url}/v1/workspaces", {"User-Agent": "a-reader/1.0 (somewhere)"}
    api.session.get(url, headers=headers, timeout=10)
    connection = HTTPConnection(url.split("/")[2], timeout=10)
    connection.request("GET", "/v1/workspaces")
    assert connection.getresponse().status == 401
    connection.close()
    assert [call.agent for call in api.sandbox.calls] == ["a-reader/1.0 (somewhere)", ""]


def test_a_key_may_lack_permissions_and_an_account_features() -> None:
    behaviours = Behaviours(
        without=frozenset({"/v1/segments*", "/v1/objects/1/acme/0/*"}),
        lacking=frozenset({"/v1/design_studio/*", "/v1/segments"}),
    )
    with small(behaviours=behaviours) as sandbox, calling(sandbox) as api:
        assert refused(api, "/v1/segments", 403)
        assert refused(api, "/v1/segments/1/membership", 403)
        assert refused(api, "/v1/objects/1/acme%2F0/attributes", 403)
        assert refused(api, "/v1/design_studio/emails", 404)
        for path in ("/v1/assets", "/v1/objects/1/globex%2B1/attributes"):
            assert api.get(path).status_code == 200
        assert api.get("/v1/design_studio/nothing").text == "404 page not found"


def refused(api: Caller, path: str, status: int) -> bool:
    """Whether a response is an error in JSON, with the reason for its status."""
    response = api.get(path)
    (error,) = response.json()["errors"]
    reason = {403: "forbidden", 404: "not found"}[status]
    is_usual = error["status"] == str(status) and error["detail"].startswith(f"{reason} (reference")
    return response.status_code == status and is_usual


def test_the_busiest_second_is_any_second(api: Caller) -> None:
    sandbox = api.sandbox
    for _ in range(4):
        api.get("/v1/workspaces")
    for call, arrived in zip(sandbox.calls, (10.0, 10.9, 11.0, 11.95), strict=True):
        call.arrived = arrived
    assert sandbox.busiest() == 2
    sandbox.calls[2].arrived = 10.99
    assert sandbox.busiest() == 3
    assert sandbox.busiest(2.0) == 4


def test_failures_can_be_scheduled(api: Caller) -> None:
    sandbox = api.sandbox
    sandbox.fail(status=503, times=2)
    statuses = [api.get("/v1/workspaces").status_code for _ in range(3)]
    assert statuses == [503, 503, 200]


def test_failures_can_be_scheduled_for_one_path_with_headers_and_a_body(api: Caller) -> None:
    sandbox = api.sandbox
    sandbox.fail(status=429, headers={"Retry-After": "7"}, path="/v1/messages")
    sandbox.fail(status=502, body="<html>", path="/v1/camp*")
    sandbox.fail(status=200, body={"customers": None}, path="/v1/customers/attributes")
    assert api.get("/v1/workspaces").status_code == 200
    limited = api.get("/v1/messages")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
    assert limited.json()["errors"][0]["status"] == "429"
    assert api.get("/v1/campaigns").text == "<html>"
    response = api.post("/v1/customers/attributes", {"ids": ["u-1"]})
    assert response.json() == {"customers": None}
    assert api.get("/v1/messages").status_code == 200
    assert [call.status for call in sandbox.calls] == [200, 429, 502, 200, 200]


def test_responses_can_break_off_in_the_middle(api: Caller) -> None:
    sandbox = api.sandbox
    sandbox.fail(status=200, body='{"camp', headers={"content-length": "100"})
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        api.get("/v1/campaigns")
    assert api.get("/v1/campaigns").status_code == 200


def test_a_connection_serves_several_requests(api: Caller) -> None:
    ports = {port_of(api) for _ in range(3)}
    assert len(ports) == 1


def test_an_open_connection_responds_at_once(api: Caller) -> None:
    began = time.monotonic()
    for _ in range(20):
        api.get("/v1/workspaces")
    assert time.monotonic() - began < 0.5


def port_of(api: Caller) -> int:
    """The client's port during a request."""
    with api.session.get(api.sandbox.url + "/v1/nothing", stream=True, timeout=10) as response:
        port: int = response.raw.connection.sock.getsockname()[1]  # type: ignore[union-attr]
        response.raw.read()
    return port


def test_the_port_is_configurable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with small(port=port) as sandbox:
        assert sandbox.url == f"http://127.0.0.1:{port}"


def test_it_starts_and_stops_within_half_a_second_and_leaves_nothing_behind() -> None:
    threads, handler = threading.active_count(), signal.getsignal(signal.SIGINT)
    sandbox = small()
    began = time.monotonic()
    with sandbox, calling(sandbox) as api:
        assert api.get("/v1/workspaces").status_code == 200
        assert signal.getsignal(signal.SIGINT) is handler
    assert time.monotonic() - began < 1
    assert threading.active_count() == threads
    assert signal.getsignal(signal.SIGINT) is handler
    with pytest.raises(requests.ConnectionError):
        requests.get(sandbox.url, timeout=1)


def test_it_stops_without_waiting_for_slow_responses() -> None:
    def hang_up() -> None:
        with suppress(requests.ConnectionError):
            assert requests.get(sandbox.url, timeout=10).status_code == 500

    with small(latency_ms=30_000) as sandbox:
        caller = threading.Thread(target=hang_up)
        caller.start()
        while not sandbox.calls:
            time.sleep(0.001)
        began = time.monotonic()
    assert time.monotonic() - began < 0.5
    caller.join()


def test_after_an_outage_it_returns_at_the_same_url() -> None:
    sandbox = small()
    with calling(sandbox) as api, sandbox:
        url = sandbox.url
        assert api.get("/v1/workspaces").status_code == 200
    with sandbox, calling(sandbox) as api:
        assert sandbox.url == url
        assert api.get("/v1/workspaces").status_code == 200


def test_the_default_workspace_is_half_a_year_old() -> None:
    with Sandbox() as sandbox, calling(sandbox) as api:
        assert len(api.json("/v1/messages", limit=10)["messages"]) == 10
        assert time.time() - 181 * DAY < sandbox.workspace.since <= time.time() - 180 * DAY


@pytest.mark.slow
def test_in_the_foreground_it_serves_until_ctrl_c() -> None:
    script = (
        "from tap_customerio.sandbox import *\n"
        "serve(Workspace(per_day=5), app_api_key='k', started=lambda url, _: print(url, flush=1),"
        " on_response=lambda call: print(call.path, call.status, flush=True))\n"
        "print('bye')"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        response = requests.get(f"{url}/v1/workspaces", timeout=10)
        assert response.status_code == 401
        assert process.stdout.readline() == "/v1/workspaces 401\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "bye\n"
    assert process.returncode == 0


@pytest.mark.slow
def test_connections_during_shutdown_are_closed_too() -> None:
    for _ in range(10):
        with ExitStack() as stack, small() as sandbox:
            port = int(sandbox.url.rpartition(":")[2])
            for _ in range(5):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        gc.collect()  # unclosed sockets warn when they are collected, and warnings are errors
