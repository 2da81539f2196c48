"""The command that serves the sandbox."""

from __future__ import annotations

import math
import time
from typing import Any

import click

from tap_customerio import errors
from tap_customerio.sandbox import Workspace
from tap_customerio.sandbox.server.app import serve
from tap_customerio.sandbox.server.ports import PortError

_DAY = 86_400
_PORTS = 65_536
_PORT = click.IntRange(0, _PORTS - 1)
_NUMBER = click.IntRange(0, 1_000_000)
_PEOPLE = click.IntRange(0, 10_000_000)
_DAYS = click.IntRange(1, 3_650)


class _Milliseconds(click.FloatRange):
    """Up to ten minutes; nan would pass any comparison."""

    def __init__(self) -> None:
        super().__init__(0, 600_000)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not a number.", param, ctx)
        return number


_TIME = _Milliseconds()


@click.command()
@click.option(
    "--port", type=_PORT, default=8765, show_default=True, help="Port on 127.0.0.1; 0 for any."
)
@click.option("--track-port", type=_PORT, help="Port of the Track API; by default the next one.")
@click.option(
    "--latency-ms",
    type=_TIME,
    default=0.0,
    show_default=True,
    help="Time that each response takes.",
)
@click.option(
    "--jitter-ms", type=_TIME, default=0.0, show_default=True, help="Random variation of that time."
)
@click.option(
    "--requests-per-second",
    type=_NUMBER,
    default=10,
    show_default=True,
    help="Respond with 429 to more than this; 0 for no limit.",
)
@click.option("--days", type=_DAYS, default=180, show_default=True, help="Age of the workspace.")
@click.option(
    "--deliveries-per-day", type=_NUMBER, default=280, show_default=True, help="On average."
)
@click.option(
    "--people",
    type=_PEOPLE,
    default=2000,
    show_default=True,
    help="People at the start; some join every day.",
)
@click.option("--seed", default=1, show_default=True, help="Each seed makes another workspace.")
def sandbox(  # noqa: PLR0913, PLR0917 - one parameter an option
    port: int,
    track_port: int | None,
    latency_ms: float,
    jitter_ms: float,
    requests_per_second: int,
    days: int,
    deliveries_per_day: int,
    people: int,
    seed: int,
) -> None:
    """Serve a generated workspace on this machine until Ctrl+C.

    Example: tap-customerio sandbox --latency-ms 250
    """
    today = int(time.time()) // _DAY * _DAY
    workspace = Workspace(
        seed=seed, since=today - days * _DAY, per_day=deliveries_per_day, people=people
    )
    try:
        serve(
            workspace,
            port=port,
            track_port=(port and (port + 1) % _PORTS) if track_port is None else track_port,
            latency_ms=latency_ms,
            jitter_ms=jitter_ms,
            requests_per_second=requests_per_second or None,
            started=_print_addresses,
        )
    except PortError as error:
        raise errors.commands.bad_port(error.port, error.reason) from None


def _print_addresses(url: str, track_url: str) -> None:
    click.echo(f"Sandbox at {url}, App API key sandbox-app-api-key. Stop with Ctrl+C.", err=True)
    keys = "site id sandbox-site-id, Track API key sandbox-track-api-key"
    click.echo(f"Its Track API at {track_url}, {keys}.", err=True)
