"""Writes Singer messages to stdout: fast, in whole lines, and without blocking."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
import time
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import msgspec
from singer_sdk.contrib.msgspec import enc_hook
from singer_sdk.io_base import GenericSingerWriter, SingerMessageType
from singer_sdk.singerlib import Message

from tap_customerio import errors

with suppress(ImportError):  # Windows
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from singer_sdk.helpers.types import Record


class BufferedWriter(GenericSingerWriter[bytes, Message]):
    """Buffers records, and writes at every other message, so that STATE is never delayed.

    It writes to the file descriptor: under PYTHONUNBUFFERED, sys.stdout.buffer is a raw file
    whose short writes break lines. Into a pipe it writes only what fits without blocking, so that
    `watch` runs while the target is slow. A stopped run ends after a whole line.
    """

    buffer_bytes = 1 << 18
    encoded_together = 50
    """Records per encoding, which saves a third of the time."""
    chunk_bytes = 4096
    """PIPE_BUF of Linux: a write of this size to a pipe is atomic."""
    grace = 3.0
    """Seconds that a stopped run waits for the target to read the final state and the rest of a
    line, which must not be truncated."""

    def __init__(self) -> None:
        """Open nothing yet; stdout may still be redirected."""
        super().__init__()
        self.watch: Callable[[], None] = lambda: None
        encoder = msgspec.json.Encoder(enc_hook=enc_hook, decimal_format="number")
        self._encode = encoder.encode
        self._stdout: object = self
        self._write: Callable[[bytes], object] = lambda _: None
        self._number = -1
        self._poll: Callable[[int], Sequence[tuple[int, int]]] | None = None
        self._stop: SystemExit | None = None
        self._deadline = 0.0
        self._encode_lines = encoder.encode_lines
        self._records: list[Record] = []
        self._head: tuple[str, int | None] = "", None
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._blocked = 0.0
        self._blocked_since: float | None = None
        self._now = ""  # time of the first buffered record

    def serialize_message(self, message: Message) -> bytes:
        """Encode one line of JSON."""
        return self._encode(message.to_dict()) + b"\n"

    def write_message(self, message: Message) -> None:
        """Write or buffer one whole line.

        Raises:
            TapError: Nothing reads stdout any more, or the disk is full.
            SystemExit: From `watch`, when the run has to stop.
        """
        self._encode_records()
        self._append(self.serialize_message(message))
        if message.type is not SingerMessageType.RECORD:
            self._flush(is_urgent=True)

    def write_record(self, stream: str, record: Record, version: int | None) -> None:
        """Write the line of a RecordMessage with the present time, at a third of its cost.

        Raises:
            TapError: See `write_message`.
            SystemExit: See `write_message`.
        """
        if (stream, version) != self._head:
            self._encode_records()
            self._head = stream, version
        self._now = self._now or datetime.now(timezone.utc).isoformat()
        self._records.append(record)
        if len(self._records) >= self.encoded_together:
            self._encode_records()

    def _encode_records(self) -> None:
        """Encode the records alone, and put the rest of their messages around each line."""
        records, self._records = self._records, []
        if not records:
            return
        stream, version = self._head
        start = b'{"type":"RECORD","stream":%b,"record":' % self._encode(stream)
        number = b"" if version is None else b',"version":%d' % version
        end = b'%b,"time_extracted":"%b"}\n' % (number, self._now.encode())
        lines = self._encode_lines(records)[:-1].replace(b"\n", end + start)
        self._append(start + lines + end)

    def _append(self, lines: bytes) -> None:
        self._waiting.append(lines)
        self._bytes += len(lines)
        if self._bytes >= self.buffer_bytes:
            self._flush(is_urgent=False)

    def blocked(self) -> float:
        """Seconds spent waiting for the target so far; callable from any thread."""
        since = self._blocked_since
        return self._blocked + (0.0 if since is None else time.monotonic() - since)

    def check(self) -> None:
        """Check that the target still reads.

        Raises:
            TapError: The target has gone.
        """
        if self._poll is not None and any(event & select.POLLERR for _, event in self._poll(0)):
            raise errors.sync.target_gone()

    def _flush(self, *, is_urgent: bool) -> None:
        """Write the buffer; a stopped run drops it unless urgent, since no state covers it."""
        data = b"".join(self._waiting)
        self._waiting, self._bytes, self._now = [], 0, ""
        try:
            self._open()
            if self._poll is None:
                self._write(data)
                return
            for chunk, begun in _chunks(data, self.chunk_bytes):
                self._wait_for_space(self._poll, begun, is_urgent=is_urgent)
                self._write(chunk)
        except BrokenPipeError:
            raise errors.sync.target_gone() from None
        except OSError as error:
            raise errors.sync.cannot_write(error.strerror) from None

    def _wait_for_space(
        self, poll: Callable[[int], object], begun: int, *, is_urgent: bool
    ) -> None:
        """Wait until a chunk fits; `begun` is the number of bytes missing from a partial line."""
        if poll(0):
            return
        self._blocked_since = time.monotonic()
        try:
            while not poll(100):
                stop = self._stopped()
                if stop is None or (begun and _grow(self._number, begun)):
                    continue
                if not (begun or is_urgent) or time.monotonic() > self._deadline:
                    raise stop
        finally:
            self._blocked, self._blocked_since = self.blocked(), None

    def _stopped(self) -> SystemExit | None:
        """The exit of a run that has to stop; None otherwise."""
        if self._stop is None:
            try:
                self.watch()
            except SystemExit as stop:
                self._stop, self._deadline = stop, time.monotonic() + self.grace
        return self._stop

    def _open(self) -> None:
        """Inspect stdout whenever it has been replaced."""
        if self._stdout is sys.stdout:
            return
        self._stdout, self._poll = sys.stdout, None
        if sys.stdout is None:
            raise errors.sync.cannot_write("it is closed")
        try:
            number = sys.stdout.fileno()
        except io.UnsupportedOperation:
            self._write = sys.stdout.buffer.write
            return
        self._number, self._write = number, lambda data: _write_all(number, data)
        if stat.S_ISFIFO(os.fstat(number).st_mode) and hasattr(select, "poll"):
            pipe = select.poll()
            pipe.register(number, select.POLLOUT)
            self._poll = pipe.poll


def _chunks(lines: bytes, size: int) -> Iterator[tuple[bytes, int]]:
    """Group whole lines up to a size; split longer lines.

    Each chunk comes with the number of bytes, in it and later chunks, that end a partial line.
    """
    start, is_begun = 0, False
    while start < len(lines):
        begun = lines.index(b"\n", start) + 1 - start if is_begun else 0
        end = lines.rfind(b"\n", start, start + size) + 1
        is_begun = not end
        end = end or start + size
        yield lines[start:end], begun
        start = end


def _grow(number: int, missing: int) -> bool:
    """Try to enlarge a full pipe by this many bytes; Linux only, up to the user's limit."""
    try:
        size = fcntl.fcntl(number, fcntl.F_GETPIPE_SZ) + missing
        fcntl.fcntl(number, fcntl.F_SETPIPE_SZ, size)
    except (NameError, AttributeError, OSError):
        return False
    return True


def _write_all(number: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(number, rest) :]
