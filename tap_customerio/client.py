"""One request to the App API: host, key, pace, retries, and what its failures mean."""

from __future__ import annotations

import email.utils
import logging
import random
import threading
import time
from collections import Counter, deque
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote

import backoff
import msgspec
import requests

from tap_customerio import problems
from tap_customerio.answers import Answer, Page, decode
from tap_customerio.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from backoff.types import Details

    from tap_customerio.settings import Settings

T = TypeVar("T")

HOSTS = {"us": "https://api.customer.io", "eu": "https://api-eu.customer.io"}
"""Base addresses of the App API by region."""

PROBE = "/v1/workspaces"
"""A small answer that every key may ask for."""

logger = logging.getLogger("tap-customerio.client")

_PASSING = {429, 500, 502, 503, 504}


def quoted(identifier: object) -> str:
    """An identifier as one segment of a path, whatever it holds."""
    text = quote(str(identifier), safe="")
    return text.replace(".", "%2E") if set(text) == {"."} else text


class _PassingFault(Exception):  # noqa: N818 - it passes; trying again is the cure
    """A fault that goes away: the status or exception, and how long to wait if the API said."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class _Key(requests.auth.AuthBase):
    """Sends the key; being `auth`, it also keeps requests from taking another from ~/.netrc."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
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


