"""One HTTP exchange with the App API: key, rate limit, size and time limits, errors."""

from __future__ import annotations

import email.utils
import logging
import os
import re
import socket
import ssl
import time
from collections import deque
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3

from tap_customerio import errors
from tap_customerio.api.deadline import RateLimitedAdapter
from tap_customerio.settings_checks import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_customerio.ratelimit.limiter import RateLimiter
    from tap_customerio.settings import Settings

_TRANSIENT = {408, 425, 429}
_CHUNK = 1 << 16
_ADDRESS = re.compile(r"[^/\s]*%40[^/\s]*")
_QUERY = re.compile(r"\?[^\s'\"]*")


class _Masked(logging.Filter):
    """Removes queries and e-mail addresses from urllib3's log, which prints whole URLs."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record for every handler."""
        record.msg = _ADDRESS.sub("***", _QUERY.sub("?***", record.getMessage()))
        record.args = ()
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_Masked())
# It quotes malformed headers with a traceback; the tap reports the failed request itself.
logging.getLogger("urllib3.connection").addFilter(lambda _: False)


class TransientError(Exception):
    """A failure that may pass, so that a later attempt succeeds.

    `throttled` means that the API wants fewer requests; `absent`, that there may be no such API.
    """

    def __init__(
        self,
        reason: str,
        wait: float | None = None,
        *,
        throttled: bool = False,
        absent: bool = False,
    ) -> None:
        """Store the status or cause, and the seconds of Retry-After if the API sent it."""
        super().__init__(reason)
        self.wait = wait
        self.throttled = throttled
        self.absent = absent


class RequestSpec(NamedTuple):
    """A request without its host."""

    method: str
    path: str
    params: dict[str, Any] | None = None
    body: Any = None

    @property
    def safe_label(self) -> str:
        """The request for logs and errors, without e-mail addresses."""
        return f"{self.method} {_ADDRESS.sub('***', self.path)}"


class RawResponse(NamedTuple):
    """A response, complete and decompressed."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def ok(self) -> bool:
        """Whether the request succeeded."""
        return bool(self.status == requests.codes.ok)

    @property
    def is_transient(self) -> bool:
        """Whether a retry may succeed."""
        return self.status in _TRANSIENT or self.status >= requests.codes.internal_server_error

    @property
    def redirects(self) -> bool:
        """Whether it is a redirect."""
        return bool(requests.codes.multiple_choices <= self.status < requests.codes.bad_request)

    def date(self) -> float | None:
        """The server's clock in unix seconds; None without a Date header."""
        with suppress(TypeError, ValueError, OverflowError):
            return email.utils.parsedate_to_datetime(self.headers.get("Date", "")).timestamp()
        return None

    def retry_after(self) -> float | None:
        """Seconds from either form of Retry-After; a date is relative to the server's clock."""
        value = self.headers.get("Retry-After", "")
        with suppress(ValueError):
            return max(0.0, float(value))
        with suppress(TypeError, ValueError, OverflowError):
            until = email.utils.parsedate_to_datetime(value).timestamp()
            return max(0.0, until - (self.date() or time.time()))
        return None


