"""How long a failing request is tried again: that depends on whether the API answers others."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

from tap_customerio import errors
from tap_customerio.api.transport import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from tap_customerio.api.transport import RequestSpec
    from tap_customerio.errors import TapError

_HALVINGS = 6

logger = logging.getLogger("tap-customerio.client")


class InvalidResponseError(TransientError):
    """An answer that cannot be right: perhaps the next one is, and else it is a problem."""

    def __init__(self, problem: TapError) -> None:
        """Keep the problem that it becomes when it stays."""
        super().__init__("an invalid answer")
        self.problem = problem


class Health:
    """What all threads know of the API: when it last answered, and what was given up."""

    def __init__(self, probe: Callable[[str], bool]) -> None:
        """Take what asks for something else than a path, and says whether that is answered."""
        self._probe = probe
        self._probing = threading.Lock()
        self._answered = self._unanswered = -math.inf
        self.given_up: Counter[str] = Counter()
        """Requests given up while others were answered, by stream."""
        self.is_there = False
        """Whether anything has come from the server, if only an error."""

    @property
    def has_answered(self) -> bool:
        """Whether any request was answered as it should be."""
        return self._answered > -math.inf

    def answer(self) -> None:
        """Note that a request was answered as it should be."""
        self.is_there = True
        self._answered = time.monotonic()

    def answers_others(self, since: float, path: str) -> bool:
        """Whether any request was answered since then; if none was, the probe is asked."""
        with self._probing:
            if max(self._answered, self._unanswered) < since:
                if self._probe(path):
                    self.answer()
                else:
                    self._unanswered = time.monotonic()
            return self._answered >= since


class RetryingClient(Protocol):
    """A client as `Retrying` needs it: its limits, and what it knows of the API."""

    give_up_alone_after: float
    give_up_absent_after: float
    longest_delay: float
    odd_answers: int
    health: Health

    def explain_absent(self, reason: str, seconds: float) -> TapError:
        """What to say where no server answers as this API does."""


class Retrying:
    """How long to try one request again, and how long to wait before each new try.

    Times count from the first fault. That the API asks for fewer requests does not count at all:
    it says nothing about the request.
    """

    def __init__(self, client: RetryingClient, spec: RequestSpec, stream: str) -> None:
        """Begin; `stream` is what the request is for."""
        self._client, self._spec, self._stream = client, spec, stream
        self._since: float | None = None
        self._began = self._latest = self._before = time.monotonic()
        self._odd = 0

    def is_over(self, fault: TransientError) -> bool:
        """Whether to give up after this fault."""
        now = time.monotonic()
        self._before, self._latest = self._latest, now
        if isinstance(fault, InvalidResponseError):
            self._odd += 1
            return self._odd >= self._client.odd_answers
        if fault.throttled:
            self._since = None
            return False
        self._since = now if self._since is None else self._since
        if now + (fault.wait or 0) - self._since < self._bound(fault):
            return False
        if self._is_absent(fault) or self._is_alone(now if fault.wait else self._before):
            return True
        self._since = now  # nothing is answered, which says nothing about this request
        return False

    def explain(self, fault: TransientError) -> TapError:
        """What to say once it is over."""
        seconds, request = time.monotonic() - self._began, self._spec.safe_label
        if isinstance(fault, InvalidResponseError):
            return fault.problem
        if self._is_absent(fault):
            return self._client.explain_absent(str(fault), seconds)
        if not self._is_alone(self._before):
            return errors.api.gave_up(request, str(fault), seconds)
        self._client.health.given_up[self._stream] += bool(self._stream)
        return errors.RetriesExhaustedError(request, str(fault), seconds)

    def delays(self) -> Generator[float, Any, None]:
        """Seconds before each new try: what the API asked for, else doubling up to a minute."""
        fault = yield 0.0
        longest = 0.5
        while True:
            longest = min(2 * longest, self._client.longest_delay)
            delay = longest * random.uniform(0.5, 1)  # noqa: S311 - jitter
            if self._since is not None:
                delay = min(delay, max(0.0, self._since + self._bound(fault) - time.monotonic()))
            fault = yield delay if fault.wait is None else fault.wait

    def _is_absent(self, fault: TransientError) -> bool:
        """Whether there never was a server."""
        return fault.absent and not self._client.health.is_there

    def _is_alone(self, since: float) -> bool:
        """Whether the API has answered others since then."""
        return self._client.health.answers_others(since, self._spec.path)

    def _bound(self, fault: TransientError) -> float:
        """Seconds; the more a stream has given up, the less its next request is waited for."""
        if self._is_absent(fault):
            return self._client.give_up_absent_after
        given_up = self._client.health.given_up[self._stream]
        return float(self._client.give_up_alone_after / 2 ** min(given_up, _HALVINGS))


def log_delay(request: str) -> Callable[[Mapping[str, Any]], None]:
    """Says what is wrong with a request, and when it is tried again."""

    def log(details: Mapping[str, Any]) -> None:
        logger.warning(
            "%s: %s; trying again in %.1f s", request, details["exception"], details["wait"]
        )

    return log
