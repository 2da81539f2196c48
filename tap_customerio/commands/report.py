"""The command that writes a report from the dbt models."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from tap_customerio import errors
from tap_customerio.commands.command_tap import TIMES, check_range, moment_option
from tap_customerio.commands.warehouse_options import named_schema, warehouse_options
from tap_customerio.console import make_console
from tap_customerio.files import explain_writing
from tap_customerio.report import models
from tap_customerio.report.figures import report as report_page
from tap_customerio.report.marts import Marts
from tap_customerio.streams.messages import Messages
from tap_customerio.warehouse import Warehouse, duckdb_file
from tap_customerio.windows import BEGINNING, parse, rfc3339

_PAGE = b"<!doctype html"


@click.command()
@warehouse_options("analytics", "Schema that dbt writes the models to.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default="report.html",
    show_default=True,
    help="File to write; an existing page is replaced.",
)
@click.option(
    "--from", "start", callback=moment_option, metavar="TIME", help=f"First day: {TIMES}."
)
@click.option("--to", "end", callback=moment_option, metavar="TIME", help="Day after the last one.")
@click.option("--build", is_flag=True, help="Build the models first; DuckDB only (extra demo).")
@click.option(
    "--loaded-schema",
    default="customerio",
    show_default=True,
    callback=named_schema,
    help="With --build: schema of the loaded tables.",
)
def report(  # noqa: PLR0913, PLR0917 - one parameter an option
    url: str,
    schema: str,
    output: Path,
    start: str | None,
    end: str | None,
    build: bool,  # noqa: FBT001
    loaded_schema: str,
) -> None:
    """Write an HTML report: deliveries, senders, journeys, tests, audience and consents.

    Reads the dbt models (see docs/models.md), which --build makes. The file needs no network and
    no script. It shows sums, and names of senders, segments, topics and larger e-mail domains.

    Example: tap-customerio report --warehouse duckdb:///warehouse.duckdb --output report.html
    """
    _check_dates(start, end)
    _check_replaceable(output)
    if build:
        _build(url, schema, loaded_schema)
    warehouse = Warehouse(url, schema, errors.commands.unreadable_models)
    try:
        page = report_page(Marts(warehouse, _day(start), _day(end, is_end=True)))
    finally:
        warehouse.close()
    with explain_writing(output):
        output.write_text(page, encoding="utf-8")
    click.echo(f"Wrote {output}.")


def _build(url: str, schema: str, loaded: str) -> None:
    """Build the dbt models; their tests are left out, because `verify` says more."""
    if not url.startswith("duckdb:"):
        raise errors.commands.build_needs_duckdb(url.partition(":")[0])
    adapter = None
    with suppress(ModuleNotFoundError):  # of dbt itself
        adapter = find_spec("dbt.adapters.duckdb")
    if adapter is None:
        raise errors.commands.build_needs_dbt()
    warehouse = Warehouse(url, loaded)
    try:
        if Messages.name not in warehouse.tables():
            raise errors.commands.not_loaded(loaded)
    finally:
        warehouse.close()  # dbt writes to the file
    with (
        make_console().status("Building the models …") as status,
        TemporaryDirectory() as folder,
        models.waiting(Path(duckdb_file(url)), Path(folder), schema, loaded) as dbt,
    ):
        text = "Building the models: {} of {} …"
        dbt.build(lambda done, total: status.update(text.format(done, total)), tested=False)


def _check_dates(start: str | None, end: str | None) -> None:
    check_range(start, end, {})
    for option, value in (("--from", start), ("--to", end)):
        if value and parse(value) < BEGINNING:
            wanted = f"it must not be before {rfc3339(BEGINNING)[:10]}, when Customer.io began"
            raise errors.commands.bad_option(option, value, wanted)


def _check_replaceable(path: Path) -> None:
    """Check that an existing file is a report: the path may be that of the warehouse."""
    if path.is_file():
        with explain_writing(path), path.open("rb") as file:
            head = file.read(len(_PAGE))
        if head and head.lower() != _PAGE:
            raise errors.commands.not_a_page(str(path))


def _day(moment: str | None, *, is_end: bool = False) -> date | None:
    """The day in UTC; a day that has begun counts as a whole day."""
    if moment is None:
        return None
    day = date.fromisoformat(moment[:10])
    has_begun = is_end and not moment.endswith("T00:00:00Z")
    return day + timedelta(days=1) if has_begun else day
