"""Requests to the App API: host, key, rate limit, retries, and the meaning of failures."""

from __future__ import annotations

import copy
import threading
from collections import Counter
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote

import backoff
import requests

from tap_customerio import errors
from tap_customerio.api.clock import Clock
from tap_customerio.api.diagnosis import HOSTS, PROBE, PROBES, Diagnosis
from tap_customerio.api.pagination import PageLimit, by_token
from tap_customerio.api.regions import find_region
from tap_customerio.api.responses import Page, ParsedResponse, decode
from tap_customerio.api.retrying import Health, InvalidResponseError, Retrying, log_delay
from tap_customerio.api.run_cache import RunCache
from tap_customerio.api.steady import Listing
from tap_customerio.api.transport import Bearer, RequestSpec, TransientError, Transport
from tap_customerio.ratelimit.limiter import RateLimiter
from tap_customerio.ratelimit.sharing import budget_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests.auth import AuthBase
    from typing_extensions import Self

    from tap_customerio.api.transport import RawResponse
    from tap_customerio.settings import Settings

T = TypeVar("T")


def quoted(identifier: object) -> str:
    """Quote an identifier as one path segment.

    Raises:
        TapError: The identifier is `.` or `..`, which change the path even when encoded.
    """
    if not isinstance(identifier, str | int) or str(identifier) in {"", ".", ".."}:
        raise errors.api.bad_identifier()
    return quote(str(identifier), safe="")


