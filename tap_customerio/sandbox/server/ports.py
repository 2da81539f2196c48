"""The hosts of the API, each on a separate port."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from starlette.responses import Response

from tap_customerio.sandbox.server.routes.track import REGION

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from tap_customerio.sandbox.server.routes.request import TrackCredentials

ADDRESS = "127.0.0.1"
ELSEWHERE = 307


class PortError(Exception):
    """The server cannot listen on a port."""

    def __init__(self, port: int, reason: str) -> None:
        super().__init__(f"port {port}: {reason}")
        self.port = port
        self.reason = reason


class PortRouter:
    """An ASGI application that selects another one by port."""

    def __init__(self, *apps: ASGIApp) -> None:
        self._apps = apps
        self._by_port: dict[int, ASGIApp] = {}

    def listen(self, *ports: int) -> list[socket.socket]:
        """Sockets for the applications; port 0 selects a free one."""
        listeners = [_listen(port) for port in ports]
        self._by_port = dict(zip(map(port_of, listeners), self._apps, strict=True))
        return listeners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        await self._by_port[scope["server"][1]](scope, receive, send)


class WrongRegion:
    """The Track API of the other region, which only returns which region is right."""

    def __init__(self, track: ASGIApp, credentials: TrackCredentials) -> None:
        """`track` handles the requests that any region can handle."""
        self._track = track
        self._credentials = credentials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Redirect, after the listening host has recorded the request."""
        if scope["path"] == REGION:
            await self._track(scope, receive, send)
            return
        location = self._credentials.url + scope["raw_path"].decode("ascii")
        await Response(status_code=ELSEWHERE, headers={"location": location})(scope, receive, send)


def port_of(listener: socket.socket) -> int:
    """The port of a socket."""
    port: int = listener.getsockname()[1]
    return port


def url_of(listener: socket.socket) -> str:
    """The base URL of a socket."""
    return f"http://{ADDRESS}:{port_of(listener)}"


def _listen(port: int) -> socket.socket:
    # asyncio sends small responses at once only on sockets that name their protocol; on others
    # every request of a persistent connection takes 40 ms longer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
    except OSError as error:
        listener.close()
        raise PortError(port, error.strerror or str(error)) from None
    listener.listen(512)
    return listener
