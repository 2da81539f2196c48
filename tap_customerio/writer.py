"""Singer messages to stdout, fast and whole."""

from __future__ import annotations

import atexit
import io
import sys
from contextlib import suppress
from typing import BinaryIO

import msgspec
from singer_sdk.contrib.msgspec import enc_hook
from singer_sdk.io_base import GenericSingerWriter, SingerMessageType
from singer_sdk.singerlib import Message


class BufferedWriter(GenericSingerWriter[bytes, Message]):
    """Buffers records and flushes at every other message, so that STATE is never held back.

    It owns its buffer: under PYTHONUNBUFFERED, sys.stdout.buffer is a raw file whose short writes
    tear lines.
    """

    buffer_bytes = 1 << 18

    def __init__(self) -> None:
        """Open nothing yet; stdout may still be redirected."""
        super().__init__()
        self._encode = msgspec.json.Encoder(enc_hook=enc_hook, decimal_format="number").encode
        self._stdout: object = None
        self._out: BinaryIO = io.BytesIO()

    def serialize_message(self, message: Message) -> bytes:
        """One line of JSON."""
        return self._encode(message.to_dict()) + b"\n"

    def write_message(self, message: Message) -> None:
        """Write one line, in one piece."""
        out = self._sink()
        out.write(self.serialize_message(message))
        if message.type is not SingerMessageType.RECORD:
            out.flush()

    def _sink(self) -> BinaryIO:
        if self._stdout is not sys.stdout:
            self._stdout = sys.stdout
            try:
                self._out = open(  # noqa: SIM115 - lives as long as the process
                    sys.stdout.fileno(), "wb", buffering=self.buffer_bytes, closefd=False
                )
                atexit.register(self._flush)
            except (OSError, io.UnsupportedOperation):
                self._out = sys.stdout.buffer
        return self._out

    def _flush(self) -> None:
        with suppress(BrokenPipeError):  # the target has gone, and that has been said
            self._out.flush()
