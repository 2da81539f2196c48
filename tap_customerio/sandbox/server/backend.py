"""The routes, on a separate thread from the server."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_plus

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tap_customerio.sandbox.server.middleware import FORBIDDEN, NOT_FOUND, error, json
from tap_customerio.sandbox.server.routes import ROUTES, TRACK_ROUTES
from tap_customerio.sandbox.server.routes.request import ApiRequest, RefusalError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from tap_customerio.sandbox.faults.behaviours import Behaviours
    from tap_customerio.sandbox.server.clock import Clock
    from tap_customerio.sandbox.server.routes.request import Handler, TrackCredentials
    from tap_customerio.sandbox.world.workspace import Workspace

MINUTE = 60


class Backend:
    """Runs the routes one at a time on a separate thread.

    So the arrival time of a request is exact, even while a slow response is made.
    """

    def __init__(
        self,
        workspace: Workspace,
        clock: Clock,
        behaviours: Behaviours,
        credentials: TrackCredentials,
    ) -> None:
        self._workspace = workspace
        self._clock = clock
        self._behaviours = behaviours
        self._credentials = credentials
        self.app = self._routed(ROUTES)
        """The App API."""
        self.track = self._routed(TRACK_ROUTES)
        """The Track API."""

    def open(self) -> None:
        """Start the thread."""
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="sandbox-worker")

    def close(self) -> None:
        """Wait for the current response."""
        self._worker.shutdown(cancel_futures=True)

    def _routed(self, routes: Mapping[tuple[str, str], Handler]) -> ASGIApp:
        """Find the route by the raw path: an encoded slash is part of an id."""
        app = Starlette(
            routes=[self._route(*place, make) for place, make in routes.items()],
            exception_handlers={NOT_FOUND: _no_such_route, 405: _no_such_route},
        )

        async def routed(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "path": scope["raw_path"].decode("ascii")}, receive, send)

        return routed

    def _route(self, method: str, path: str, make: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            if refusal := _refusal(self._behaviours, unquote(request.url.path)):
                return error(refusal)
            api_request = self._api_request(request, await request.body())
            return await asyncio.get_running_loop().run_in_executor(
                self._worker, _respond, make, api_request
            )

        return Route(path, endpoint, methods=[method])

    def _api_request(self, request: Request, body: bytes) -> ApiRequest:
        now = self._clock.now()
        return ApiRequest(
            self._workspace,
            self._behaviours,
            now,
            now - now % MINUTE if self._clock.runs else now,
            {name: _decoded(value) for name, value in request.path_params.items()},
            dict(request.query_params),
            body,
            self._credentials,
        )


def _refusal(behaviours: Behaviours, path: str) -> int | None:
    """The status for paths that the key or the account's plan does not include."""
    if any(fnmatchcase(path, pattern) for pattern in behaviours.without):
        return FORBIDDEN
    return NOT_FOUND if any(fnmatchcase(path, pattern) for pattern in behaviours.lacking) else None


def _decoded(value: Any) -> Any:
    """A path parameter; an unencoded plus sign means a space."""
    return unquote_plus(value) if isinstance(value, str) else value


def _respond(make: Handler, api_request: ApiRequest) -> Response:
    try:
        made = make(api_request)
    except RefusalError as refusal:
        return error(refusal.status, refusal.detail)
    return made if isinstance(made, Response) else json(made)


def _no_such_route(_request: Request, _error: Exception) -> Response:
    """Respond to unknown paths in plain text, like an older part of the API."""
    return PlainTextResponse("404 page not found", NOT_FOUND)
