"""Runs commands in this process, so that tests can patch their environment."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

from harness import config_for

from tap_customerio.cli import command
from tap_customerio.settings import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox


class Screen(NamedTuple):
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Lines of standard output."""
        return self.out.splitlines()

    def words(self) -> str:
        """Standard output on one line, without wrapping."""
        return " ".join(self.out.split())


class Keyboard(io.StringIO):
    """A terminal with prepared input."""

    def isatty(self) -> bool:
        """Commands may ask for input."""
        return True

    def hidden(self, _prompt: str) -> str:
        """Input that is not echoed."""
        return self.readline().rstrip("\n")


def typed(
    *words: str,
    columns: int = 80,
    answers: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
) -> Screen:
    """Run `tap-customerio` with these arguments; restores logging afterwards.

    With answers, standard input is a terminal that sends them. `encoding` is that of the screen.
    """
    keys = Keyboard("".join(f"{answer}\n" for answer in answers))
    root, ours = logging.getLogger(), logging.getLogger(NAME)
    before = root.handlers[:], root.level, ours.level, sys.excepthook
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    shown = {"COLUMNS": str(columns), **(environment or {})}
    with (
        mock.patch.dict(os.environ, shown),
        mock.patch("sys.stdin", keys if answers else io.StringIO()),
        mock.patch("click.termui.hidden_prompt_func", keys.hidden),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            command().main(words, prog_name=NAME)
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            logging.captureWarnings(capture=False)
            root.handlers[:] = before[0]
            root.setLevel(before[1])
            ours.setLevel(before[2])
            sys.excepthook = before[3]
    for stream in (out, err):
        stream.seek(0)
    return Screen(code, out.read(), err.read())


def config_file(sandbox: Sandbox, folder: Path, **settings: Any) -> str:
    """A file for --config; settings that are None are omitted."""
    path = folder / "settings.json"
    config = {**config_for(sandbox), **settings}
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    return str(path)