class Client(Diagnosis):
    """The App API of one workspace, with one rate limit for any number of threads."""

    give_up_after = 900.0
    """Seconds of transient errors until a request gives up; the run ends if all requests fail."""

    give_up_alone_after = 120.0
    """The same for a request that fails while others succeed."""

    give_up_absent_after = 10.0
    """The same if no server has responded yet."""

    longest_delay = 60.0
    """Maximum seconds between two attempts."""

    max_invalid_responses = 4
    """Invalid responses until a request gives up."""

    budget_patience = 120.0
    """Seconds for which a shared budget may be unreachable."""

    def __init__(
        self,
        settings: Settings,
        auth: AuthBase | None = None,
        limiter: RateLimiter | None = None,
        page_limit: PageLimit | None = None,
    ) -> None:
        """Store the settings; sends no request. A sample has a limit on pages."""
        self.limiter = limiter or self._shared_limiter(settings)
        self._settings = settings
        self._page_limit = page_limit
        self._transport = Transport(settings, self.limiter, auth or Bearer(settings.app_api_key))
        self._base = settings.api_url or HOSTS.get(settings.region)
        self._clock = Clock()
        self._cache = RunCache()
        self._lock = threading.RLock()
        self._mine = threading.local()
        self._closed = threading.Event()
        self.health = Health(self._responds)
        self.requests: Counter[str] = Counter()

    def _shared_limiter(self, settings: Settings) -> RateLimiter:
        patience = min(self.budget_patience, self.give_up_after)
        return RateLimiter(settings.requests_per_second, budget_of(settings, patience))

    @contextmanager
    def acting(self, stream: str, rank: tuple[int, ...]) -> Iterator[None]:
        """Count this thread's requests for a stream; requests with lower ranks go first."""
        self._mine.stream = stream
        with self.limiter.rank(*rank):
            yield

    def close(self) -> None:
        """Send no more requests; pending retries give up."""
        self._closed.set()

    @property
    def region(self) -> str | None:
        """The region in use; None until `auto` has found it, and with a custom api_url."""
        return next((name for name, base in HOSTS.items() if base == self._base), None)

    @property
    def present(self) -> int:
        """The API's clock at its first response: the exclusive end of everything this run reads."""
        # Requests what the stream workspaces requests, which is then cached.
        listing = partial(self.listing, PROBE, "workspaces", params={"limit": None})
        failures: list[errors.TapError] = []
        for probe in (listing, partial(self._request, PROBES[1], lambda response: response)):
            if self._clock.present is None:
                try:
                    probe()
                except errors.FatalError:
                    raise
                except errors.TapError as error:
                    failures.append(error)
        if self._clock.present is None:
            raise failures[0] if failures else errors.api.no_date(self._where())
        return self._clock.present

    @property
    def now(self) -> int:
        """The API's clock at its latest response."""
        return max(self.present, self._clock.latest)

    def is_future(self, moment: int) -> bool:
        """Whether a moment is after the present, as far as the present is known."""
        return self._clock.is_future(moment)

    def fetch(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        body: Any = None,
        expect: str | None = None,
    ) -> ParsedResponse:
        """Send one request, retry transient errors, and parse the response as JSON.

        Raises:
            TapError: The request failed, or lacks the member `expect`; `NotFoundError` for a 404.
        """

        def read(response: ParsedResponse) -> ParsedResponse:
            if expect is not None and expect not in response.members:
                raise InvalidResponseError(errors.api.missing_rows(response.request, expect))
            return response

        return self._request(RequestSpec(method, path, params, body), read)

    def page(  # noqa: PLR0913 - what is asked, and what came before
        self,
        path: str,
        key: str,
        seen: set[object],
        *,
        method: str = "GET",
        params: dict[str, Any] | None = None,
        body: Any = None,
    ) -> tuple[Page, ParsedResponse]:
        """Return one page of a list, the rows under `key`, and its response.

        `seen` holds tokens and pages of the list so far: a repeated page or token means that the
        API has lost its place and rows would be missed.

        Raises:
            TapError: The response has no rows, or repeats after retries.
        """

        def read(response: ParsedResponse) -> tuple[Page, ParsedResponse]:
            place, token = response.place_of(key), response.get("next")
            if place is None:
                raise InvalidResponseError(errors.api.missing_rows(response.request, key))
            if not isinstance(token, str | None):
                raise InvalidResponseError(
                    errors.api.invalid_member(response.request, "next", "page token")
                )
            page = Page(response, place, spec, more=bool(token))
            fresh = ([] if page.empty else [page.mark()]) + ([token] if token else [])
            if not seen.isdisjoint(fresh):
                raise InvalidResponseError(errors.api.cursor_loop(response.request))
            seen.update(fresh)
            return page, response

        spec = RequestSpec(method, path, dict(params or {}), body)
        return self._request(spec, read)

    def pages(
        self,
        path: str,
        key: str,
        *,
        method: str = "GET",
        params: dict[str, Any] | None = None,
        body: Any = None,
    ) -> Iterator[Page]:
        """Follow the page tokens of one list; yield the rows under `key`, page by page.

        Raises:
            TapError: Also when pages or tokens repeat, or never end.
        """
        limit = self._page_limit
        if limit is not None:
            params = limit.params(params)
        pages = by_token(self, path, key, method=method, params=params, body=body)
        return pages if limit is None else limit.first(path, pages)

    def listing(
        self,
        path: str,
        key: str,
        *,
        method: str = "GET",
        params: dict[str, Any] | None = None,
        body: Any = None,
    ) -> Listing:
        """All rows of a list that fits in memory, read once per run."""

        def read() -> Listing:
            pages = self.pages(path, key, method=method, params=params, body=body)
            return Listing.of(self, key, pages)

        if self._page_limit is not None:
            self._page_limit.note(path)  # even if another thread has read it
        return self.once(repr((path, params, body)), read)

    def once(self, key: str, read: Callable[[], T]) -> T:
        """Call `read` once per key and run, on the first caller's thread."""
        return self._cache.once(key, read)

    def uncached(self) -> Self:
        """Return the same client without cached lists."""
        again = copy.copy(self)
        again._cache = RunCache()  # noqa: SLF001 - its own
        return again

    def shared(self, shared_class: type[T], make: Callable[[], T]) -> T:
        """The one object of its class in this run; in a sample, one per caller.

        Readers of a shared object wait for each other, and readers in a sample stop early.
        """
        return make() if self._page_limit else self._cache.shared(shared_class, make)

    def _request(self, spec: RequestSpec, read: Callable[[ParsedResponse], T]) -> T:
        """Send, and retry while the error is transient or the response is invalid."""
        retries = Retrying(self, spec, getattr(self._mine, "stream", ""))
        retrying = backoff.on_exception(
            retries.delays,
            TransientError,
            max_time=self.give_up_after,
            giveup=cast("Any", retries.is_over),
            jitter=None,
            logger=None,
            on_backoff=log_delay(spec.safe_label),
        )
        try:
            found: T = retrying(self._attempt)(spec, read)
        except TransientError as fault:
            raise retries.explain(fault) from None
        return found

    def _attempt(self, spec: RequestSpec, read: Callable[[ParsedResponse], T]) -> T:
        request = spec.safe_label
        if self._closed.is_set():
            raise errors.api.closed(request)
        response = self._send(self._find_base(), spec)
        self.health.has_responded |= not response.ok
        if response.is_transient:
            self._slow_down(response, spec)
        if not requests.codes.ok <= response.status < requests.codes.multiple_choices:
            raise self._explain(response, spec)
        try:
            members = (
                {} if response.status == requests.codes.no_content else decode(response.content)
            )
        except RecursionError:
            raise InvalidResponseError(errors.api.unreadable_response(request)) from None
        except (TypeError, ValueError):
            raise TransientError("a response that is not a JSON object", absent=True) from None
        found = read(ParsedResponse(members, self._time_of(response, spec), request))
        self.health.record_success()
        return found

    def _send(self, base: str, spec: RequestSpec) -> RawResponse:
        """Send one request, counted for the stream of this thread."""
        self._count_request()
        return self._transport.send(base, spec)

    def _count_request(self) -> None:
        with self._lock:
            self.requests[getattr(self._mine, "stream", "")] += 1

    def _slow_down(self, response: RawResponse, spec: RequestSpec) -> None:
        wait, reason = response.retry_after(), f"status {response.status}"
        throttled = response.status == requests.codes.too_many_requests
        if wait is not None and wait > self.give_up_after:
            if self._base and not throttled and self._others_succeed(spec):
                raise errors.RetriesExhaustedError(spec.safe_label, reason, 0)
            raise errors.api.retry_after_too_long(spec.safe_label, wait)
        if throttled:
            self.limiter.throttle(wait or 0.0)
            # The limiter pauses all requests; without Retry-After this request also backs off.
            wait = None if wait is None else 0.0
        raise TransientError(reason, wait, throttled=throttled)

    def _find_base(self) -> str:
        """The base URL; for region `auto`, that of the region that accepts the key."""
        if self._base is None:
            with self._lock:
                self._base = self._base or find_region(HOSTS.values(), self._probe_region)
        return self._base

    def _probe_region(self, base: str) -> RawResponse:
        response = self._send(base, PROBES[0])
        if response.is_transient:
            self._slow_down(response, PROBES[0])
        return response

    def _time_of(self, response: RawResponse, spec: RequestSpec) -> int:
        """Unix seconds of the response's Date header.

        Only responses of the API count, not those of a proxy. A clock that goes back would let
        bookmarks pass data that the API has not shown yet.
        """
        date = response.date()
        self._clock.note(date)
        if date is None or not self._clock.is_timely(date):
            raise InvalidResponseError(self._explain_clock(spec, date))
        return int(date)

    def _is_timely(self, response: RawResponse) -> bool:
        """Whether a response is current, as far as known."""
        return self._clock.is_timely(response.date())
