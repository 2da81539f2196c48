"""The sandbox as a server on this machine."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from bisect import bisect_right
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_plus

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tap_customerio.sandbox.clock import Clock
from tap_customerio.sandbox.dice import DAY
from tap_customerio.sandbox.gate import (
    FORBIDDEN,
    NOT_FOUND,
    Call,
    Failure,
    Gate,
    RateLimit,
    error,
    json,
)
from tap_customerio.sandbox.quirks import Quirks
from tap_customerio.sandbox.routes import ROUTES
from tap_customerio.sandbox.routes.ask import Ask, RefusalError
from tap_customerio.sandbox.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send
    from typing_extensions import Self

    from tap_customerio.sandbox.routes.ask import Answer

HOST = "127.0.0.1"
HALF_A_YEAR = 180 * DAY
MINUTE = 60


class Sandbox:
    """A Customer.io App API with a made-up workspace, for as long as the context lasts.

    Entered again it comes back at the same address, as after an outage.
    """

    def __init__(  # noqa: PLR0913 - each has a default, and none depends on another
        self,
        workspace: Workspace | None = None,
        *,
        clock: Clock | None = None,
        app_api_key: str = "sandbox-app-api-key",
        port: int = 0,
        latency_ms: float = 0,
        jitter_ms: float = 0,
        requests_per_second: int | None = 10,
        quirks: Quirks | None = None,
    ) -> None:
        """Prepare a server; without a workspace it gets one that is half a year old."""
        self.clock = clock or Clock()
        self.workspace = workspace or half_a_year(self.clock)
        self.app_api_key = app_api_key
        self.calls: list[Call] = []
        self._port = port
        self._backend = Backend(self.workspace, self.clock, quirks or Quirks())
        self.gate = Gate(
            self._backend.app,
            self.clock,
            app_api_key,
            RateLimit(requests_per_second),
            latency_ms,
            jitter_ms,
            self.calls,
        )

    def __enter__(self) -> Self:
        """Begin to answer."""
        listener = _listen(HOST, self._port)
        self._port = listener.getsockname()[1]
        self.url = f"http://{HOST}:{self._port}"
        self._backend.open()
        self._server = _Server(_config(self.gate))
        run = self._server.run
        self._thread = threading.Thread(target=run, args=([listener],), name="sandbox", daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.001)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop answering; calls that still wait are cut off."""
        self._server.end()
        self._thread.join()
        self._backend.close()

    def fail(
        self,
        *,
        status: int,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        path: str | None = None,
    ) -> None:
        """Answer the next calls of a path (any path, or a pattern with `*`) like this instead.

        A body may be text, bytes, or anything JSON can hold. With a `content-length` greater than
        the body's own the connection breaks in the middle of the answer.
        """
        self.gate.failures.append(Failure(status, times, path, headers or {}, body))

    def busiest_second(self) -> int:
        """The most calls that arrived within any second, those refused included."""
        arrived = [call.arrived for call in self.calls]
        ends = enumerate(arrived)
        return max((place + 1 - bisect_right(arrived, at - 1.0) for place, at in ends), default=0)

    def requests_by_path(self) -> Counter[str]:
        """How many calls arrived for each path."""
        return Counter(call.path for call in self.calls)

    def forget(self) -> None:
        """Forget the calls so far."""
        self.calls.clear()


