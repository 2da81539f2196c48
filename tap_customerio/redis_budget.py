"""A budget shared by processes of any number of machines, kept by Redis on its own clock."""

from __future__ import annotations

import logging
import ssl
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import backoff
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tap_customerio import problems
from tap_customerio.budget import CALM, FORM, Budget, Course

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.commands.core import Script

_LASTING = (
    redis.AuthenticationError,
    redis.exceptions.AuthorizationError,
    redis.exceptions.NoPermissionError,
)

# What Course does, in one go on the server, so that no two processes get the same turn.
_LOAD = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local seen, last, resume, slowed, ceiling = now, -math.huge, -math.huge, -math.huge, math.huge
local kept = redis.call('GET', KEYS[1])
if kept then
  seen, last, resume, slowed, ceiling = struct.unpack('<ddddd', kept)
end
local back = math.max(0, seen - now)
last, resume, slowed = last - back, resume - back, slowed - back
"""
_STORE = """
local course = struct.pack('<ddddd', now, last, resume, slowed, ceiling)
redis.call('SET', KEYS[1], course, 'EX', 86400)
return course
"""
_TURN = f"""{_LOAD}
local space, lead, unused = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local earliest = last + space
if last == unused then
  earliest = now
end
last = math.max(now + lead, earliest, resume)
{_STORE}"""
_SLOW = f"""{_LOAD}
local rate, seconds, calm = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if now > resume and now - slowed > calm then
  slowed, ceiling = now, rate
end
resume = math.max(resume, now + seconds)
{_STORE}"""

logger = logging.getLogger("tap-customerio.budget")


class RedisBudget(Budget):
    """Turns are given as asked for, by process, so that the near do not starve the far."""

    timeout = 5.0
    """Seconds without an answer after which it is asked again."""

    def __init__(self, url: str, name: str, patience: float) -> None:
        """Connect later; `patience` is in seconds, for which it may be away.

        Raises:
            Problem: When the URL is none that Redis understands.
        """
        super().__init__()
        parts = urlsplit(url)
        self._place = f"{parts.scheme}://{parts.hostname}:{parts.port or 6379}"
        try:
            server = redis.Redis.from_url(
                url,
                socket_timeout=self.timeout,
                socket_connect_timeout=self.timeout,
                retry=Retry(NoBackoff(), 0),
            )
        except (ValueError, TypeError):
            raise problems.odd_redis(self._place) from None
        self._keys = [name]
        self._turn, self._slow = server.register_script(_TURN), server.register_script(_SLOW)
        self._patience = patience
        self._ahead = 0.0
        self.lead = 0.0
        """Seconds that an answer takes to arrive, so that it comes before the turn it tells of."""

    def now(self) -> float:
        """The server's time, as far as its answers told."""
        return time.monotonic() + self._ahead

    def turn(self, space: float, *, unused: bool) -> float:
        """As any budget; the turn lies so far ahead that the answer comes before it."""
        before = repr(self._given) if unused else "nan"
        self._ask(self._turn, repr(space), repr(self.lead), before)
        self._given = self.course.last
        return self._given - self._ahead

    def slow(self, rate: float, seconds: float) -> None:
        """As any budget."""
        self._ask(self._slow, repr(rate), repr(seconds), repr(CALM))

    def _ask(self, script: Script, *words: str) -> None:
        """Run a script, and go by the server's clock halfway between question and answer."""
        retrying = backoff.on_exception(
            backoff.expo,
            redis.RedisError,
            base=2,
            factor=0.25,
            max_value=10,
            max_time=self._patience,
            giveup=_lasts,
            logger=None,
            on_backoff=self._log,
        )
        try:
            asked, kept, answered = retrying(self._run)(script, words)
        except redis.RedisError as error:
            raise problems.no_redis(self._place, _reason(error), self._patience) from None
        self.course = Course(*FORM.unpack(kept))
        self._ahead = self.course.seen - (asked + answered) / 2
        self.lead = (self.lead + (answered - asked) / 2) / 2

    def _run(self, script: Script, words: tuple[str, ...]) -> tuple[float, bytes, float]:
        asked = time.monotonic()
        kept: bytes = script(keys=self._keys, args=words)
        return asked, kept, time.monotonic()

    def _log(self, details: Mapping[str, Any]) -> None:
        reason, wait = _reason(details["exception"]), details["wait"]
        logger.warning("%s: %s; trying again in %.1f s", self._place, reason, wait)


def _reason(error: BaseException) -> str:
    """The kind of error; its text could hold more than a log should."""
    return type(error).__name__


def _lasts(error: Exception) -> bool:
    """Whether trying again would not change it."""
    causes = (error, error.__cause__, error.__context__)
    return any(isinstance(cause, (*_LASTING, ssl.SSLCertVerificationError)) for cause in causes)
