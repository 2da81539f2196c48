"""Connections with rate-limited sending and a time limit for whole responses.

A socket's own timeout restarts with every byte.
"""

from __future__ import annotations

import http.client
import io
import time
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.util.connection import is_connection_dropped

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from _typeshed import WriteableBuffer

LARGE = 1 << 16
"""A response with at least this many bytes is large."""

MULTIPLE = 5
"""A large response may take this many times the timeout."""


class _Bounded(io.RawIOBase):
    """Reads from a socket, at most until the deadline of the response."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        self._timeout = sock.gettimeout()
        self._began = time.monotonic()
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if self._timeout is not None:
            bound = self._timeout * (MULTIPLE if self._size >= LARGE else 1)
            rest = self._began + bound - time.monotonic()
            if rest <= 0:
                raise TimeoutError
            self._sock.settimeout(rest)
        size = self._raw.readinto(buffer)
        self._size += size or 0
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedResponse(http.client.HTTPResponse):
    """Uses the socket timeout, which urllib3 has just set, as the deadline of the response."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_Bounded(self.fp.detach(), sock))


class _Connection:
    """Limits the time of responses, and sends in a rate limiter slot once connected.

    Connecting takes varying times: slots taken before it would bunch requests.
    """

    response_class = _BoundedResponse
    slot: Callable[[], AbstractContextManager[None]]
    _is_used = False

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self._is_used = False

    def request(self: Any, *arguments: Any, **options: Any) -> None:
        if self.sock is None:
            self.connect()
        with self.slot():
            # Closed while it waited. (Behind a proxy, only urllib3's pool can connect again.)
            if self._is_used and self.proxy is None and is_connection_dropped(self):
                self.close()
                self.connect()
            super().request(*arguments, **options)  # type: ignore[misc]
        self._is_used = True


class RateLimitedAdapter(HTTPAdapter):
    """Sends each request in a slot, and limits the time of whole responses with headers."""

    def __init__(self, slot: Callable[[], AbstractContextManager[None]]) -> None:
        """`slot` is the context in which each request is sent."""
        super().__init__()
        self._slot = slot

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        """The pool of a host or proxy; replayed recordings keep their own connections."""
        pool: Any = super().get_connection_with_tls_context(*arguments, **options)
        kind = pool.ConnectionCls
        if not issubclass(kind, http.client.HTTPConnection):
            with self._slot():
                return pool
        if not issubclass(kind, _Connection):
            members = {"slot": staticmethod(self._slot)}
            pool.ConnectionCls = type(kind.__name__, (_Connection, kind), members)
        return pool
