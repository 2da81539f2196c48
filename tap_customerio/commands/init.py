"""The command that leads from a key to a configuration that works."""

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
from tap_customerio.commands.console import screen, table
from tap_customerio.commands.estimate import Costs, duration
from tap_customerio.commands.sampling import Glimpse
from tap_customerio.files import explain_writing, write_private
from tap_customerio.settings import Settings
from tap_customerio.windows import DAY, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from tap_customerio.streams.base import CustomerioStream

RANGES = (30, 180, 730)
"""Days back from which to choose a start_date; beside them, everything."""

_EVERYTHING = "everything"
_PREFIX = "TAP_CUSTOMERIO_"
_DEAREST = 6

_NEXT = """
Next:
  tap-customerio check{config}
  tap-customerio preview messages{config}
  tap-customerio --config {file}{catalog} > singer.jsonl
"""
_MELTANO = """
Next: make sure that .env is in .gitignore, and
  meltano run tap-customerio target-jsonl
"""


class Found(NamedTuple):
    """The account that answered: its settings, its readable streams, and what they cost."""

    config: dict[str, Any]
    account: CommandTap
    readable: list[CustomerioStream]
    costs: Costs


@click.command()
@click.option("--meltano", is_flag=True, help="Write .env for Meltano instead of config.json.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@click.option("--api-url", help="Address of the API, if not Customer.io's own (sandbox).")
@click.option("--track-api-url", help="Address of the Track API, likewise.")
def init(
    output: Path | None, api_url: str | None, track_api_url: str | None, *, meltano: bool
) -> None:
    """Set up an account: ask for the keys, check them, and write config.json.

    Keys are not shown while you type or paste them. Only you can read the file.

    Example: tap-customerio init
    """
    if not sys.stdin.isatty():
        raise errors.commands.no_terminal("tap-customerio init")
    show = screen()
    found = _connect(show, api_url)
    if track_api_url or not api_url:
        found.config.update(_ask_track(show, found, track_api_url))
    start = _ask_start(show, found)
    chosen = _ask_streams(show, found, start)
    config = {**found.config, **({"start_date": start} if start else {})}
    path = _ask_file(output or Path(".env" if meltano else "config.json"))
    names = {name: ["*"] for name in sorted(chosen)}
    usual = {stream.name for stream in found.account.streams.values() if stream.selected_by_default}
    if meltano:
        _write(path, _with_lines(path, config))
        if names.keys() != usual:
            show.print(f"\nIn meltano.yml, for tap-customerio:\n{selection.meltano(names)}")
        show.print(_MELTANO)
        return
    _write(path, json.dumps(config, indent=2) + "\n")
    catalog = ""
    if names.keys() != usual:
        place = _ask_file(path.with_name("catalog.json"))
        _write(place, json.dumps(selection.catalog(names), indent=2) + "\n")
        catalog = f" --catalog {_quoted(place)}"
    usually = path == Path("config.json")
    option = "" if usually else f" --config {_quoted(path)}"
    show.print(_NEXT.format(config=option, file=_quoted(path), catalog=catalog))


def _connect(show: Console, api_url: str | None) -> Found:
    """Ask for key and region until they are right."""
    place = {"api_url": api_url} if api_url else {}
    CommandTap({"app_api_key": "unknown-yet", **place})
    while True:
        key = click.prompt("App API key (input is hidden)", hide_input=True).strip()
        if not api_url:
            regions = click.Choice([*HOSTS, "auto"])
            place = {"region": click.prompt("Region", type=regions, default="auto")}
        try:
            return _look_around(show, {"app_api_key": key, **place})
        except errors.TapError as problem:
            show.print(f"\n{problem}\n", style="red")


def _ask_track(show: Console, found: Found, url: str | None) -> dict[str, Any]:
    """Ask for the credentials of the Track API until they are right, or left out."""
    show.print(
        "\nThe privacy commands also need a Site ID and a Track API key of this workspace; syncs "
        "do not. Press Enter to go without."
    )
    while site_id := click.prompt("Site ID", default="", show_default=False).strip():
        key = click.prompt("Track API key (input is hidden)", hide_input=True).strip()
        given = {"site_id": site_id, "track_api_key": key}
        given |= {"track_api_url": url} if url else {}
        try:
            settings = Settings.of(CommandTap({**found.config, **given}).config)
            _, owner = track.connect(settings, found.account.client)
        except errors.TapError as problem:
            show.print(f"\n{problem}\n", style="red")
        else:
            show.print(f"They work: workspace {owner.workspace_id} ({owner.workspace}).")
            return given
    return {}


def _look_around(show: Console, config: dict[str, Any]) -> Found:
    """Check the key, each stream, and what it all costs."""
    settings = Settings.of(CommandTap(config).config)
    client = Glimpse(settings, follow=True)
    account = CommandTap(config, client=client)
    account.logger.setLevel(logging.ERROR)
    with show.status("Checking the key …") as status:
        costs = Costs(client)
        findings = []
        for finding in check_streams(client, settings, account.choose(())):
            findings.append(finding)
            status.update(f"Checked {len(findings)} of {len(account.streams)} streams …")
    if client.region:
        config["region"] = client.region
    refused = {finding.name: finding.problem for finding in findings if finding.problem}
    readable = [stream for stream in account.choose(()) if stream.name not in refused]
    place = f"region {client.region}" if client.region else f"at {settings.api_url}"
    show.print(
        f"\nThe key works, {place}. It can read {len(readable)} of {len(findings)} streams; "
        f"about {costs.people:,} people."
    )
    for name, problem in sorted(refused.items()):
        show.print(f"{name}: {problem}", style="red")
    return Found(config, account, readable, costs)


def _recommended(found: Found) -> list[CustomerioStream]:
    return [stream for stream in found.readable if stream.selected_by_default]


def _price(found: Found, streams: Sequence[CustomerioStream], start: int) -> tuple[str, str]:
    """Requests and time of a first sync."""
    requests = sum(found.costs.requests(stream, start) for stream in streams)
    return f"{requests:,}", duration(requests, found.account.settings.requests_per_second)


def _ask_start(show: Console, found: Found) -> str | None:
    """Let the user choose how far back to read; None for everything."""
    present, beginning = found.costs.present, found.costs.beginning
    shown = table("start_date", "", ">deliveries", ">requests", ">first sync")
    starts = {f"{days} days": present // DAY * DAY - days * DAY for days in RANGES}
    for name, start in {**starts, _EVERYTHING: beginning}.items():
        if start >= beginning:
            date = rfc3339(start)[:10] if name != _EVERYTHING else _EVERYTHING
            deliveries = f"{found.costs.deliveries(start):,}"
            since = name if name != _EVERYTHING else f"since {rfc3339(start)[:10]}"
            shown.add_row(date, since, deliveries, *_price(found, _recommended(found), start))
    show.print("\nFrom which date should messages, metrics and activities be read? About:")
    show.print(shown)
    usual = max(beginning // DAY * DAY, starts["180 days"])
    answer: str = click.prompt(
        f"start_date (a date, or {_EVERYTHING})",
        default=rfc3339(usual)[:10],
        value_proc=lambda text: text if text == _EVERYTHING else moment(text),
    )
    return None if answer == _EVERYTHING else answer


def _ask_streams(show: Console, found: Found, start: str | None) -> set[str]:
    """Let the user choose streams."""
    since = parse(start) if start else found.costs.beginning
    shown = table("streams", ">number", ">requests", ">first sync")
    choices = {"recommended": _recommended(found), _EVERYTHING: found.readable}
    for name, streams in choices.items():
        shown.add_row(name, str(len(streams)), *_price(found, streams, since))
    dear = sorted(found.readable, key=lambda stream: -found.costs.requests(stream, since))
    for stream in dear[:_DEAREST]:
        shown.add_row(f"  {stream.name}", "", *_price(found, [stream], since))
    show.print("\nWhich streams? The most expensive:")
    show.print(shown)

    def chosen(text: str) -> set[str]:
        if text in choices:
            return {stream.name for stream in choices[text]}
        try:
            names = [name.strip() for name in text.split(",")]
            return {stream.name for stream in found.account.choose(names)}
        except errors.TapError as problem:
            raise click.BadParameter(str(problem)) from None

    ask = f"Streams (recommended, {_EVERYTHING}, or names separated by commas)"
    answer: set[str] = click.prompt(ask, default="recommended", value_proc=chosen)
    return answer


def _ask_file(path: Path) -> Path:
    """A file that does not exist, or may be replaced."""
    while path.exists() and not click.confirm(f"{path} exists. Replace its settings?"):
        path = click.prompt("Another file", type=click.Path(dir_okay=False, path_type=Path))
    return path


def _with_lines(path: Path, config: dict[str, Any]) -> str:
    """The lines of an environment file, with the settings in place of earlier ones."""
    names = {f"{_PREFIX}{name.upper()}": value for name, value in config.items()}
    before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in before if line.removeprefix("export ").split("=")[0] not in names]
    return "\n".join([*kept, *(f'{name}="{value}"' for name, value in names.items())]) + "\n"


def _write(path: Path, text: str) -> None:
    with explain_writing(path):
        write_private(path, text)
    click.echo(f"Wrote {path}; only you can read it.")


def _quoted(path: Path) -> str:
    """A path as shells, those of Windows included, take it."""
    text = str(path)
    return f'"{text}"' if re.search(r"[^\w./\\:~-]", text) else text
