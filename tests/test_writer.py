"""The content of a pipe after a stopped run."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.singerlib import RecordMessage

from tap_customerio.sync import writer
from tap_customerio.sync.writer import BufferedWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

LONG = RecordMessage(stream="a", record={"text": "x" * 300_000})


@contextmanager
def stdout_is_a_pipe() -> Iterator[IO[bytes]]:
    outlet, inlet = os.pipe()
    reader, stdout = os.fdopen(outlet, "rb"), os.fdopen(inlet, "w")
    with reader, stdout, redirect_stdout(stdout):
        yield reader


def stopping() -> None:
    raise SystemExit(143)


def test_a_small_pipe_gets_the_rest_of_a_line_from_a_slow_target(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer, "_grow", lambda *_: False)
    monkeypatch.setattr(BufferedWriter, "grace", 600.0)
    stopped, found = threading.Event(), list[bytes]()
    under_test = BufferedWriter()
    expected = under_test.serialize_message(LONG)

    def watch() -> None:
        stopped.set()
        stopping()

    under_test.watch = watch
    with stdout_is_a_pipe() as reader:

        def read() -> None:
            assert stopped.wait(60)
            found.append(reader.read(len(expected)))

        thread = threading.Thread(target=read)
        thread.start()
        under_test.write_message(LONG)
        thread.join()
    assert found == [expected]


def test_a_small_pipe_does_not_delay_a_stopped_run_beyond_the_grace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer, "_grow", lambda *_: False)
    monkeypatch.setattr(BufferedWriter, "grace", 0.2)
    under_test = BufferedWriter()
    under_test.watch = stopping
    with stdout_is_a_pipe(), pytest.raises(SystemExit, match="143"):
        under_test.write_message(LONG)


@pytest.mark.slow
@given(st.lists(st.integers(1, 30).map(lambda size: b"x" * (size - 1) + b"\n")))
def test_slices_of_a_started_line_give_its_missing_part(lines: list[bytes]) -> None:
    chunks = list(writer._chunks(b"".join(lines), 8))  # noqa: SLF001 - arithmetic that no front door shows
    assert b"".join(chunk for chunk, _ in chunks) == b"".join(lines)
    assert all(len(chunk) <= 8 for chunk, _ in chunks)
    written = b""
    for chunk, missing in chunks:
        begun = written.rpartition(b"\n")[2]
        rest = b"".join(lines)[len(written) :]
        assert missing == (len(rest.partition(b"\n")[0]) + 1 if begun else 0)
        written += chunk
