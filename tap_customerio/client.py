"""One request to the App API: host, key, pace, retries, and what its failures mean."""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote

import backoff
import requests

from tap_customerio import problems
from tap_customerio.answers import Answer, Page, decode
from tap_customerio.budget import budget_of
from tap_customerio.pace import Pace
from tap_customerio.transport import Bearer, PassingFault, Question, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from requests.auth import AuthBase

    from tap_customerio.settings import Settings
    from tap_customerio.transport import Reply

T = TypeVar("T")

HOSTS = {"us": "https://api.customer.io", "eu": "https://api-eu.customer.io"}
"""Base addresses of the App API by region."""

PROBE = "/v1/workspaces"
"""A small answer that every key may ask for."""

logger = logging.getLogger("tap-customerio.client")


def quoted(identifier: object) -> str:
    """An identifier as one segment of a path, whatever it holds.

    Raises:
        Problem: When it would lead elsewhere: dots are a segment's way up, encoded or not.
    """
    if not isinstance(identifier, str | int) or str(identifier) in {"", ".", ".."}:
        raise problems.bad_identifier()
    return quote(str(identifier), safe="")


class _OddAnswer(PassingFault):
    """An answer that cannot be right: perhaps the next one is, and else it is a problem."""

    def __init__(self, problem: problems.Problem) -> None:
        super().__init__("an answer that cannot be right")
        self.problem = problem


