"""The sandbox as a local server."""

from __future__ import annotations

import asyncio
import threading
import time
from bisect import bisect_right
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tap_customerio.sandbox.faults.behaviours import Behaviours
from tap_customerio.sandbox.server.backend import Backend
from tap_customerio.sandbox.server.clock import Clock
from tap_customerio.sandbox.server.middleware import (
    Call,
    Failure,
    Middleware,
    RateLimit,
    track_middleware,
)
from tap_customerio.sandbox.server.ports import PortRouter, WrongRegion, port_of, url_of
from tap_customerio.sandbox.server.routes.request import TrackCredentials
from tap_customerio.sandbox.server.routes.workspace import WORKSPACE
from tap_customerio.sandbox.server.shifting import Shifting
from tap_customerio.sandbox.world.rng import DAY
from tap_customerio.sandbox.world.workspace import Workspace

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from tap_customerio.sandbox.faults.injection import Faults
    from tap_customerio.sandbox.server.shifting import Shift

HALF_A_YEAR = 180 * DAY
_ITERATIONS = 5
"""Iterations of the event loop until a newly accepted connection is visible."""


class Sandbox:
    """A Customer.io with a generated workspace; it runs inside its context.

    `url` is the address of its App API, `track_url` of its Track API, and `wrong_track_url` of the
    Track API in the other region. Entered again, it uses the same addresses, like after an
    outage.
    """

    def __init__(  # noqa: PLR0913 - each has a default, and none depends on another
        self,
        workspace: Workspace | None = None,
        *,
        clock: Clock | None = None,
        app_api_key: str = "sandbox-app-api-key",
        site_id: str = "sandbox-site-id",
        track_api_key: str = "sandbox-track-api-key",
        region: str = "us",
        track_workspace: int = WORKSPACE,
        port: int = 0,
        latency_ms: float = 0,
        jitter_ms: float = 0,
        requests_per_second: int | None = 10,
        behaviours: Behaviours | None = None,
        faults: Faults | None = None,
    ) -> None:
        """Prepare a server; by default, the workspace is half a year old.

        A `track_workspace` gives the Track API keys of another workspace, which is invisible here.
        """
        self.clock = clock or Clock()
        self.workspace = workspace or half_a_year(self.clock)
        self._ports = [port, 0, 0]
        self.app_api_key, self.site_id, self.track_api_key = app_api_key, site_id, track_api_key
        self.calls: list[Call] = []
        self.track_calls: list[Call] = []
        self.stray_calls: list[Call] = []
        self._credentials = TrackCredentials(region, track_workspace, track_workspace == WORKSPACE)
        self._backend = Backend(
            self.workspace, self.clock, behaviours or Behaviours(), self._credentials
        )
        app = self._shifting = Shifting(self._backend.app)
        inner = app if faults is None else faults.around(app, self.clock)
        limit, bearer = RateLimit(requests_per_second), f"Bearer {app_api_key}"
        self.middleware = Middleware(
            inner, self.clock, bearer, limit, latency_ms, jitter_ms, self.calls
        )
        self._router = self._make_router()

    def _make_router(self) -> PortRouter:
        """The App API, and the Track API of both regions."""
        track, keys = self._backend.track, (self.site_id, self.track_api_key)
        self.track_middleware = track_middleware(track, self.clock, keys, self.track_calls)
        wrong = WrongRegion(track, self._credentials)
        stray = track_middleware(wrong, self.clock, keys, self.stray_calls)
        return PortRouter(self.middleware, self.track_middleware, stray)

    def __enter__(self) -> Self:
        """Start the server."""
        listeners = self._router.listen(*self._ports)
        self._ports = [port_of(listener) for listener in listeners]
        self.url, self.track_url, self.wrong_track_url = map(url_of, listeners)
        self._credentials.url = self.track_url
        self._backend.open()
        self._server = _Server(_config(self._router))
        run = self._server.run
        self._thread = threading.Thread(target=run, args=(listeners,), name="sandbox", daemon=True)
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
        """Stop; open requests are cut off."""
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
        """Respond to the next requests of a path (any path, or a pattern with `*`) with a failure.

        Paths of the Track API begin with /api, those of the App API with /v1.

        A body may be text, bytes, or any JSON value. A `content-length` beyond the body breaks
        the connection in the middle of the response.
        """
        middleware = self.track_middleware if path and path.startswith("/api") else self.middleware
        middleware.failures.append(Failure(status, times, path, headers or {}, body))

    def shift(self, shift: Shift) -> None:
        """Remove rows from a list, or change their order, while it is read."""
        self._shifting.shifts.append(shift)

    def busiest(self, seconds: float = 1.0) -> int:
        """The most requests that arrived within any such period, including rejected ones."""
        arrived = sorted(call.arrived for call in self.calls)
        ends = enumerate(arrived)
        return max(
            (place + 1 - bisect_right(arrived, at - seconds) for place, at in ends), default=0
        )

    def requests_by_path(self) -> Counter[str]:
        """Number of requests by path."""
        return Counter(call.path for call in self.calls)

    def forget(self) -> None:
        """Forget past requests and planned shifts."""
        for calls in (self.calls, self.track_calls, self.stray_calls, self._shifting.shifts):
            calls.clear()


