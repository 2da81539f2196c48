"""A budget shared by processes on any number of machines, in Redis and by its clock."""

from __future__ import annotations

import logging
import ssl
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import backoff
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tap_customerio import errors
from tap_customerio.ratelimit.budget import (
    BURST_WINDOW,
    MAX_SLOTS,
    SLOT,
    Budget,
    LimiterState,
    Slot,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

    from redis.commands.core import Script

_PERMANENT = (
    redis.AuthenticationError,
    redis.exceptions.AuthorizationError,
    redis.exceptions.NoPermissionError,
    FileNotFoundError,  # a certificate is missing
    ssl.SSLCertVerificationError,
)

_OPTIONS = frozenset(
    {
        *("client_name", "db", "health_check_interval", "password", "protocol", "username"),
        *("socket_connect_timeout", "socket_keepalive", "socket_timeout"),
        *("ssl_ca_certs", "ssl_ca_data", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile"),
        *("ssl_check_hostname", "ssl_ciphers", "ssl_keyfile", "ssl_min_version", "ssl_password"),
    }
)
"""Connection options that a URL may contain."""

_UNUSED = frozenset({"decode_responses", "encoding", "encoding_errors"})
"""URL options that only concern other programs; they are ignored."""

# The steps of LimiterState, atomic on the server, so that no two processes get the same slot.
_LOAD = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local seen, last, resume, slowed, ceiling = now, -math.huge, -math.huge, -math.huge, math.huge
local stored = redis.call('GET', KEYS[1]) or ''
if stored ~= '' then
  seen, last, resume, slowed, ceiling = struct.unpack('<ddddd', stored)
end
local back = math.max(0, seen - now)
last, resume, slowed = last - back, resume - back, slowed - back
local slots = {}
for place = 41, #stored, 8 do
  table.insert(slots, (struct.unpack('<d', stored, place)) - back)
end
local slot = now
local following = math.huge
local function remove(missed)
  for place, other in ipairs(slots) do
    if other == missed then
      following = #slots - place
      return table.remove(slots, place)
    end
  end
end
local function book()
  table.insert(slots, slot)
  table.sort(slots)
end
"""
_STORE = f"""
while #slots > {MAX_SLOTS} do
  table.remove(slots, 1)
end
local state = struct.pack('<ddddd', now, last, resume, slowed, ceiling)
for _, each in ipairs(slots) do
  state = state .. struct.pack('<d', each)
end
redis.call('SET', KEYS[1], state, 'EX', 86400)
return {{struct.pack('<d', slot), state}}
"""
_SLOT = f"""{_LOAD}
local interval, count = tonumber(ARGV[1]), tonumber(ARGV[2])
local lead, missed = tonumber(ARGV[3]), tonumber(ARGV[4])
slot = now + lead
if remove(missed) and following < count and now >= resume then
  slot = math.max(slot, missed)
else
  last = math.max(slot, last + interval, resume)
  slot = last
  if #slots > 0 then
    slot = math.max(slot, slots[#slots] + interval / 2)
  end
  if #slots >= count then
    slot = math.max(slot, slots[#slots + 1 - count] + count * interval)
  end
end
book()
{_STORE}"""
_CORRECT = f"""{_LOAD}
remove(tonumber(ARGV[1]))
slot = tonumber(ARGV[2])
book()
{_STORE}"""
_SLOW = f"""{_LOAD}
local rate, seconds, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if now > resume and now - slowed > burst then
  slowed, ceiling = now, rate
end
resume = math.max(resume, now + seconds)
{_STORE}"""

logger = logging.getLogger("tap-customerio.budget")


class RedisBudget(Budget):
    """Takes slots ahead by its latency, so that nearby processes do not starve distant ones."""

    timeout = 5.0
    """Seconds without a reply until a retry."""

    def __init__(self, url: str, name: str, patience: float) -> None:
        """Connect later; `patience` is the number of seconds to retry a lost connection.

        Raises:
            TapError: The URL is not a valid Redis URL.
        """
        super().__init__()
        parts = urlsplit(url)
        self._place = f"{parts.scheme}://{parts.hostname}:{parts.port or 6379}"
        server = _client(url, self._place, self.timeout)
        self._keys = [name]
        self._slot, self._correct, self._slow = map(
            server.register_script, (_SLOT, _CORRECT, _SLOW)
        )
        self._patience = patience
        self._ahead = 0.0
        self.lead = 0.0
        """Seconds that a response takes, so that it arrives before its slot."""

    def now(self) -> float:
        """The server's time, as of its latest reply."""
        return time.monotonic() + self._ahead

    def slot(self, interval: float, count: int, missed: Slot | None = None) -> Slot:
        """See `Budget`; the slot is far enough ahead for the reply to arrive before it."""
        key = "nan" if missed is None else repr(missed.key)
        slot = self._call(self._slot, repr(interval), str(count), repr(self.lead), key)
        return Slot(slot - self._ahead, slot)

    def correct(self, slot: Slot, left: float) -> None:
        """See `Budget`."""
        self._call(self._correct, repr(slot.key), repr(slot.key + left - slot.due))

    def slow(self, rate: float, seconds: float) -> None:
        """See `Budget`."""
        self._call(self._slow, repr(rate), repr(seconds), repr(BURST_WINDOW))

    def _call(self, script: Script, *words: str) -> float:
        """The slot that a script returns; its server time counts as the middle of the call."""
        retrying = backoff.on_exception(
            backoff.expo,
            redis.RedisError,
            base=2,
            factor=0.25,
            max_value=10,
            max_time=self._patience,
            giveup=_is_permanent,
            logger=None,
            on_backoff=self._log,
        )
        try:
            sent, (slot, packed), received = retrying(self._run)(script, words)
        except redis.RedisError as error:
            raise errors.ratelimit.no_redis(self._place, _reason(error), self._patience) from None
        self.state = LimiterState.unpack(packed)
        self._ahead = self.state.seen - (sent + received) / 2
        self.lead = (self.lead + (received - sent) / 2) / 2
        return float(SLOT.unpack(slot)[0])

    def _run(self, script: Script, words: tuple[str, ...]) -> tuple[float, list[bytes], float]:
        sent = time.monotonic()
        found: list[bytes] = script(keys=self._keys, args=words)
        return sent, found, time.monotonic()

    def _log(self, details: Mapping[str, Any]) -> None:
        reason, wait = _reason(details["exception"]), details["wait"]
        logger.warning("%s: %s; trying again in %.1f s", self._place, reason, wait)


def _client(url: str, place: str, timeout: float) -> redis.Redis:
    """A client with the options of the URL, each checked before the first connection."""
    parts = urlsplit(url)
    if parts.path.strip("/") and not parts.path.strip("/").isdecimal():
        raise errors.ratelimit.invalid_redis_url(place)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if "ssl_cert_reqs" in options:  # may be spelled as for Celery
        options["ssl_cert_reqs"] = options["ssl_cert_reqs"].lower().removeprefix("cert_")
        if options["ssl_cert_reqs"] == "none":  # versions of the client differ on it
            options["ssl_check_hostname"] = "false"
    options = {name: value for name, value in options.items() if name not in _UNUSED}
    for name, value in options.items():
        if name not in _OPTIONS or not _fits(parts, name, value, timeout):
            raise errors.ratelimit.invalid_redis_url(place, name if name.isidentifier() else None)
    return _connect_later(parts, options, timeout)


def _fits(parts: SplitResult, name: str, value: str, timeout: float) -> bool:
    try:
        _connect_later(parts, {name: value}, timeout).connection_pool.make_connection()
    except (ValueError, TypeError, redis.RedisError):
        return False
    return True


def _connect_later(parts: SplitResult, options: Mapping[str, str], timeout: float) -> redis.Redis:
    return redis.Redis.from_url(
        parts._replace(query=urlencode(options)).geturl(),
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
    )


def _reason(error: BaseException) -> str:
    """The type of the error; its text may contain secrets."""
    return type(error).__name__


def _is_permanent(error: Exception) -> bool:
    """Whether the error is permanent, so that a retry would not help."""
    causes = (error, error.__cause__, error.__context__)
    return any(isinstance(cause, _PERMANENT) for cause in causes)
