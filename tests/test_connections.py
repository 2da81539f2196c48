"""Connections: a request is sent when its time comes, on an open connection."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import requests
from servers import Quiet, serving

from tap_customerio.api.deadline import RateLimitedAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

PATIENCE = 30


class Server(ThreadingHTTPServer):
    """Records connections, and closes idle ones on request."""

    daemon_threads = True

    def __init__(self) -> None:
        """Wait for the first connection."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.accepted = threading.Semaphore(0)
        self.end, self.ended = threading.Event(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/"

    def get_request(self) -> Any:
        """Record a connection."""
        found = super().get_request()
        self.accepted.release()
        return found

    def shutdown_request(self, request: Any) -> None:
        """Record its end."""
        super().shutdown_request(request)
        self.ended.set()


class Handler(Quiet, BaseHTTPRequestHandler):
    """Responds with an empty body."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """Respond."""
        self.send_response(204)
        self.end_headers()
        if self.path == "/end":
            self.server.end.wait(PATIENCE)
            self.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as server:
        yield server


def _session(slot: Callable[[], AbstractContextManager[None]]) -> requests.Session:
    session = requests.Session()
    session.mount("http://", RateLimitedAdapter(slot))
    return session


def test_a_request_is_reserved_after_the_connection_is_open(server: Server) -> None:
    reached: list[bool] = []

    @contextmanager
    def slot() -> Iterator[None]:
        reached.append(server.accepted.acquire(timeout=PATIENCE))
        yield

    with _session(slot) as session:
        session.get(server.url)
    assert reached == [True]


def test_a_connection_that_is_closed_during_the_wait_is_reopened(server: Server) -> None:
    slots = 0

    @contextmanager
    def slot() -> Iterator[None]:
        nonlocal slots
        slots += 1
        if slots > 1:
            server.end.set()
            assert server.ended.wait(PATIENCE)
        yield

    with _session(slot) as session:
        session.get(server.url + "end")
        assert session.get(server.url).status_code == 204
    assert slots == 2


def test_many_requests_use_one_type_of_connection(server: Server) -> None:
    slots = threading.Semaphore(0)

    @contextmanager
    def slot() -> Iterator[None]:
        slots.release()
        yield

    with _session(slot) as session:
        kinds = set()
        for _ in range(5):
            session.get(server.url)
            adapter: Any = session.get_adapter(server.url)
            request = requests.Request("GET", server.url).prepare()
            kinds.add(adapter.get_connection_with_tls_context(request, verify=True).ConnectionCls)
    assert len(kinds) == 1
    assert sum(slots.acquire(blocking=False) for _ in range(9)) == 5