class _Protocol(HttpToolsProtocol):
    """Lets the application access its connection, to break it off."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {"transport": transport}


class _Server(uvicorn.Server):
    """A server that stops immediately when asked, without polling."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._end.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # asyncio would leave a connection open that is accepted while its server closes.
        for listening in (one for server in self.servers for one in server.sockets):
            self._loop.remove_reader(listening)
        for _ in range(_ITERATIONS):
            await asyncio.sleep(0)
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for task in self.server_state.tasks:
            task.cancel()
        for _ in range(100):
            for connection in list(self.server_state.connections):
                connection.transport.abort()
            if self.server_state.connections or self.server_state.tasks:
                await asyncio.sleep(0.002)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)


def serve(  # noqa: PLR0913 - each has a default, and none depends on another
    workspace: Workspace | None = None,
    *,
    port: int = 0,
    track_port: int = 0,
    clock: Clock | None = None,
    app_api_key: str = "sandbox-app-api-key",
    site_id: str = "sandbox-site-id",
    track_api_key: str = "sandbox-track-api-key",
    latency_ms: float = 0,
    jitter_ms: float = 0,
    requests_per_second: int | None = 10,
    behaviours: Behaviours | None = None,
    started: Callable[[str, str], None] | None = None,
    on_response: Callable[[Call], None] | None = None,
) -> None:
    """Serve in the foreground until Ctrl+C.

    `started` receives the URLs of both APIs once the server listens, `on_response` every request.
    """
    clock, credentials = clock or Clock(), TrackCredentials("us", WORKSPACE)
    workspace, behaviours = workspace or half_a_year(clock), behaviours or Behaviours()
    backend = Backend(workspace, clock, behaviours, credentials)
    limit, key = RateLimit(requests_per_second), f"Bearer {app_api_key}"
    middleware = Middleware(
        backend.app, clock, key, limit, latency_ms, jitter_ms, on_response=on_response
    )
    track = track_middleware(backend.track, clock, (site_id, track_api_key))
    track.on_response = on_response
    router = PortRouter(middleware, track)
    backend.open()
    listeners = router.listen(port, track_port)
    credentials.url = url_of(listeners[1])
    if started is not None:
        started(url_of(listeners[0]), credentials.url)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(_config(router)).run(listeners)
    for listener in listeners:
        listener.close()
    backend.close()


def half_a_year(clock: Clock) -> Workspace:
    """A workspace that began 180 days ago."""
    return Workspace(since=int(clock.now()) // DAY * DAY - HALF_A_YEAR)


def _config(router: PortRouter) -> uvicorn.Config:
    return uvicorn.Config(
        router,
        interface="asgi3",
        loop="asyncio",
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=0,
    )
