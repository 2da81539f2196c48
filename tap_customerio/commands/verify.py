"""The command that compares loaded deliveries with Customer.io's own counts."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import click

from tap_customerio.commands.warehouse_options import warehouse_options
from tap_customerio.console import make_console
from tap_customerio.verification.comparison import compare
from tap_customerio.verification.queries import DeliveryTables
from tap_customerio.warehouse import Warehouse
from tap_customerio.windows import DAY
from tap_customerio.wording import counted

if TYPE_CHECKING:
    from tap_customerio.verification.comparison import Month


@click.command()
@warehouse_options()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.pass_context
def verify(ctx: click.Context, url: str, schema: str, *, as_json: bool) -> None:
    """Compare the loaded deliveries with Customer.io's own counts, month by month.

    Reads the tables messages and metrics. Exit code 1: deliveries are missing. These differences do
    not count as missing: in the two days before the newest change or count, up to the first day of
    loaded deliveries, on their last day, and more than 180 days ago.

    Example: tap-customerio verify --warehouse duckdb:///warehouse.duckdb
    """
    warehouse = Warehouse(url, schema)
    try:
        tables = DeliveryTables(warehouse)
        months = compare(tables)
        impossible = tables.impossible()
    finally:
        warehouse.close()
    if impossible:
        what = counted(impossible, "loaded delivery", "loaded deliveries")
        click.echo(
            f"Left out: {what} created before 2012, in the future or without a time.", err=True
        )
    if as_json:
        click.echo(json.dumps({name: _as_json(month) for name, month in months.items()}))
    else:
        _show(months)
    ctx.exit(any(month.missing for month in months.values()))


def _show(months: dict[str, Month]) -> None:
    console = make_console()
    for name, month in months.items():
        console.print(month.sentence(name))
        for each in sorted(month.missing, key=lambda bucket: (bucket.start, bucket.sender)):
            kind, number = each.sender
            counts = f"{each.counted:,} sent, {each.loaded:,} loaded"
            console.print(f"  {each.bucketing.day(each.start)} {kind} {number}: {counts}")
    missing = [each for month in months.values() for each in month.missing]
    if not missing:
        console.print("No missing deliveries found.")
    else:
        start = min(each.start for each in missing)
        end = max(each.end for each in missing) + DAY
        dates = (datetime.fromtimestamp(each, timezone.utc).date() for each in (start, end))
        console.print(
            "Read the missing time again: tap-customerio backfill --stream messages --from {} "
            "--to {} --config … --target '…'".format(*dates),
            soft_wrap=True,
        )


def _as_json(month: Month) -> dict[str, Any]:
    missing = [
        {
            "source_type": each.sender[0],
            "source_id": each.sender[1],
            "day": each.bucketing.day(each.start),
            "sent": each.counted,
            "loaded": each.loaded,
        }
        for each in month.missing
    ]
    return {**month._asdict(), "missing": missing}
