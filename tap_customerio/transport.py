"""One HTTP exchange with the App API: its key, its pace, its bounds, and which faults pass."""

from __future__ import annotations

import email.utils
import logging
import re
import ssl
import time
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import requests

from tap_customerio import problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_customerio.pace import Pace
    from tap_customerio.settings import Settings

_PASSING = {429, 500, 502, 503, 504}
_CHUNK = 1 << 16
_ADDRESS = re.compile(r"[^/\s]*%40[^/\s]*")
_QUERY = re.compile(r"\?[^\s'\"]*")


class _Masked(logging.Filter):
    """Leaves queries and e-mail addresses out of what urllib3 logs, which prints whole URLs."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record for every handler."""
        record.msg = _ADDRESS.sub("***", _QUERY.sub("?***", record.getMessage()))
        record.args = ()
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_Masked())


class PassingFault(Exception):  # noqa: N818 - it passes; trying again is the cure
    """A fault that goes away: the status or exception, and how long to wait if the API said."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        """Say what it was; `wait` is in seconds."""
        super().__init__(reason)
        self.wait = wait


class Question(NamedTuple):
    """A request without its host."""

    method: str
    path: str
    params: dict[str, Any] | None = None
    body: Any = None

    @property
    def told(self) -> str:
        """As logs and problems name it: an e-mail address in its path is left out."""
        return f"{self.method} {_ADDRESS.sub('***', self.path)}"


class Reply(NamedTuple):
    """What came back, whole and decompressed."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def ok(self) -> bool:
        """Whether it is what was asked for."""
        return bool(self.status == requests.codes.ok)

    @property
    def passes(self) -> bool:
        """Whether trying again is worth while."""
        return self.status in _PASSING

    def date(self) -> float | None:
        """The server's clock in unix seconds; None if it does not say."""
        with suppress(TypeError, ValueError, OverflowError):
            return email.utils.parsedate_to_datetime(self.headers.get("Date", "")).timestamp()
        return None

    def retry_after(self) -> float | None:
        """Seconds it asks to wait, from either form of Retry-After; a time is by its own clock."""
        value = self.headers.get("Retry-After", "")
        with suppress(ValueError):
            return max(0.0, float(value))
        with suppress(TypeError, ValueError, OverflowError):
            until = email.utils.parsedate_to_datetime(value).timestamp()
            return max(0.0, until - (self.date() or time.time()))
        return None


class Bearer(requests.auth.AuthBase):
    """Sends the key; being `auth`, it also keeps requests from taking another from ~/.netrc."""

    def __init__(self, key: str) -> None:
        """Remember the key."""
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class _PacedAdapter(requests.adapters.HTTPAdapter):
    """Waits for its turn at the last moment, so that turns and requests keep the same distance."""

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    def send(self, *arguments: Any, **options: Any) -> requests.Response:
        self._pace.wait()
        return super().send(*arguments, **options)


class Transport:
    """Sends requests at a common pace, each on a session that no other thread is using."""

    largest = 1 << 28
    """Bytes, decompressed, beyond which an answer is refused."""

    def __init__(self, settings: Settings, pace: Pace, auth: requests.auth.AuthBase) -> None:
        """Open nothing yet."""
        self._settings = settings
        self._pace = pace
        self._auth = auth
        self._idle: deque[requests.Session] = deque()

    def send(self, base: str, question: Question) -> Reply:
        """Send one request, and read the answer to its end.

        Raises:
            PassingFault: When there is no answer, or none that is whole.
            Problem: When trying again would not change that.
        """
        with self._session() as session, _faults(base):
            response = session.request(
                question.method,
                base + question.path,
                params=question.params,
                data=None if question.body is None else msgspec.json.encode(question.body),
                auth=self._auth,
                timeout=self._settings.request_timeout,
                allow_redirects=False,
                stream=True,
            )
            with response:
                content = self._read(response, question.told)
            return Reply(response.status_code, response.headers, content)

    def _read(self, response: requests.Response, request: str) -> bytes:
        """The body, piece by piece: a few bytes can unpack into more than memory holds."""
        content = bytearray()
        for chunk in response.iter_content(_CHUNK):
            content += chunk
            if len(content) > self.largest:
                raise problems.too_large(request, self.largest)
        return bytes(content)

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        try:
            session = self._idle.pop()
        except IndexError:
            session = requests.Session()
            for scheme in ("https://", "http://"):
                session.mount(scheme, _PacedAdapter(self._pace))
            session.headers["User-Agent"] = self._settings.user_agent
            session.headers["Content-Type"] = "application/json"
        try:
            yield session
        finally:
            self._idle.append(session)


@contextmanager
def _faults(base: str) -> Iterator[None]:
    """Tell faults that pass from those that stay; neither may quote the request."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        if not _broke_off(error):
            raise problems.untrusted(base) from None
        raise PassingFault("connection broken off") from None
    except requests.exceptions.ProxyError as error:
        if " 407 " in str(error):
            raise problems.proxy_login(base) from None
        raise PassingFault("ProxyError") from None
    except requests.exceptions.InvalidURL:
        raise problems.bad_address(base) from None
    except requests.exceptions.Timeout:
        raise PassingFault("no answer within request_timeout") from None
    except requests.exceptions.RequestException as error:
        raise PassingFault(type(error).__name__) from None


def _broke_off(error: BaseException | None) -> bool:
    """Whether TLS only ended too early, which says nothing about whom it was with."""
    while error is not None:
        if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return True
        error = error.__cause__ or error.__context__
    return False
