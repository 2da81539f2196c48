"""The command that reports which streams a key can read, and how to fix the others."""

from __future__ import annotations

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from tap_customerio import errors
from tap_customerio.api import track
from tap_customerio.commands.command_tap import CommandTap, config_option, stream_names
from tap_customerio.commands.sampling import RowCount, SamplingClient, count_rows
from tap_customerio.console import make_console, table
from tap_customerio.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from tap_customerio.streams.base import CustomerioStream

UNREADABLE = 3
"""Exit code if a selected stream cannot be read."""

_SKEW = 60


class Finding(NamedTuple):
    """The result for a stream, or for another check."""

    name: str
    status: str
    error: str | None = None
    row_count: RowCount | None = None
    matters: bool = True

    @property
    def rows(self) -> str:
        """The number of rows, in short form."""
        return (
            f"{self.row_count.rows:,}{'+' if self.row_count.more else ''}" if self.row_count else ""
        )

    def as_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        rows = {"rows": self.row_count.rows, "more": self.row_count.more} if self.row_count else {}
        return {"name": self.name, "status": self.status, "problem": self.error, **rows}


@click.command()
@click.argument("streams", nargs=-1, shell_complete=stream_names)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.pass_context
def check(
    ctx: click.Context, streams: tuple[str, ...], config: dict[str, Any], *, as_json: bool
) -> None:
    """Check the key, the region, the clock, and which streams the key can read.

    Sends about one request per stream, for all streams or those named. Exit codes: 0 no problem;
    1 key, region or Track API are wrong; 3 a named or default stream cannot be read.

    Example: tap-customerio check --config config.json
    """
    client = SamplingClient(Settings.of(config))
    tap = CommandTap(config, client=client)
    tap.logger.setLevel(logging.ERROR)  # limits of a stream are not errors of the account
    selected = tap.select_streams(streams)
    console = make_console()
    checked: list[Finding] = []
    with console.status("Checking the key, the region and the clock …") as status:
        found = list(_check_account(client, tap.settings))
        if found[0].error is None:
            for finding in check_streams(client, tap.settings, selected):
                matters = bool(streams) or tap.streams[finding.name].selected_by_default
                checked.append(finding._replace(matters=matters))
                status.update(f"Checked {len(checked)} of {len(selected)} streams …")
    checked.sort(key=lambda finding: finding.name)
    _print_findings(console, found, checked, as_json=as_json)
    if any(finding.error and finding.matters for finding in found):
        ctx.exit(1)
    if any(finding.error and finding.matters for finding in checked):
        ctx.exit(UNREADABLE)


def _check_account(client: SamplingClient, settings: Settings) -> Iterator[Finding]:
    """The key with its region, the clock, and the Track API if it is set up."""
    before = time.time()
    try:
        present = client.present
    except errors.TapError as error:
        yield Finding("App API key", "refused or unreachable", str(error))
        return
    place = f"region {client.region}" if client.region else f"at {settings.api_url}"
    yield Finding("App API key", f"ok, {place}")
    yield _check_clock(before, present, time.time())
    if settings.site_id:
        yield _check_track(client, settings)


def _check_clock(before: float, present: int, after: float) -> Finding:
    ahead = round(min(max(present, before), after) - present)
    if abs(ahead) <= _SKEW:
        return Finding("clock", "ok")
    error = str(errors.api.clock_wrong(ahead))
    return Finding("clock", "wrong", error, matters=False)


def _check_track(client: SamplingClient, settings: Settings) -> Finding:
    """The account of the Track API's credentials; the App API does not name the key's workspace."""
    try:
        _, found = track.connect(settings, client)
    except errors.TapError as error:
        return Finding("Track API key", "wrong", str(error))
    status = f"ok, workspace {found.workspace_id} ({found.workspace})"
    unsaid = (
        "; the API does not say whether app_api_key belongs to the same workspace: if it "
        f"does, pass --workspace {found.workspace_id} to the privacy commands"
    )
    return Finding("Track API key", status + ("" if found.is_proven else unsaid))


def check_streams(
    client: SamplingClient, settings: Settings, streams: Sequence[CustomerioStream]
) -> Iterator[Finding]:
    """Check streams in parallel; yield results as they come."""
    with ThreadPoolExecutor(settings.concurrency) as pool:
        checks = [pool.submit(_check_stream, stream, client) for stream in streams]
        try:
            for done in as_completed(checks):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _check_stream(stream: CustomerioStream, client: SamplingClient) -> Finding:
    try:
        found = count_rows(stream, client)
    except errors.ForbiddenError as error:
        return Finding(stream.name, "no permission", str(error))
    except errors.NotFoundError as gone:
        return Finding(stream.name, "not on your plan", str(errors.api.not_on_plan(gone.request)))
    except errors.TapError as error:
        return Finding(stream.name, "problem", str(error))
    if found.more:
        with suppress(errors.TapError):
            known = stream.count_otherwise()
            found = found if known is None else RowCount(known, more=False)
    return Finding(stream.name, "ok" if found.rows or found.more else "empty", row_count=found)


def _print_findings(
    console: Console, found: Sequence[Finding], checked: Sequence[Finding], *, as_json: bool
) -> None:
    if as_json:
        parts = {"account": found, "streams": checked}
        shown = {name: [each.as_json() for each in part] for name, part in parts.items()}
        click.echo(json.dumps(shown, indent=2))
        return
    for finding in found:
        style = "red" if finding.error and finding.matters else "green"
        error = f": {finding.error}" if finding.error else ""
        console.print(f"{finding.name}: {finding.status}{error}", style=style)
    if checked:
        _print_streams(console, checked)
    reasons: dict[str, list[str]] = {}
    for finding in checked:
        if finding.error:
            reasons.setdefault(finding.error, []).append(finding.name)
    for error, names in reasons.items():
        console.print(f"{', '.join(names)}: {error}\n")


def _print_streams(console: Console, checked: Sequence[Finding]) -> None:
    shown = table("stream", "status", ">rows")
    for finding in checked:
        off = "" if finding.matters else ", off by default"
        colour = "red" if finding.error else None
        shown.add_row(finding.name, finding.status + off, finding.rows, style=colour)
    console.print(shown)
    if any(finding.row_count and finding.row_count.more for finding in checked):
        console.print("n+: at least n; only the first page was read.\n", style="dim")