class Bearer(requests.auth.AuthBase):
    """Sends the key; as `auth`, it also keeps requests from reading ~/.netrc."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class Transport:
    """Sends rate-limited requests, each on a session that no other thread is using."""

    largest = 1 << 28
    """Maximum size of a decompressed response in bytes."""

    connects_within = 10.0
    """Maximum seconds to connect."""

    def __init__(
        self, settings: Settings, limiter: RateLimiter, auth: requests.auth.AuthBase
    ) -> None:
        self._settings = settings
        self._limiter = limiter
        self._auth = auth
        self._idle: deque[requests.Session] = deque()
        self._environment = cache(_environment)

    def send(self, base: str, spec: RequestSpec) -> RawResponse:
        """Send one request, and read the whole response.

        Raises:
            TransientError: There is no complete response.
            TapError: A retry would not help.
        """
        timeout = self._settings.request_timeout
        environment = self._environment(base)
        with self._session() as session, _explained(base, environment["proxies"]):
            response = session.request(
                spec.method,
                base + spec.path,
                params=spec.params,
                data=None if spec.body is None else msgspec.json.encode(spec.body),
                auth=self._auth,
                **environment,
                timeout=(min(timeout, self.connects_within), timeout),
                allow_redirects=False,
                stream=True,
            )
            with response:
                content = self._read(response, spec.safe_label)
            return RawResponse(response.status_code, response.headers, content)

    def _read(self, response: requests.Response, request: str) -> bytes:
        """Read the body in chunks: a few bytes can decompress to more than fits in memory."""
        chunks, size = [], 0
        for chunk in response.iter_content(_CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            if size > self.largest:
                raise errors.api.too_large(request, self.largest)
        return b"".join(chunks)

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        try:
            session = self._idle.pop()
        except IndexError:
            session = requests.Session()
            session.trust_env = False  # `_environment` has read it
            for scheme in ("https://", "http://"):
                session.mount(scheme, RateLimitedAdapter(self._limiter.slot))
            session.headers["User-Agent"] = self._settings.user_agent
            session.headers["Content-Type"] = "application/json"
        try:
            yield session
        finally:
            self._idle.append(session)


def _environment(base: str) -> dict[str, Any]:
    """Proxies and certificates from the environment; requests would read it for every request.

    No proxy for this machine: without TLS, the proxy would see the key.
    """
    found = requests.Session().merge_environment_settings(base, {}, None, None, None)
    verify = found["verify"]
    if base.startswith("https:") and isinstance(verify, str) and not Path(verify).exists():
        raise errors.api.no_certificates(verify)
    return {"proxies": {} if is_loopback(base) else found["proxies"], "verify": verify}


@contextmanager
def _explained(base: str, proxies: dict[str, str]) -> Iterator[None]:
    """Distinguish transient from permanent errors, without quoting the request."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        if not _broke_off(error):
            raise errors.api.untrusted(base) from None
        raise TransientError("connection broken off") from None
    except requests.exceptions.ProxyError as error:
        if " 407 " in str(error):
            raise errors.api.proxy_login(base) from None
        raise TransientError("the proxy cannot be reached", absent=True) from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
        is_proxied = requests.utils.select_proxy(base, proxies)
        raise (errors.api.bad_proxy if is_proxied else errors.api.bad_address)(base) from None
    except requests.exceptions.RequestException as error:
        raise _described(error, urlsplit(base).netloc) from None


def _described(error: requests.exceptions.RequestException, host: str) -> TransientError:
    """The error in words; messages of the libraries quote the request."""
    causes = list(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return TransientError(f"there is no host {host}, or no name server says where", absent=True)
    if any(isinstance(cause, urllib3.exceptions.NewConnectionError) for cause in causes):
        number = next((c.errno for c in causes if isinstance(c, OSError) and c.errno), None)
        why = f" ({os.strerror(number)})" if number else ""
        return TransientError(f"no connection to {host}{why}", absent=True)
    if any(isinstance(cause, urllib3.exceptions.ConnectTimeoutError) for cause in causes):
        return TransientError(f"no connection to {host} in time", absent=True)
    if any(isinstance(cause, urllib3.exceptions.TimeoutError) for cause in causes):
        return TransientError("no complete response within request_timeout")
    return TransientError(f"the connection broke off ({type(error).__name__})")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and its causes; urllib3 stores them as `reason`, requests as an argument."""
    while error is not None:
        yield error
        inner = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
        error = next((cause for cause in inner if isinstance(cause, BaseException)), None)


def _broke_off(error: BaseException | None) -> bool:
    """Whether TLS ended early; this does not mean that the certificate is invalid."""
    ends = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
    return any(isinstance(cause, ends) for cause in _causes(error))
