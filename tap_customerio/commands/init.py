"""The command that creates a configuration from a key."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from tap_customerio import errors
from tap_customerio.api import track
from tap_customerio.api.diagnosis import HOSTS
from tap_customerio.commands import selection
from tap_customerio.commands.check import check_streams
from tap_customerio.commands.command_tap import CommandTap, moment
from tap_customerio.commands.estimate import AccountEstimate
from tap_customerio.commands.sampling import SamplingClient
from tap_customerio.console import make_console, print_marked, table
from tap_customerio.estimates.estimate import notes_of
from tap_customerio.files import explain_writing, write_private
from tap_customerio.settings import NAME, Settings
from tap_customerio.streams.messages import Messages
from tap_customerio.windows import DAY, rfc3339
from tap_customerio.wording import at_least, counted, duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console
    from rich.table import Table

    from tap_customerio.estimates.estimate import Estimate
    from tap_customerio.streams.base import CustomerioStream

RANGES = (30, 180, 730)
"""Choices of start_date in days before today; the other choice is everything."""

_EVERYTHING = "everything"
_PREFIX = "TAP_CUSTOMERIO_"
_COSTLIEST = 6

_NEXT = """
Next:
  tap-customerio check{config}
  tap-customerio preview messages{config}

Load into DuckDB, and write a report (extra demo); other targets: docs/targets.md.
  echo '{{"path": "warehouse.duckdb", "default_target_schema": "customerio"}}' > target.json
  {sync} | tap-customerio-duckdb --config target.json > states.jsonl
  tap-customerio report --build --warehouse duckdb:///warehouse.duckdb
"""
_MELTANO = """
Next: make sure that .env is in .gitignore, and
  meltano run tap-customerio target-duckdb
