"""Output of commands: tables that fit any terminal, file or pipe."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDE = 160
"""Width of files and pipes, unless COLUMNS is set."""

_MARKS = {"+": "n+: at least n.", "?": "?: not known before it is read."}

_TIME = re.compile(r"\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\dZ")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_BETWEEN = 3


def make_console() -> Console:
    """Standard output, with the colours, width and characters that it supports."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if known else WIDE, highlight=False, markup=False, emoji=False)


def table(*headings: str, **options: Any) -> Table:
    """A table with one line below its headings; headings that begin with ">" align right."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left", **options)
    for heading in headings:
        name = heading.removeprefix(">")
        made.add_column(name, justify="left" if name == heading else "right")
    return made


def print_marked(console: Console, shown: Table) -> None:
    """Print a table, and what the marks of `at_least` in it mean."""
    console.print(shown)
    last = {str(cell)[-1:] for column in shown.columns for cell in column.cells}
    if marks := [meaning for mark, meaning in _MARKS.items() if mark in last]:
        console.print(" ".join(marks), style="dim")


def one_line(value: Any) -> str:
    """A value of a record on one line: null is empty, times are to the minute.

    Characters that control a terminal, which anyone may write into a name, are replaced.
    """
    if value is None or value in ([], {}):
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _CONTROL.sub("\ufffd", " ".join(_TIME.sub(r"\1 \2", text).split()))


def fitting(columns: Sequence[tuple[str, Sequence[str]]], width: int, widest: int) -> int:
    """The number of columns that fit, at least one; each is a heading and its cells."""
    for count, (heading, cells) in enumerate(columns):
        width -= min(widest, max(len(heading), *map(len, cells), 0)) + _BETWEEN
        if width < 0:
            return max(1, count)
    return len(columns)
