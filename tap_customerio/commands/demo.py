"""The main job on the sandbox: tap into DuckDB, and what can be seen there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import duckdb
from rich.bar import Bar
from rich.console import Console
from rich.table import Table

from tap_customerio.sandbox import Sandbox, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DAY = 86_400
_DAYS = 180
_SCHEMA = "customerio"

PACE = 10
"""Requests a second, as many as the live API takes."""

CAMPAIGNS = """
    select name, count(*) as messages,
           round(100.0 * count(metrics->>'opened') / count(metrics->>'delivered'), 1) as opened,
           round(100.0 * count(metrics->>'clicked') / count(metrics->>'delivered'), 1) as clicked
    from (select campaign_id as id, metrics from messages where type = 'email')
    join campaigns using (id)
    group by name order by messages desc limit 8
"""
REGIONS = """
    select attributes->>'region' as region, count(*) as people
    from customers group by region order by people desc
"""
DELIVERIES = """
    select cast(created as date) as day, count(*) as deliveries
    from messages group by day order by day desc limit 21
"""


class Run(NamedTuple):
    """What a finished run says of one stream."""

    rows: int
    requests: int
    seconds: float


@click.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("customerio-demo.duckdb"),
    show_default=True,
    help="DuckDB file to load into; replaced if it exists.",
)
@click.option(
    "--deliveries", default=50_000, show_default=True, help="Approximate number of deliveries."
)
def demo(output: Path, deliveries: int) -> None:
    """Load a generated workspace into DuckDB and show the result: no account needed.

    Example: tap-customerio demo --output demo.duckdb
    """
    screen = Console()
    today = int(time.time()) // _DAY * _DAY
    workspace = Workspace(since=today - _DAYS * _DAY, per_day=deliveries // _DAYS)
    output.unlink(missing_ok=True)
    started = time.monotonic()
    with (
        Sandbox(workspace, requests_per_second=PACE) as sandbox,
        tempfile.TemporaryDirectory() as folder,
    ):
        log = _load(sandbox, output, Path(folder), screen)
        requests = len(sandbox.calls)
    _show_streams(screen, _runs(log), requests, time.monotonic() - started)
    with duckdb.connect(str(output), read_only=True) as database:
        database.execute(f"set schema = '{_SCHEMA}'")
        _show_answers(screen, database)
    _show_next_steps(screen, output)


def _load(sandbox: Sandbox, output: Path, folder: Path, screen: Console) -> str:
    """Run `tap | target` as two processes, as any user would; returns the tap's log."""
    tap_config = {
        "app_api_key": sandbox.app_api_key,
        "api_url": sandbox.url,
        "requests_per_second": PACE,
    }
    target_config = {
        "path": str(output),
        "default_target_schema": _SCHEMA,
        "batch_size_rows": 20_000,
    }
    tap_command = [sys.executable, "-m", "tap_customerio", "--config", _write(folder, tap_config)]
    target_command = [
        *(sys.executable, "-m", "tap_customerio.duckdb_target"),
        *("--config", _write(folder, target_config)),
    ]
    tap_log, target_log = folder / "tap.log", folder / "target.log"
    with (
        tap_log.open("wb") as tap_errors,
        target_log.open("wb") as target_errors,
        subprocess.Popen(  # noqa: S603
            tap_command,
            stdout=subprocess.PIPE,
            stderr=tap_errors,
            env={**os.environ, "TAP_CUSTOMERIO_LOGLEVEL": "DEBUG"},  # which logs metrics
        ) as tap,
        subprocess.Popen(  # noqa: S603
            target_command, stdin=tap.stdout, stdout=subprocess.DEVNULL, stderr=target_errors
        ) as target,
        screen.status("Starting the tap …") as status,
    ):
        if tap.stdout is not None:
            tap.stdout.close()
        while target.poll() is None:
            status.update(f"Reading the sandbox into {output}: {len(sandbox.calls)} requests …")
            time.sleep(0.1)
    _check_end("tap", tap.returncode, tap_log)
    _check_end("target", target.returncode, target_log)
    return tap_log.read_text()


def _check_end(name: str, code: int, log: Path) -> None:
    if code:
        last = "\n".join(log.read_text().splitlines()[-5:])
        raise click.ClickException(f"The {name} ended with {code}:\n{last}")


def _write(folder: Path, config: dict[str, Any]) -> str:
    path = folder / f"{len(list(folder.iterdir()))}.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return str(path)


def _runs(log: str) -> dict[str, Run]:
    """Rows, requests and seconds per stream, from the metrics that the tap logs."""
    points: dict[str, Counter[str]] = defaultdict(Counter)
    for line in log.splitlines():
        _, found, text = line.partition("METRIC: ")
        if found:
            point = json.loads(text)
            points[point["tags"].get("stream", "")][point["metric"]] += point["value"]
    return {
        stream: Run(values["record_count"], values["http_request_count"], values["sync_duration"])
        for stream, values in points.items()
        if "sync_duration" in values
    }


def _show_streams(screen: Console, runs: dict[str, Run], requests: int, seconds: float) -> None:
    caption = "What several streams need is asked for once, by the first of them."
    table = Table(
        title="Loaded from the sandbox",
        title_justify="left",
        caption=caption,
        caption_justify="left",
    )
    table.add_column("stream")
    for heading in ("rows", "requests", "seconds"):
        table.add_column(heading, justify="right")
    for stream, run in sorted(runs.items()):
        table.add_row(stream, f"{run.rows:,}", f"{run.requests:,}", f"{run.seconds:.1f}")
    total = sum(run.rows for run in runs.values())
    table.add_section()
    table.add_row("all", f"{total:,}", f"{requests:,}", f"{seconds:.1f}", style="bold")
    screen.print(table)


def _show_answers(screen: Console, database: duckdb.DuckDBPyConnection) -> None:
    _show_rows(
        screen,
        "E-mail by campaign",
        ("campaign", "messages", "opened %", "clicked %"),
        database.execute(CAMPAIGNS).fetchall(),
    )
    _show_rows(
        screen, "People by region", ("region", "people"), database.execute(REGIONS).fetchall()
    )
    days = database.execute(DELIVERIES).fetchall()[::-1]
    most = max((count for _, count in days), default=1)
    chart = Table("day", "deliveries", "", title="Deliveries by day", title_justify="left")
    for day, count in days:
        chart.add_row(str(day), f"{count:,}", Bar(most, 0, count, width=40))
    screen.print(chart)


def _show_rows(
    screen: Console, title: str, headings: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    screen.print(table)


def _show_next_steps(screen: Console, output: Path) -> None:
    screen.print(
        f"\nAll of it is in [bold]{output}[/]. Look around:\n"
        f"  {sys.executable} -c \"import duckdb; print(duckdb.connect('{output}')"
        f".sql('from {_SCHEMA}.messages limit 5'))\"\n\n"
        "With a real account (Account Settings > API Credentials > App API Keys):\n"
        '  echo \'{"app_api_key": "…", "region": "auto", "start_date": "2026-01-01"}\' '
        "> config.json\n"
        "  tap-customerio --config config.json > singer.jsonl",
        soft_wrap=True,
        highlight=False,
    )