"""


class AccountSummary(NamedTuple):
    """The account: its settings, its readable streams, and their costs."""

    config: dict[str, Any]
    tap: CommandTap
    readable: list[CustomerioStream]
    estimate: AccountEstimate


@click.command()
@click.option("--meltano", is_flag=True, help="Write .env for Meltano instead of config.json.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@click.option("--api-url", help="Address of the API, if not Customer.io's own (sandbox).")
@click.option("--track-api-url", help="Address of the Track API, if not Customer.io's own.")
def init(
    output: Path | None, api_url: str | None, track_api_url: str | None, *, meltano: bool
) -> None:
    """Set up an account: ask for the keys, check them, and write config.json.

    Keys are not shown while you type or paste them. Only you can read the file.

    Example: tap-customerio init
    """
    if not sys.stdin.isatty():
        raise errors.commands.no_terminal("tap-customerio init")
    logging.getLogger(NAME).setLevel(logging.ERROR)  # limits of a stream are part of the tables
    console = make_console()
    summary = _connect(console, api_url)
    if track_api_url or not api_url:
        summary.config.update(_ask_track(console, summary, track_api_url))
    start = _ask_start(console, summary)
    selected = _ask_streams(console, summary, start)
    config = {**summary.config, **({"start_date": start} if start else {})}
    path = _ask_file(output or Path(".env" if meltano else "config.json"))
    names = {name: ["*"] for name in sorted(selected)}
    default = {stream.name for stream in summary.tap.streams.values() if stream.selected_by_default}
    if meltano:
        _write(path, _with_lines(path, config))
        if names.keys() != default:
            console.print(f"\nIn meltano.yml, for tap-customerio:\n{selection.meltano(names)}")
        console.print(_MELTANO)
        return
    _write(path, json.dumps(config, indent=2) + "\n")
    catalog = ""
    if names.keys() != default:
        place = _ask_file(path.with_name("catalog.json"))
        _write(place, json.dumps(selection.catalog(names), indent=2) + "\n")
        catalog = f" --catalog {_quoted(place)}"
    is_default = path == Path("config.json")
    option = "" if is_default else f" --config {_quoted(path)}"
    sync = f"tap-customerio --config {_quoted(path)}{catalog}"
    console.print(_NEXT.format(config=option, sync=sync), soft_wrap=True)


def _connect(console: Console, api_url: str | None) -> AccountSummary:
    """Ask for key and region until they work."""
    place = {"api_url": api_url} if api_url else {}
    CommandTap({"app_api_key": "unknown-yet", **place})
    while True:
        key = click.prompt("App API key (input is hidden)", hide_input=True).strip()
        if not api_url:
            regions = click.Choice([*HOSTS, "auto"])
            place = {"region": click.prompt("Region", type=regions, default="auto")}
        try:
            return _check_account(console, {"app_api_key": key, **place})
        except errors.TapError as error:
            console.print(f"\n{error}\n", style="red")


def _ask_track(console: Console, summary: AccountSummary, url: str | None) -> dict[str, Any]:
    """Ask for the credentials of the Track API until they work or are skipped."""
    console.print(
        "\nThe privacy commands also need a Site ID and a Track API key of this workspace; syncs "
        "do not. Press Enter to go without."
    )
    while site_id := click.prompt("Site ID", default="", show_default=False).strip():
        key = click.prompt("Track API key (input is hidden)", hide_input=True).strip()
        given = {"site_id": site_id, "track_api_key": key}
        given |= {"track_api_url": url} if url else {}
        try:
            settings = Settings.of(CommandTap({**summary.config, **given}).config)
            _, owner = track.connect(settings, summary.tap.client)
        except errors.TapError as error:
            console.print(f"\n{error}\n", style="red")
        else:
            console.print(f"They work: workspace {owner.workspace_id} ({owner.workspace}).")
            return given
    return {}


def _check_account(console: Console, config: dict[str, Any]) -> AccountSummary:
    """Check the key and each stream, and estimate the requests."""
    tap = CommandTap(config)
    client = SamplingClient(tap.settings, pages=None)
    tap.use(client)
    with console.status("Checking the key …") as status:
        estimate = AccountEstimate(tap)
        findings = []
        for finding in check_streams(client, tap.settings, tap.select_streams(())):
            findings.append(finding)
            status.update(f"Checked {len(findings)} of {len(tap.streams)} streams …")
        status.update("Estimating requests …")
        for start in _starts(estimate).values():
            estimate.streams(start)
    if client.region:
        config["region"] = client.region
    refused = {finding.name: finding.error for finding in findings if finding.error}
    readable = [stream for stream in tap.select_streams(()) if stream.name not in refused]
    place = f"region {client.region}" if client.region else f"at {tap.settings.api_url}"
    people = (
        "" if estimate.people is None else f"; about {counted(estimate.people, 'person', 'people')}"
    )
    console.print(
        f"\nThe key works, {place}. It can read {len(readable)} of {len(findings)} streams{people}."
    )
    for name, error in sorted(refused.items()):
        console.print(f"{name}: {error}", style="red")
    return AccountSummary(config, tap, readable, estimate)


def _recommended(summary: AccountSummary) -> list[CustomerioStream]:
    return [stream for stream in summary.readable if stream.selected_by_default]


def _price(
    summary: AccountSummary, streams: Sequence[CustomerioStream], start: str | None
) -> tuple[str, str]:
    """Requests and time of a first sync."""
    cost = summary.estimate.cost([stream.name for stream in streams], start)
    if cost.requests is None:
        return "?", "?"
    time = duration(cost.requests / summary.estimate.rate)
    return at_least(cost.requests, more=cost.more), time + "+" * cost.more


def _print_prices(console: Console, shown: Table, estimates: Iterable[Estimate]) -> None:
    """Print a table, and the notes on these estimates."""
    print_marked(console, shown)
    for note, streams in notes_of(estimates).items():
        console.print(f"{', '.join(streams)}: {note}", style="dim")


def _starts(estimate: AccountEstimate) -> dict[str, str | None]:
    """The start dates to choose from, with their distance from today; None for everything."""
    today = estimate.present // DAY * DAY
    starts = {f"{days} days": today - days * DAY for days in RANGES}
    since = {name: rfc3339(start) for name, start in starts.items() if start >= estimate.beginning}
    return {**since, f"since {rfc3339(estimate.beginning)[:10]}": None}


def _ask_start(console: Console, summary: AccountSummary) -> str | None:
    """Ask how far back to read; None for everything."""
    estimate = summary.estimate
    messages = estimate.streams(None)[Messages.name]
    shown = table("start_date", "", ">deliveries", ">requests", ">first sync")
    for name, start in _starts(estimate).items():
        found = estimate.streams(start)[Messages.name]
        number = at_least(found.rows, more=found.more)
        price = _price(summary, _recommended(summary), start)
        shown.add_row(start[:10] if start else _EVERYTHING, name, number, *price)
    console.print("\nFrom which date should messages, metrics and activities be read? About:")
    _print_prices(console, shown, [messages])

    def parsed(text: str) -> str | None:
        start = None if text == _EVERYTHING else moment(text)
        try:
            estimate.streams(start)
        except errors.TapError as error:
            raise click.BadParameter(str(error)) from None
        return start

    default = max(estimate.beginning // DAY * DAY, estimate.present // DAY * DAY - 180 * DAY)
    prompt = f"start_date (a date, or {_EVERYTHING})"
    answer: str | None = click.prompt(prompt, default=rfc3339(default)[:10], value_proc=parsed)
    return answer


def _ask_streams(console: Console, summary: AccountSummary, start: str | None) -> set[str]:
    """Ask which streams to read."""
    shown = table("streams", ">number", ">requests", ">first sync")
    choices = {"recommended": _recommended(summary), _EVERYTHING: summary.readable}
    for name, streams in choices.items():
        shown.add_row(name, str(len(streams)), *_price(summary, streams, start))
    costs = summary.estimate.streams(start)
    costly = sorted(summary.readable, key=lambda stream: -(costs[stream.name].requests or 0))
    unknown = [stream for stream in costly if costs[stream.name].requests is None]
    listed = [*(stream for stream in costly if stream not in unknown)][:_COSTLIEST] + unknown
    for stream in listed:
        shown.add_row(f"  {stream.name}", "", *_price(summary, [stream], start))
    console.print("\nWhich streams? The most expensive:")
    _print_prices(console, shown, [costs[stream.name] for stream in listed])

    def selected(text: str) -> set[str]:
        if text in choices:
            return {stream.name for stream in choices[text]}
        try:
            names = [name.strip() for name in text.split(",")]
            return {stream.name for stream in summary.tap.select_streams(names)}
        except errors.TapError as error:
            raise click.BadParameter(str(error)) from None

    prompt = f"Streams (recommended, {_EVERYTHING}, or names separated by commas)"
    answer: set[str] = click.prompt(prompt, default="recommended", value_proc=selected)
    return answer


def _ask_file(path: Path) -> Path:
    """Ask for a file that is new, or may be replaced."""
    while path.exists() and not click.confirm(f"{path} exists. Replace its settings?"):
        path = click.prompt("Another file", type=click.Path(dir_okay=False, path_type=Path))
    return path


def _with_lines(path: Path, config: dict[str, Any]) -> str:
    """The lines of an environment file, with new values of the settings."""
    names = {f"{_PREFIX}{name.upper()}": value for name, value in config.items()}
    before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    others = [line for line in before if line.removeprefix("export ").split("=")[0] not in names]
    return "\n".join([*others, *(f'{name}="{value}"' for name, value in names.items())]) + "\n"


def _write(path: Path, text: str) -> None:
    with explain_writing(path):
        write_private(path, text)
    click.echo(f"Wrote {path}; only you can read it.")


def _quoted(path: Path) -> str:
    """A path quoted for shells, including those of Windows."""
    text = str(path)
    return f'"{text}"' if re.search(r"[^\w./\\:~-]", text) else text
