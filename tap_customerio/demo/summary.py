"""The summary at the end of the demo."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from rich.table import Table
from rich.text import Text

from tap_customerio.console import table
from tap_customerio.demo.load import SCHEMA
from tap_customerio.report.texts import count, rate

if TYPE_CHECKING:
    from rich.console import Console

    from tap_customerio.warehouse import Warehouse

_LARGEST = 10
_FIGURES = """
    select
        (select count(*) from {schema}.customerio__people where has_profile),
        count(case when created_at >= current_date - 30 then sent_at end),
        count(case when channel = 'email' then sent_at end),
        count(case when channel = 'email' then first_open_at end)
    from {schema}.customerio__deliveries
    where not is_draft
"""


class Summary(NamedTuple):
    """The contents of the database."""

    rows: dict[str, int]
    figures: dict[str, str]


def url_of(database: Path) -> str:
    """The value for --warehouse."""
    return f"duckdb:///{quote(str(database))}"


def summarize(loaded: Warehouse, modelled: Warehouse) -> Summary:
    """Count the rows of every stream, and query the models for three figures."""
    rows = {
        name: loaded.query(f"select count(*) from {{schema}}.{name}")[0][0]  # noqa: S608 - of ours
        for name in loaded.tables()
    }
    [(people, sent, mails, opened)] = modelled.query(_FIGURES)
    figures = {
        "People": count(people),
        "Deliveries sent in the last 30 days": count(sent),
        "E-mails opened by people, of those sent": rate(opened, mails),
    }
    return Summary(rows, figures)


def show(console: Console, found: Summary, output: Path, report: Path) -> None:
    """Show the largest streams, the figures, the files, and the next commands."""
    console.print(_streams(found.rows))
    figures = Table.grid(padding=(0, 3))
    for name, value in found.figures.items():
        figures.add_row(name, Text(value, style="bold", justify="right"))
    console.print(figures)
    program, python = _program(), _shown(Path(sys.executable))
    query = f'duckdb.connect({json.dumps(str(output))}).sql("from {SCHEMA}.messages").show()'
    for line in (
        f"\nThe report, to open in a browser:\n  {report.absolute()}",
        "The rows of a stream, and Customer.io's own counts beside them:",
        f"  {python} -c {shlex.quote(f'import duckdb; {query}')}",
        f"  {program} verify --warehouse {shlex.quote(url_of(output))}",
        f"With an account of your own:\n  {program} init",
    ):
        console.print(line, soft_wrap=True)


def _streams(rows: dict[str, int]) -> Table:
    ranked = sorted(rows.items(), key=lambda item: (-item[1], item[0]))
    shown = table("stream", ">rows")
    for name, number in ranked[:_LARGEST]:
        shown.add_row(name, count(number))
    rest = [number for _, number in ranked[_LARGEST:]]
    shown.add_row(f"{len(rest)} smaller ones", count(sum(rest)))
    shown.add_section()
    shown.add_row(f"all {len(rows)}", count(sum(rows.values())), style="bold")
    return shown


def _program() -> str:
    """The command line of this program."""
    found = shutil.which("tap-customerio", path=str(Path(sys.executable).parent))
    if found is None:
        return f"{_shown(Path(sys.executable))} -m tap_customerio"
    return "tap-customerio" if shutil.which("tap-customerio") == found else _shown(Path(found))


def _shown(path: Path) -> str:
    """A program's path, relative if it is below this folder."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