class Client:
    """The App API of one workspace, for any number of threads at one common pace."""

    give_up_after = 900.0
    """Seconds of passing faults after which a request is given up."""

    longest_delay = 60.0
    """Seconds between two tries at most."""

    odd_answers = 4
    """Answers that cannot be right after which a request is given up."""

    empty_pages = 1000
    """Pages without rows, one after the other, after which a list is given up."""

    clocks_differ = 60
    """Seconds by which the clocks of the API's machines may differ."""

    budget_patience = 120.0
    """Seconds for which whatever keeps a shared budget may be away."""

    def __init__(
        self, settings: Settings, auth: AuthBase | None = None, pace: Pace | None = None
    ) -> None:
        """Remember the settings; nothing is sent yet."""
        self.pace = pace or self._shared_pace(settings)
        self._settings = settings
        self._transport = Transport(settings, self.pace, auth or Bearer(settings.app_api_key))
        self._base = settings.api_url or HOSTS.get(settings.region)
        self._present: int | None = None
        self._now = 0
        self._listings: dict[str, Future[list[Any]]] = {}
        self._shared: dict[type, object] = {}
        self._lock = threading.RLock()
        self._mine = threading.local()
        self._closed = threading.Event()
        self.requests: Counter[str] = Counter()

    def _shared_pace(self, settings: Settings) -> Pace:
        patience = min(self.budget_patience, self.give_up_after)
        return Pace(settings.requests_per_second, budget_of(settings, patience))

    @contextmanager
    def acting(self, stream: str, rank: tuple[int, ...]) -> Iterator[None]:
        """Book what this thread asks for on a stream, and let lower ranks go first."""
        self._mine.stream = stream
        with self.pace.rank(*rank):
            yield

    def close(self) -> None:
        """Ask no more: what waits to try again gives up."""
        self._closed.set()

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

    @property
    def now(self) -> int:
        """The API's clock at its latest answer, or a second or so before."""
        return max(self.present, self._now)

    def is_future(self, moment: int) -> bool:
        """Whether a moment is after the present, as far as that is known yet."""
        return self._present is not None and moment > self._present + self.clocks_differ

    def fetch(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        body: Any = None,
        expect: str | None = None,
    ) -> Answer:
        """Ask once, try again while faults pass, and read the answer as JSON.

        Raises:
            Problem: When it cannot be had, or has no member `expect`; `Gone` for a 404.
        """

        def read(answer: Answer) -> Answer:
            if expect is not None and expect not in answer.members:
                raise _OddAnswer(problems.missing_rows(answer.request, expect))
            return answer

        return self._ask(Question(method, path, params, body), read)

    def page(  # noqa: PLR0913 - what is asked, and what came before
        self,
        path: str,
        key: str,
        seen: set[object],
        *,
        method: str = "GET",
        params: dict[str, Any] | None = None,
        body: Any = None,
    ) -> tuple[Page, Answer]:
        """One page of a list, and the answer it came in; the rows are those under `key`.

        `seen` is what the list's earlier pages left there: no page and no page token may come
        twice, or the API has lost its place and rows would be missed.

        Raises:
            Problem: When it has no rows, or comes again and again.
        """

        def read(answer: Answer) -> tuple[Page, Answer]:
            place, token = answer.place_of(key), answer.get("next")
            if place is None:
                raise _OddAnswer(problems.missing_rows(answer.request, key))
            if not isinstance(token, str | None):
                raise _OddAnswer(problems.odd_member(answer.request, "next", "page token"))
            page = Page(answer, place, more=bool(token))
            fresh = ([] if page.empty else [page.mark()]) + ([token] if token else [])
            if not seen.isdisjoint(fresh):
                raise _OddAnswer(problems.cursor_loop(answer.request))
            seen.update(fresh)
            return page, answer

        return self._ask(Question(method, path, params, body), read)

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
            Problem: Also when pages or tokens come twice, or never end.
        """
        seen: set[object] = set()
        query, empty = dict(params or {}), 0
        while True:
            page, answer = self.page(path, key, seen, method=method, params=query, body=body)
            yield page
            if not page.more:
                return
            empty = empty + 1 if page.empty else 0
            if empty >= self.empty_pages:
                raise problems.cursor_loop(answer.request)
            query["start"] = answer.get("next")

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

    def _ask(self, question: Question, read: Callable[[Answer], T]) -> T:
        """Ask, and try again while faults pass or the answer cannot be read."""
        odd = count(1)
        retrying = backoff.on_exception(
            self._delays,
            PassingFault,
            max_time=self.give_up_after,
            giveup=lambda fault: isinstance(fault, _OddAnswer) and next(odd) >= self.odd_answers,
            jitter=None,
            logger=None,
            on_backoff=_log_delay(question.told),
        )
        try:
            found: T = retrying(self._attempt)(question, read)
        except _OddAnswer as fault:
            raise fault.problem from None
        except PassingFault as fault:
            raise problems.gave_up(question.told, str(fault), self.give_up_after) from None
        return found

    def _delays(self) -> Generator[float, Any, None]:
        """Seconds before each new try: what the API asked for, else doubling up to a minute."""
        fault = yield 0.0
        longest = 0.5
        while True:
            longest = min(2 * longest, self.longest_delay)
            fault = yield longest * random.uniform(0.5, 1) if fault.wait is None else fault.wait  # noqa: S311 - jitter

    def _attempt(self, question: Question, read: Callable[[Answer], T]) -> T:
        request = question.told
        if self._closed.is_set():
            raise problems.closed(request)
        reply = self._send(self._find_base(), question)
        if reply.passes:
            self._slow_down(reply, request)
        if not requests.codes.ok <= reply.status < requests.codes.multiple_choices:
            raise self._explain(reply, request)
        try:
            members = decode(reply.content)
        except RecursionError:
            raise _OddAnswer(problems.unreadable_answer(request)) from None
        except (TypeError, ValueError) as fault:
            raise PassingFault(str(fault)) from None
        return read(Answer(members, self._clock(reply), request))

    def _send(self, base: str, question: Question) -> Reply:
        """Send one request, booked on the stream that this thread acts for."""
        with self._lock:
            self.requests[getattr(self._mine, "stream", "")] += 1
        return self._transport.send(base, question)

    def _slow_down(self, reply: Reply, request: str) -> None:
        wait = reply.retry_after()
        if wait is not None and wait > self.give_up_after:
            raise problems.told_to_wait(request, wait)
        if reply.status == requests.codes.too_many_requests:
            self.pace.give_way(wait or 0.0)
            # The pace itself waits on behalf of everyone; without a hint this request backs off.
            wait = None if wait is None else 0.0
        raise PassingFault(f"status {reply.status}", wait)

    def _explain(self, reply: Reply, request: str) -> problems.Problem:
        status = reply.status
        if status == requests.codes.unauthorized:
            return self._explain_unauthorized()
        if status == requests.codes.forbidden:
            self._clock(reply)
            return problems.forbidden(request)
        if status == requests.codes.not_found:
            return problems.Gone(request)
        if status == requests.codes.proxy_authentication_required:
            return problems.proxy_login(self._where())
        if requests.codes.multiple_choices <= status < requests.codes.bad_request:
            return problems.redirected(request, status)
        is_filtered = self._settings.customers_filter and request == "POST /v1/customers"
        return problems.bad_filter(status) if is_filtered else problems.Refused(request, status)

    def _explain_unauthorized(self) -> problems.Problem:
        others = {} if self._settings.api_url else HOSTS
        for region, base in others.items():
            if base != self._base and self._accepts(base):
                return problems.other_region(self._settings.region, region)
        return problems.unauthorized(self._where())

    def _accepts(self, base: str) -> bool:
        try:
            return self._send(base, Question("GET", PROBE)).ok
        except (PassingFault, problems.Problem):
            return False

    def _find_base(self) -> str:
        """The base address; for region `auto`, the first that does not refuse the key."""
        if self._base is None:
            with self._lock:
                self._base = self._base or self._first_accepting()
        return self._base

    def _first_accepting(self) -> str:
        probe = Question("GET", PROBE)
        for base in HOSTS.values():
            reply = self._send(base, probe)
            if reply.passes:
                self._slow_down(reply, probe.told)
            if reply.status != requests.codes.unauthorized:
                return base
        raise problems.unauthorized(self._where())

    def _clock(self, reply: Reply) -> int:
        """Seconds of the answer's Date header; the first becomes the present of this run.

        Only answers of the API itself count, not what a proxy says in its place. A clock that goes
        back would let bookmarks pass what the API has not shown yet.
        """
        date = reply.date()
        if date is None:
            raise problems.no_date(self._where())
        with self._lock:
            if self._present is None:
                self._present = int(date)
            self._now = max(self._now, int(date))
        if date < self._present - self.clocks_differ:
            raise _OddAnswer(problems.clock_went_back(self._where()))
        return int(date)

    def _where(self) -> str:
        return self._base or " and ".join(HOSTS.values())


def _log_delay(request: str) -> Callable[[Mapping[str, Any]], None]:
    def log(details: Mapping[str, Any]) -> None:
        logger.warning(
            "%s: %s; trying again in %.1f s",
            request,
            details["exception"],
            details["wait"],
        )

    return log
