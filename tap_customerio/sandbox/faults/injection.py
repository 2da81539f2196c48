"""Injects random faults, reproducible by a seed."""

from __future__ import annotations

from collections import Counter, defaultdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from starlette.responses import Response

from tap_customerio.sandbox.faults.fault_kinds import FAULTS, TRANSIENT, Exchange, token
from tap_customerio.sandbox.world.rng import Rng

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tap_customerio.sandbox.server.clock import Clock

RequestKey = tuple[str, ...]


class Faults:
    """Injects faults into some requests, chosen by the seed and the request.

    `injected` counts them by the names in `FAULTS`.
    """

    def __init__(  # noqa: PLR0913 - each has a default, and none depends on another
        self,
        *kinds: str,
        seed: int = 1,
        rate: float = 0.5,
        path: str = "*",
        in_a_row: int = 3,
        most: float = float("inf"),
        after: int = 0,
        patience: float = 60.0,
    ) -> None:
        """Choose kinds of faults (all transient ones by default) and their frequency.

        Only requests of a path or a pattern with `*` fail, starting after `after` requests, at most
        `most` times in all, and at most `in_a_row` times for one request. `patience` is the number
        of seconds that a slow response takes.
        """
        self.injected: Counter[str] = Counter()
        self._kinds: Sequence[str] = kinds or TRANSIENT
        self._rng = Rng(seed)
        self._rate, self._path = rate, path
        self._in_a_row, self._most, self._after = in_a_row, most, after
        self._patience = patience
        self._attempts: Counter[RequestKey] = Counter()
        self._failed: Counter[RequestKey] = Counter()
        self._pages: dict[RequestKey, dict[str, bytes]] = defaultdict(dict)
        self._calls = 0

    def around(self, app: ASGIApp, clock: Clock) -> ASGIApp:
        """The application with faults."""

        async def respond(scope: Scope, receive: Receive, send: Send) -> None:
            body = await read_body(receive)
            query, place = scope["query_string"].decode(), token(scope)
            request = (scope["method"], scope["path"], query, body.decode())
            pages = self._pages[
                (*request[:2], query.partition("start=")[0].rstrip("&"), request[3])
            ]

            async def right() -> Response:
                response = await response_of(app, scope, body)
                pages[place] = bytes(response.body)
                return response

            earlier = [page for at, page in pages.items() if at != place]
            exchange = Exchange(scope, receive, send, right, earlier, clock, self._patience)
            if not await self._goes_wrong(exchange, request):
                await exchange.give(await right())

        return respond

    async def _goes_wrong(self, exchange: Exchange, request: RequestKey) -> bool:
        """Inject a fault, or return False; a kind that does not apply is skipped."""
        for kind in self._kinds_for(request):
            # Counted first, because the caller may read the count as soon as it has a response.
            self.injected[kind] += 1
            self._failed[request] += 1
            if await FAULTS[kind](exchange):
                return True
            self.injected[kind] -= 1
            self._failed[request] -= 1
        self.injected += Counter()
        self._failed[request] = 0
        return False

    def _kinds_for(self, request: RequestKey) -> Sequence[str]:
        """The kinds of faults to try, chosen one first; empty for a correct response."""
        if not fnmatchcase(request[1], self._path):
            return ()
        self._calls += 1
        self._attempts[request] += 1
        words = self._rng.draw("fault", *request, self._attempts[request])
        lucky = (
            words[0] >= self._rate * 65536
            or self._calls <= self._after
            or self._failed[request] >= self._in_a_row
            or self.injected.total() >= self._most
        )
        first = words[1] % len(self._kinds)
        return () if lucky else [*self._kinds[first:], *self._kinds[:first]]


async def read_body(receive: Receive) -> bytes:
    """The body of a request."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def response_of(app: ASGIApp, scope: Scope, body: bytes) -> Response:
    """The correct response."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *rest = sent
    response = Response(b"".join(message.get("body", b"") for message in rest), start["status"])
    response.raw_headers = list(start["headers"])
    return response
