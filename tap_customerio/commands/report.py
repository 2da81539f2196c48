"""The command that makes a page of figures from the dbt models."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import click

from tap_customerio.commands.command_tap import TIMES, check_range, moment
from tap_customerio.commands.warehouse import Warehouse, warehouse_options
from tap_customerio.files import explain_writing
from tap_customerio.report.figures import report as report_page
from tap_customerio.report.marts import Marts


def _moment(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    return None if value is None else moment(value)


@click.command()
@warehouse_options("analytics", "Schema that dbt writes the models to.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default="report.html",
    show_default=True,
    help="File to write; an existing one is replaced.",
)
@click.option("--from", "start", callback=_moment, metavar="TIME", help=f"First day: {TIMES}.")
@click.option("--to", "end", callback=_moment, metavar="TIME", help="Day after the last one.")
def report(url: str, schema: str, output: Path, start: str | None, end: str | None) -> None:
    """Write an HTML report: deliveries, senders, journeys, tests, audience and consents.

    Reads the dbt models (see docs/models.md). The file needs no network and no script, and
    contains no personal data.

    Example: tap-customerio report --warehouse duckdb:///warehouse.duckdb --output report.html
    """
    check_range(start, end, {})
    warehouse = Warehouse(url, schema)
    try:
        page = report_page(Marts(warehouse, _day(start), _day(end, is_end=True)))
    finally:
        warehouse.close()
    with explain_writing(output):
        output.write_text(page, encoding="utf-8")
    click.echo(f"Wrote {output}.")


def _day(moment: str | None, *, is_end: bool = False) -> date | None:
    """Its day in UTC; a day that has begun counts whole."""
    if moment is None:
        return None
    day = date.fromisoformat(moment[:10])
    has_begun = is_end and not moment.endswith("T00:00:00Z")
    return day + timedelta(days=1) if has_begun else day
