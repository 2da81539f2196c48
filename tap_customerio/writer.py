"""Singer messages to stdout, fast and whole, whatever the target does."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
import time
from typing import TYPE_CHECKING

import msgspec
from singer_sdk.contrib.msgspec import enc_hook
from singer_sdk.io_base import GenericSingerWriter, SingerMessageType
from singer_sdk.singerlib import Message

from tap_customerio import problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


class BufferedWriter(GenericSingerWriter[bytes, Message]):
    """Buffers records, and writes at every other message, so that STATE is never held back.

    It writes to the file descriptor itself: under PYTHONUNBUFFERED, sys.stdout.buffer is a raw file
    whose short writes tear lines. Into a pipe it only writes what fits without waiting, so that
    `watch` is heard while the target is slow or blocked, and a stopped run leaves whole lines.
    """

    buffer_bytes = 1 << 18
    piece_bytes = 4096
    """PIPE_BUF of Linux: as much is written to a pipe at once or not at all."""
    grace = 3.0
    """Seconds that a stopped run waits for the target to take the state of what is finished."""

    def __init__(self) -> None:
        """Open nothing yet; stdout may still be redirected."""
        super().__init__()
        self.watch: Callable[[], None] = lambda: None
        self._encode = msgspec.json.Encoder(enc_hook=enc_hook, decimal_format="number").encode
        self._stdout: object = self
        self._write: Callable[[bytes], object] = lambda _: None
        self._poll: Callable[[int], Sequence[tuple[int, int]]] | None = None
        self._lines: list[bytes] = []
        self._bytes = 0

    def serialize_message(self, message: Message) -> bytes:
        """One line of JSON."""
        return self._encode(message.to_dict()) + b"\n"

    def write_message(self, message: Message) -> None:
        """Write one line, in one piece, sooner or later.

        Raises:
            Problem: When nobody reads any more, or there is no room.
            SystemExit: From `watch`, when the run is to stop.
        """
        line = self.serialize_message(message)
        self._lines.append(line)
        self._bytes += len(line)
        if message.type is not SingerMessageType.RECORD:
            self._flush(patience=self.grace)
        elif self._bytes >= self.buffer_bytes:
            self._flush(patience=0)

    def check(self) -> None:
        """Find out whether the target is still there.

        Raises:
            Problem: When it is not.
        """
        if self._poll is not None and any(event & select.POLLERR for _, event in self._poll(0)):
            raise problems.target_gone()

    def _flush(self, patience: float) -> None:
        """Write all that waits; it is dropped if it cannot be, since no state speaks of it."""
        lines, self._lines, self._bytes = self._lines, [], 0
        try:
            self._open()
            if self._poll is None:
                self._write(b"".join(lines))
                return
            for piece in _pieces(lines, self.piece_bytes):
                self._wait_for_room(self._poll, patience)
                self._write(piece)
        except BrokenPipeError:
            raise problems.target_gone() from None
        except OSError as error:
            raise problems.cannot_write(error.strerror) from None

    def _wait_for_room(self, poll: Callable[[int], object], patience: float) -> None:
        deadline: float | None = None
        while not poll(100):
            if deadline is None:
                deadline = self._watch(patience)
            elif time.monotonic() > deadline:
                self.watch()

    def _watch(self, patience: float) -> float | None:
        """None as long as the run goes on; once it is to stop, how long to wait at most."""
        try:
            self.watch()
        except SystemExit:
            if not patience:
                raise
            return time.monotonic() + patience
        return None

    def _open(self) -> None:
        """Look at what stdout is, each time it has been replaced."""
        if self._stdout is sys.stdout:
            return
        self._stdout, self._poll = sys.stdout, None
        if sys.stdout is None:
            raise problems.cannot_write("it is closed")
        try:
            number = sys.stdout.fileno()
        except io.UnsupportedOperation:
            self._write = sys.stdout.buffer.write
            return
        self._write = lambda data: _write_all(number, data)
        if stat.S_ISFIFO(os.fstat(number).st_mode) and hasattr(select, "poll"):
            pipe = select.poll()
            pipe.register(number, select.POLLOUT)
            self._poll = pipe.poll


def _pieces(lines: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Whole lines together up to a size; longer lines in pieces."""
    piece = b""
    for line in lines:
        if piece and len(piece) + len(line) > size:
            yield piece
            piece = b""
        for start in range(0, len(line) - size, size):
            yield line[start : start + size]
        piece += line if len(line) <= size else line[-(len(line) % size or size) :]
    if piece:
        yield piece


def _write_all(number: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(number, rest) :]
