"""Middleware: authentication, rate limit, latency, and planned failures."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import time
from base64 import b64encode
from bisect import insort
from collections import deque
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tap_customerio.sandbox.server.clock import Clock

JSON = "application/json; charset=utf-8"
SECOND = 1.0
_TCP_INFO, _LAST_DATA_RECEIVED, _COARSE_CLOCK = 104, 52, 6
UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404
TOO_MANY = 429
UNAUTHORIZED_BODY = {"errors": [{"detail": "unauthorized", "status": "401"}]}
_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_references = count(1)


@dataclass
class Call:
    """A request that arrived; the status is 0 until the response is sent."""

    method: str
    path: str
    query: dict[str, str]
    arrived: float
    status: int = 0
    agent: str = ""


@dataclass
class Failure:
    """A response to send instead of the correct one."""

    status: int
    times: int
    path: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    def response(self) -> Response:
        """The response; the default body is that of an error."""
        if self.body is None:
            response = error(self.status)
        elif isinstance(self.body, str | bytes):
            response = Response(self.body, self.status)
        else:
            response = json(self.body, self.status)
        response.headers.update(self.headers)
        return response


class RateLimit:
    """Limits requests in any rolling second, not per second of the clock."""

    def __init__(self, per_second: int | None) -> None:
        self._per_second = per_second
        self._admitted: deque[float] = deque()

    def admits(self, arrived: float) -> bool:
        """Whether another request fits into the second before `arrived`."""
        if self._per_second is None:
            return True
        while self._admitted and self._admitted[0] <= arrived - SECOND:
            self._admitted.popleft()
        if len(self._admitted) >= self._per_second:
            return False
        insort(self._admitted, arrived)  # requests may be noticed out of order
        return True

    def response(self) -> Response:
        """The response to a request over the limit."""
        detail = f"rate limited to {self._per_second} requests per 1s (reference {reference()})"
        response = json({"errors": [{"detail": detail, "status": "429"}]}, TOO_MANY)
        response.headers["retry-after"] = "1"
        return response


@dataclass
class Middleware:
    """An ASGI application around the routes."""

    app: ASGIApp
    clock: Clock
    authorization: str
    limit: RateLimit
    latency_ms: float = 0
    jitter_ms: float = 0
    calls: list[Call] | None = None
    on_response: Callable[[Call], None] | None = None
    failures: list[Failure] = field(default_factory=list)
    unauthorized: Mapping[str, Any] = field(default_factory=lambda: UNAUTHORIZED_BODY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Record the request, wait for the latency, and pass it on or reject it."""
        query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        agent = dict(scope["headers"]).get(b"user-agent", b"").decode("latin-1")
        arrived = time.monotonic() - _noticed_after(scope)
        call = Call(scope["method"], scope["path"], query, arrived, agent=agent)
        if self.calls is not None:
            self.calls.append(call)
        refusal = self._refusal(call, scope)
        if self.latency_ms or self.jitter_ms:
            jitter = random.uniform(-self.jitter_ms, self.jitter_ms)  # noqa: S311
            await asyncio.sleep(max(0, self.latency_ms + jitter) / 1000)
        await (refusal or self.app)(scope, receive, self._stamped(send, call))

    def _refusal(self, call: Call, scope: Scope) -> Response | None:
        """The response to a rejected request; None otherwise."""
        for failure in self.failures:
            if failure.times > 0 and fnmatchcase(call.path, failure.path or "*"):
                failure.times -= 1
                return failure.response()
        if dict(scope["headers"]).get(b"authorization") != self.authorization.encode():
            return json(self.unauthorized, UNAUTHORIZED)
        return None if self.limit.admits(call.arrived) else self.limit.response()

    def _stamped(self, send: Send, call: Call) -> Send:
        """Add the sandbox's date to responses."""

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
                if not any(name == b"date" for name, _ in message["headers"]):
                    message["headers"].append((b"date", self.clock.http_date().encode()))
                if self.on_response is not None:
                    self.on_response(call)
            await send(message)

        return stamped


def _noticed_after(scope: Scope) -> float:
    """Seconds since the kernel received the request; a busy process notices it late."""
    connection = scope["state"]["transport"].get_extra_info("socket")
    try:
        tcp_info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO)
        (milliseconds,) = struct.unpack_from("<I", tcp_info, _LAST_DATA_RECEIVED)
        tick = time.clock_getres(_COARSE_CLOCK)
    except (AttributeError, OSError, struct.error):  # only Linux reports it
        return 0.0
    return max(0.0, float(milliseconds) / 1000 - tick)


def track_middleware(
    app: ASGIApp, clock: Clock, keys: tuple[str, str], calls: list[Call] | None = None
) -> Middleware:
    """Middleware of the Track API: basic auth with site id and key, and no limit."""
    word = b64encode(":".join(keys).encode()).decode()
    refused = {"meta": {"error": "unauthorized"}}
    return Middleware(
        app, clock, f"Basic {word}", RateLimit(None), calls=calls, unauthorized=refused
    )


def json(body: object, status: int = 200) -> Response:
    """A JSON response."""
    return Response(msgspec.json.encode(body), status, headers={"content-type": JSON})


def error(status: int, detail: str | None = None) -> Response:
    """An error response: the status as text and, by default, a random reference."""
    if detail is not None:
        return json({"errors": [{"detail": detail, "status": str(status)}]}, status)
    reasons = {400: "bad request", 403: "forbidden", 404: "not found", 429: "rate limited"}
    detail = f"{reasons.get(status, 'service unavailable')} (reference {reference()})"
    return json({"errors": [{"detail": detail, "status": str(status)}]}, status)


def reference() -> str:
    """A random text like a ULID."""
    number = next(_references) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 120)
    return "01" + "".join(_BASE32[number >> shift & 31] for shift in range(0, 120, 5))
