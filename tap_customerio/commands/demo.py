"""The command that loads a generated workspace and writes a report."""

from __future__ import annotations

import signal
from importlib.util import find_spec
from pathlib import Path

import click

from tap_customerio import errors
from tap_customerio.console import make_console
from tap_customerio.files import explain_writing

_PACKAGES = ("duckdb", "httptools", "starlette", "uvicorn", "vl_convert", "dbt.adapters.duckdb")
for _package in _PACKAGES:
    if find_spec(_package) is None:  # importing them takes seconds
        raise ModuleNotFoundError(name=_package)

_DEFAULT = "customerio-demo.duckdb"
_SUFFIXES = {".duckdb", ".db"}
_WANTED = "name the DuckDB file, with .duckdb at its end; the report is written beside it as .html"
_INTERRUPTED = 130


@click.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=_DEFAULT,
    show_default=True,
    help="DuckDB file to write; the report goes into the same folder, as customerio-demo.html.",
)
@click.pass_context
def demo(ctx: click.Context, output: Path) -> None:
    """Load a generated workspace, build models and a report: no account needed.

    Runs the sandbox, the tap, the DuckDB loader and dbt, as with a real account; takes about a
    minute. Replaces the files of an earlier demo.

    Example: tap-customerio demo --output demo.duckdb
    """
    if output.suffix.lower() not in _SUFFIXES:
        raise errors.commands.bad_option("--output", str(output), _WANTED)
    report = output.with_suffix(".html")
    if output.name != _DEFAULT:
        _check_new(output, report)
    console = make_console()
    console.print("From a generated workspace to a report, in about a minute. Ctrl+C stops it.")
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from tap_customerio.demo.run import run  # noqa: PLC0415 - slow, so print something first

        with explain_writing(output):
            run(console, output, report)
    except KeyboardInterrupt:
        click.echo("Stopped; nothing was written. Run it again at any time.", err=True)
        ctx.exit(_INTERRUPTED)
    finally:
        signal.signal(signal.SIGTERM, former)


def _check_new(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise errors.commands.demo_would_replace(str(path), _DEFAULT)
