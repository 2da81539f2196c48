"""How long to retry a failing request, which depends on whether others succeed."""

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
    """An invalid response; the next attempt may return a valid one."""

    def __init__(self, error: TapError) -> None:
        """Store the error to raise when retries end."""
        super().__init__("an invalid response")
        self.error = error


class Health:
    """The state of the API, shared by all threads: its last success, and the requests given up."""

    def __init__(self, probe: Callable[[str], bool]) -> None:
        """Take a function that probes another path, and returns whether that succeeded."""
        self._probe = probe
        self._probing = threading.Lock()
        self._succeeded_at = self._probe_failed_at = -math.inf
        self.given_up: Counter[str] = Counter()
        """Requests given up while others succeeded, by stream."""
        self.has_responded = False
        """Whether the server has sent anything, even an error."""

    @property
    def has_succeeded(self) -> bool:
        """Whether any request has succeeded."""
        return self._succeeded_at > -math.inf

    def record_success(self) -> None:
        """Record a success."""
        self.has_responded = True
        self._succeeded_at = time.monotonic()

    def others_succeed(self, since: float, path: str) -> bool:
        """Whether any request has succeeded since a time; if none has, send the probe."""
        with self._probing:
            if max(self._succeeded_at, self._probe_failed_at) < since:
                if self._probe(path):
                    self.record_success()
                else:
                    self._probe_failed_at = time.monotonic()
            return self._succeeded_at >= since


class RetryingClient(Protocol):
    """The part of a client that `Retrying` uses: its limits, and the API's health."""

    give_up_alone_after: float
    give_up_absent_after: float
    longest_delay: float
    max_invalid_responses: int
    health: Health

    def explain_absent(self, reason: str, seconds: float) -> TapError:
        """The error if no server responds like this API."""


class Retrying:
    """How long to retry one request, and the delays between attempts.

    Times count from the first failure. Time spent throttled does not count, because a 429 says
    nothing about the request.
    """

    def __init__(self, client: RetryingClient, spec: RequestSpec, stream: str) -> None:
        """Start; `stream` is the stream that needs the request."""
        self._client, self._spec, self._stream = client, spec, stream
        self._since: float | None = None
        self._began = self._latest = self._before = time.monotonic()
        self._invalid_responses = 0

    def is_over(self, fault: TransientError) -> bool:
        """Whether to give up after this failure."""
        now = time.monotonic()
        self._before, self._latest = self._latest, now
        if isinstance(fault, InvalidResponseError):
            self._invalid_responses += 1
            return self._invalid_responses >= self._client.max_invalid_responses
        if fault.throttled:
            self._since = None
            return False
        self._since = now if self._since is None else self._since
        if now + (fault.wait or 0) - self._since < self._bound(fault):
            return False
        if self._is_absent(fault) or self._is_alone(now if fault.wait else self._before):
            return True
        self._since = now  # nothing succeeds, so the failure is not specific to this request
        return False

    def explain(self, fault: TransientError) -> TapError:
        """The error to raise after giving up."""
        seconds, request = time.monotonic() - self._began, self._spec.safe_label
        if isinstance(fault, InvalidResponseError):
            return fault.error
        if self._is_absent(fault):
            return self._client.explain_absent(str(fault), seconds)
        if not self._is_alone(self._before):
            return errors.api.gave_up(request, str(fault), seconds)
        self._client.health.given_up[self._stream] += bool(self._stream)
        return errors.RetriesExhaustedError(request, str(fault), seconds)

    def delays(self) -> Generator[float, Any, None]:
        """Seconds before each attempt: Retry-After, or else doubling up to a minute."""
        fault = yield 0.0
        longest = 0.5
        while True:
            longest = min(2 * longest, self._client.longest_delay)
            delay = longest * random.uniform(0.5, 1)  # noqa: S311 - jitter
            if self._since is not None:
                delay = min(delay, max(0.0, self._since + self._bound(fault) - time.monotonic()))
            fault = yield delay if fault.wait is None else fault.wait

    def _is_absent(self, fault: TransientError) -> bool:
        """Whether no server has ever responded."""
        return fault.absent and not self._client.health.has_responded

    def _is_alone(self, since: float) -> bool:
        """Whether the API has responded to others since the first failure."""
        return self._client.health.others_succeed(since, self._spec.path)

    def _bound(self, fault: TransientError) -> float:
        """Limit in seconds; shorter for a stream that has given up more requests."""
        if self._is_absent(fault):
            return self._client.give_up_absent_after
        given_up = self._client.health.given_up[self._stream]
        return float(self._client.give_up_alone_after / 2 ** min(given_up, _HALVINGS))


def log_delay(request: str) -> Callable[[Mapping[str, Any]], None]:
    """Return a callback that logs the failure and the time of the next attempt."""

    def log(details: Mapping[str, Any]) -> None:
        logger.warning(
            "%s: %s; trying again in %.1f s", request, details["exception"], details["wait"]
        )

    return log
