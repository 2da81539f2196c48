"""Turns to send a request, a space apart: of this process, or shared by all that use the key."""

from __future__ import annotations

import hashlib
import os
import struct
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from tap_customerio import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_customerio.settings import Settings

BURST_WINDOW = 1.0
"""Seconds after a slowing down in which another 429 belongs to the same wave."""


class LimiterState(NamedTuple):
    """What all who share a budget go by, in seconds of one clock.

    The clock showed `seen` when this was last changed. The last turn given is at `last`, and there
    is none before `resume`. The last wave of 429s came at `slowed`, at `ceiling` requests a second.
    """

    seen: float = 0.0
    last: float = float("-inf")
    resume: float = float("-inf")
    slowed: float = float("-inf")
    ceiling: float = float("inf")

    def at(self, now: float) -> LimiterState:
        """The same by a clock that shows `now`: if that went back, all of it went back."""
        back = max(0.0, self.seen - now)
        return LimiterState(
            now, self.last - back, self.resume - back, self.slowed - back, self.ceiling
        )

    def turn(self, space: float, unused: float | None) -> LimiterState:
        """Give the next turn; the last one does not count if it is `unused`."""
        earliest = self.seen if self.last == unused else self.last + space
        return self._replace(last=max(self.seen, earliest, self.resume))

    def slow(self, rate: float, seconds: float) -> LimiterState:
        """Give no turn for that long; the first 429 of a wave came at `rate`."""
        first = self.seen > self.resume and self.seen - self.slowed > BURST_WINDOW
        course = self._replace(slowed=self.seen, ceiling=rate) if first else self
        return course._replace(resume=max(self.resume, self.seen + seconds))


FORM = struct.Struct(f"<{len(LimiterState._fields)}d")
"""How a course is kept."""


class Budget:
    """The budget of one process. Not safe for threads: its pace sees to that."""

    def __init__(self) -> None:
        """Nobody has had a turn."""
        self.course = LimiterState()
        self._given: float | None = None

    def now(self) -> float:
        """The time by the clock of `course`."""
        return time.monotonic()

    def turn(self, space: float, *, unused: bool) -> float:
        """When the next request may be sent, by `time.monotonic`; `unused`: the last one was not.

        Raises:
            TapError: When those who share the budget cannot be asked.
        """
        with self._held():
            self.course = self.course.at(self.now()).turn(space, self._given if unused else None)
        self._given = self.course.last
        return self._given

    def slow(self, rate: float, seconds: float) -> None:
        """Send nothing for that long, and then less than `rate` requests a second.

        Raises:
            TapError: When those who share the budget cannot be told.
        """
        with self._held():
            self.course = self.course.at(self.now()).slow(rate, seconds)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Keep others from changing the course meanwhile."""
        yield


class FileBudget(Budget):
    """Shared by the processes of one host, by way of a file that one of them locks at a time."""

    def __init__(self, path: Path) -> None:
        """Nothing is written yet."""
        super().__init__()
        self._path = path

    @contextmanager
    def _held(self) -> Iterator[None]:
        import fcntl  # noqa: PLC0415 - there is none on Windows

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                kept = os.pread(file, FORM.size, 0)
                self.course = LimiterState(*FORM.unpack(kept)) if kept else LimiterState()
                yield
                os.pwrite(file, FORM.pack(*self.course), 0)
            finally:
                os.close(file)
        except (OSError, struct.error) as error:
            reason = getattr(error, "strerror", None) or "it is something else"
            raise errors.ratelimit.no_file_budget(str(self._path), reason) from None


def budget_of(settings: Settings, patience: float) -> Budget:
    """The budget of a workspace's App API key; its name elsewhere is a hash of the key.

    Raises:
        TapError: When `rate_limit_url` cannot be used here.
    """
    if not settings.rate_limit_url:
        return Budget()
    name = hashlib.blake2b(settings.app_api_key.encode(), digest_size=16).hexdigest()
    url = urlsplit(settings.rate_limit_url)
    if url.scheme == "file":
        path = Path(unquote(url.path)) / name
        if os.name == "nt":
            raise errors.ratelimit.no_file_budget(str(path), "not on Windows")
        return FileBudget(path)
    try:
        from tap_customerio.ratelimit.redis_budget import RedisBudget  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError:
        raise errors.ratelimit.missing_redis() from None
    return RedisBudget(settings.rate_limit_url, f"tap-customerio:{name}", patience)