class Backend:
    """The routes, worked on one at a time beside the server's own thread.

    Calls are so noticed when they arrive, however long an answer takes to make.
    """

    def __init__(self, workspace: Workspace, clock: Clock, quirks: Quirks) -> None:
        """Set up the routes."""
        self._workspace = workspace
        self._clock = clock
        self._quirks = quirks
        self._app = Starlette(
            routes=[self._route(*place, make) for place, make in ROUTES.items()],
            exception_handlers={NOT_FOUND: _no_such_route, 405: _no_such_route},
        )

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find the route by the address as it was sent: an encoded slash is part of an id."""
        await self._app({**scope, "path": scope["raw_path"].decode("ascii")}, receive, send)

    def open(self) -> None:
        """Begin to work."""
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="sandbox-worker")

    def close(self) -> None:
        """Wait for the answer in the making."""
        self._worker.shutdown(cancel_futures=True)

    def _route(self, method: str, path: str, make: Answer) -> Route:
        async def endpoint(request: Request) -> Response:
            if refusal := _refusal(self._quirks, unquote(request.url.path)):
                return error(refusal)
            ask = self._ask(request, await request.body())
            return await asyncio.get_running_loop().run_in_executor(
                self._worker, _answer, make, ask
            )

        return Route(path, endpoint, methods=[method])

    def _ask(self, request: Request, body: bytes) -> Ask:
        now = self._clock.now()
        return Ask(
            self._workspace,
            self._quirks,
            now,
            now - now % MINUTE if self._clock.runs else now,
            {name: _decoded(value) for name, value in request.path_params.items()},
            dict(request.query_params),
            body,
        )


class _Server(uvicorn.Server):
    """A server that ends when told to, and does not look every now and then whether it was."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._end.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for task in self.server_state.tasks:
            task.cancel()
        for _ in range(100):
            if self.server_state.connections or self.server_state.tasks:
                await asyncio.sleep(0.002)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)


def serve(  # noqa: PLR0913 - each has a default, and none depends on another
    workspace: Workspace | None = None,
    *,
    host: str = HOST,
    port: int = 0,
    clock: Clock | None = None,
    app_api_key: str = "sandbox-app-api-key",
    latency_ms: float = 0,
    jitter_ms: float = 0,
    requests_per_second: int | None = 10,
    quirks: Quirks | None = None,
    started: Callable[[str], None] | None = None,
    answered: Callable[[Call], None] | None = None,
) -> None:
    """Answer in the foreground until Ctrl+C.

    `started` is told the URL once the server listens, `answered` every call.
    """
    clock = clock or Clock()
    backend = Backend(workspace or half_a_year(clock), clock, quirks or Quirks())
    limit = RateLimit(requests_per_second)
    gate = Gate(backend.app, clock, app_api_key, limit, latency_ms, jitter_ms, answered=answered)
    backend.open()
    with _listen(host, port) as listener:
        if started is not None:
            started(f"http://{host}:{listener.getsockname()[1]}")
        with suppress(KeyboardInterrupt):
            uvicorn.Server(_config(gate)).run([listener])
    backend.close()


def half_a_year(clock: Clock) -> Workspace:
    """A workspace that began 180 days ago."""
    return Workspace(since=int(clock.now()) // DAY * DAY - HALF_A_YEAR)


def _listen(host: str, port: int) -> socket.socket:
    # asyncio sends small answers at once only on sockets that name their protocol; on others
    # every call of a connection that is kept open takes 40 ms longer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(512)
    return listener


def _config(gate: Gate) -> uvicorn.Config:
    return uvicorn.Config(
        gate,
        interface="asgi3",
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=0,
    )


def _refusal(quirks: Quirks, path: str) -> int | None:
    """The status for addresses that the key or the account's plan does not include."""
    if any(fnmatchcase(path, pattern) for pattern in quirks.without):
        return FORBIDDEN
    return NOT_FOUND if any(fnmatchcase(path, pattern) for pattern in quirks.lacking) else None


def _decoded(value: Any) -> Any:
    """A parameter of the path; a plus sign that was not encoded means a space."""
    return unquote_plus(value) if isinstance(value, str) else value


def _answer(make: Answer, ask: Ask) -> Response:
    try:
        return json(make(ask))
    except RefusalError as refusal:
        return error(refusal.status, refusal.detail)


def _no_such_route(_request: Request, _error: Exception) -> Response:
    """Unknown addresses are answered by something older than the API: in plain text."""
    return PlainTextResponse("404 page not found", NOT_FOUND)
