"""A bound on the time of a whole answer: a socket's own timeout begins again with every byte."""

from __future__ import annotations

import http.client
import io
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer

LARGE = 1 << 16
"""Bytes after which an answer counts as large."""

MULTIPLE = 5
"""How many times the timeout a large answer may take."""


class _Bounded(io.RawIOBase):
    """What arrives on a socket, until the time of the answer is over."""

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
    """Takes the socket's timeout, which urllib3 has just set, for the bound of the whole."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_Bounded(self.fp.detach(), sock))


@cache
def _bounded(kind: type[http.client.HTTPConnection]) -> type[http.client.HTTPConnection]:
    return type(kind.__name__, (kind,), {"response_class": _BoundedResponse})


class BoundedAdapter(HTTPAdapter):
    """Bounds the time of whole answers, headers included."""

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        """The pool of a host or proxy; connections that are none, as in recordings, stay."""
        pool: Any = super().get_connection_with_tls_context(*arguments, **options)
        if issubclass(pool.ConnectionCls, http.client.HTTPConnection):
            pool.ConnectionCls = _bounded(pool.ConnectionCls)
        return pool