class Client:
    """The App API of one workspace, for any number of threads at one common pace."""

    give_up_after = 900.0
    """Seconds of passing faults after which a request is given up."""

    def __init__(self, settings: Settings) -> None:
        """Remember the settings; nothing is sent yet."""
        self.pace = Pace(settings.requests_per_second)
        self._settings = settings
        self._key = _Key(settings.app_api_key)
        self._idle: deque[requests.Session] = deque()
        self._base = settings.api_url or HOSTS.get(settings.region)
        self._present: int | None = None
        self._listings: dict[str, Future[list[Any]]] = {}
        self._shared: dict[type, object] = {}
        self._lock = threading.RLock()
        self._mine = threading.local()
        self.requests: Counter[str] = Counter()

    @contextmanager
    def acting(self, stream: str, rank: tuple[int, ...]) -> Iterator[None]:
        """Book what this thread asks for on a stream, and let lower ranks go first."""
        self._mine.stream = stream
        with self.pace.rank(*rank):
            yield

    @property
    def region(self) -> str | None:
        """The region asked; None before `auto` has found it, and at an api_url of one's own."""
        return next((name for name, base in HOSTS.items() if base == self._base), None)

    @property
    def present(self) -> int:
        """The API's clock at its first answer: the end, exclusive, of all this run reads."""
        if self._present is None:
            with suppress(problems.Forbidden):
                self.listing(PROBE, "workspaces", params={"limit": None})  # as its stream asks
        if self._present is None:
            raise problems.no_date(self._where())
        return self._present

    def fetch(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        body: Any = None,
    ) -> Answer:
        """Ask once, try again while faults pass, and read the answer as JSON.

        Raises:
            Problem: When it cannot be had; `Gone` for a 404.
        """
        retrying = backoff.on_exception(
            _delays,
            _PassingFault,
            max_time=self.give_up_after,
            jitter=None,
            logger=None,
            on_backoff=_log_delay(f"{method} {path}"),
        )
        try:
            answer: Answer = retrying(self._attempt)(method, path, params, body)
        except _PassingFault as fault:
            raise problems.gave_up(f"{method} {path}", str(fault), self.give_up_after) from None
        return answer

    def pages(
        self,
        path: str,
        key: str,
        *,
        method: str = "GET",
        params: dict[str, Any] | None = None,
        body: Any = None,
    ) -> Iterator[Page]:
        """Follow the page tokens of one list; yields the rows under `key`, page by page.

        Raises:
            Problem: Also when a token comes twice: the API restarts at page one then.
        """
        seen: set[str] = set()
        token: str | None = None
        while True:
            query = {**(params or {}), **({"start": token} if token else {})}
            answer = self.fetch(method, path, params=query, body=body)
            token = answer.get("next")
            yield _page(answer, key, f"{method} {path}", more=bool(token))
            if not token:
                return
            if token in seen:
                raise problems.cursor_loop(f"{method} {path}")
            seen.add(token)

    def listing(
        self,
        path: str,
        key: str,
        *,
        method: str = "GET",
        params: dict[str, Any] | None = None,
        body: Any = None,
    ) -> list[Any]:
        """All rows of a list that fits in memory, read once per run however many ask for it."""

        def read() -> list[Any]:
            pages = self.pages(path, key, method=method, params=params, body=body)
            return [row for page in pages for row in page]

        return self.once(repr((path, params, body)), read)

    def once(self, question: str, read: Callable[[], list[Any]]) -> list[Any]:
        """Answer a question by reading once, whoever asks it and on whatever thread."""
        with self._lock:
            first = question not in self._listings
            listing = self._listings.setdefault(question, Future())
        if first:
            try:
                listing.set_result(read())
            except BaseException as error:
                listing.set_exception(error)
                raise
        return listing.result()

    def shared(self, kind: type[T], make: Callable[[], T]) -> T:
        """The one object of its kind in this run, made when it is first asked for."""
        with self._lock:
            if kind not in self._shared:
                self._shared[kind] = make()
            return cast("T", self._shared[kind])

    def _attempt(self, method: str, path: str, params: dict[str, Any] | None, body: Any) -> Answer:
        response = self._send(self._find_base(), method, path, params, body)
        at = self._clock(response)
        if response.status_code in _PASSING:
            self._slow_down(response)
        if not requests.codes.ok <= response.status_code < requests.codes.multiple_choices:
            raise self._explain(response.status_code, f"{method} {path}")
        try:
            members = decode(response.content)
        except (TypeError, ValueError) as fault:
            raise _PassingFault(str(fault)) from None
        if at is None:
            raise problems.no_date(self._where())
        return Answer(members, at)

    def _send(
        self, base: str, method: str, path: str, params: dict[str, Any] | None, body: Any
    ) -> requests.Response:
        """Send one request at the common pace, on a session no other thread is using."""
        with self._lock:
            self.requests[getattr(self._mine, "stream", "")] += 1
        with self._session() as session, self._faults(base):
            return session.request(
                method,
                base + path,
                params=params,
                data=None if body is None else msgspec.json.encode(body),
                auth=self._key,
                timeout=self._settings.request_timeout,
                allow_redirects=False,
            )

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        try:
            session = self._idle.pop()
        except IndexError:
            session = requests.Session()
            for scheme in ("https://", "http://"):
                session.mount(scheme, _PacedAdapter(self.pace))
            session.headers["User-Agent"] = self._settings.user_agent
            session.headers["Content-Type"] = "application/json"
        try:
            yield session
        finally:
            self._idle.append(session)

    @contextmanager
    def _faults(self, base: str) -> Iterator[None]:
        """Tell faults that pass from those that stay; neither may quote the request."""
        try:
            yield
        except requests.exceptions.SSLError:
            raise problems.untrusted(base) from None
        except requests.exceptions.Timeout:
            raise _PassingFault("no answer within request_timeout") from None
        except requests.exceptions.RequestException as error:
            raise _PassingFault(type(error).__name__) from None

    def _slow_down(self, response: requests.Response) -> None:
        status = response.status_code
        wait = _retry_after(response)
        if status == requests.codes.too_many_requests:
            self.pace.give_way(wait or 0.0)
            # The pace itself waits on behalf of everyone; without a hint this request backs off.
            wait = None if wait is None else 0.0
        raise _PassingFault(f"status {status}", wait)

    def _explain(self, status: int, request: str) -> problems.Problem:
        if status == requests.codes.unauthorized:
            return self._explain_unauthorized()
        if status == requests.codes.forbidden:
            return problems.forbidden(request)
        if status == requests.codes.not_found:
            return problems.Gone(request)
        if requests.codes.multiple_choices <= status < requests.codes.bad_request:
            return problems.redirected(request, status)
        return problems.refused(request, status)

    def _explain_unauthorized(self) -> problems.Problem:
        others = {} if self._settings.api_url else HOSTS
        for region, base in others.items():
            if base != self._base and self._accepts(base):
                return problems.other_region(self._settings.region, region)
        return problems.unauthorized(self._where())

    def _accepts(self, base: str) -> bool:
        try:
            return self._send(base, "GET", PROBE, None, None).ok
        except (_PassingFault, problems.Problem):
            return False

    def _find_base(self) -> str:
        """The base address; for region `auto`, the first that does not refuse the key."""
        if self._base is None:
            with self._lock:
                self._base = self._base or self._first_accepting()
        return self._base

    def _first_accepting(self) -> str:
        for base in HOSTS.values():
            response = self._send(base, "GET", PROBE, None, None)
            if response.status_code in _PASSING:
                self._slow_down(response)
            if response.status_code != requests.codes.unauthorized:
                self._clock(response)
                return base
        raise problems.unauthorized(self._where())

    def _clock(self, response: requests.Response) -> int | None:
        """Seconds of the answer's Date header; the first becomes the present of this run."""
        try:
            at = int(email.utils.parsedate_to_datetime(response.headers["Date"]).timestamp())
        except (KeyError, TypeError, ValueError):
            return None
        with self._lock:
            if self._present is None:
                self._present = at
        return at

    def _where(self) -> str:
        return self._base or " and ".join(HOSTS.values())


def _page(answer: Answer, key: str, request: str, *, more: bool) -> Page:
    """The list under the envelope's key; the API writes some empty lists as null."""
    rows = answer.members.get(key)
    if rows is None or bytes(memoryview(rows)[:1]) not in (b"[", b"n"):
        raise problems.missing_rows(request, key)
    return Page(rows, more=more)


def _retry_after(response: requests.Response) -> float | None:
    """Seconds the API asks to wait, from either form of Retry-After."""
    value = response.headers.get("Retry-After", "")
    with suppress(ValueError):
        return max(0.0, float(value))
    with suppress(TypeError, ValueError):
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return None


def _delays() -> Generator[float, _PassingFault, None]:
    """Seconds before each new try: what the API asked for, else doubling up to a minute."""
    fault = yield 0.0
    longest = 0.5
    while True:
        longest = min(2 * longest, 60.0)
        fault = yield longest * random.uniform(0.5, 1) if fault.wait is None else fault.wait  # noqa: S311 - jitter


def _log_delay(request: str) -> Callable[[Details], None]:
    def log(details: Details) -> None:
        logger.warning(
            "%s: %s; trying again in %.1f s",
            request,
            details["exception"],
            details["wait"],
        )

    return log
