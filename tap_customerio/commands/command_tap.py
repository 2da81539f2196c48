"""The account a command reads: its --config, and the tap made from it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from singer_sdk.exceptions import ConfigValidationError

from tap_customerio import errors
from tap_customerio.settings import NAME
from tap_customerio.streams import all_streams
from tap_customerio.tap import TapCustomerio
from tap_customerio.windows import parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_customerio.api.client import Client
    from tap_customerio.streams.base import CustomerioStream

ENVIRONMENT = "ENV"
USUAL = "config.json"


class Account(TapCustomerio):
    """The tap as commands use it: it reads through a client of theirs, and Ctrl+C ends it."""

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        client: Client | None = None,
        parse_env_config: bool = False,
    ) -> None:
        """Check the settings; nothing is sent yet.

        Raises:
            TapError: When they are wrong.
        """
        logging.getLogger(NAME).setLevel(logging.WARNING)  # the rest is about a sync
        self._chosen = client
        try:
            # Stream maps are about what a target gets, and take long to set up.
            super().__init__(
                config=dict(config), parse_env_config=parse_env_config, setup_mapper=False
            )
        except ConfigValidationError as error:
            raise errors.commands.bad_settings(error.errors) from None

    @property
    def client(self) -> Client:
        """The App API."""
        return self._chosen or super().client

    def choose(self, names: Sequence[str]) -> list[CustomerioStream]:
        """The streams named, or all.

        Raises:
            TapError: When there is no such stream.
        """
        for name in names:
            if name not in self.streams:
                raise errors.names.unknown("stream", name, self.streams, "'tap-customerio fields'")
        return [self.streams[name] for name in names or self.streams]

    def _setup_signal_handlers(self) -> None:
        pass


def moment(text: str) -> str:
    """Check a date or RFC 3339 instant that somebody typed; returns it in UTC.

    Raises:
        BadParameter: When it is neither.
    """
    try:
        return rfc3339(parse(text))
    except (ValueError, OverflowError):
        wanted = "write 2026-01-31 or 2026-01-31T12:00:00Z."
        raise click.BadParameter(f"{text!r} is no date: {wanted}") from None


def config_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option --config; it gets all settings, checked, as a dict."""
    return click.option(
        "--config",
        multiple=True,
        metavar="FILE",
        callback=_settings,
        help="Configuration file, or ENV for environment variables. "
        f"Without it: {USUAL} in this folder, if there is one, else the environment.",
    )(command)


def stream_names(_ctx: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """Names of streams, for a shell to complete."""
    return sorted(kind.name for kind in all_streams() if kind.name.startswith(begun))


def read_config(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> Any:
    """The SDK's reading of --config, with a sentence for a file that cannot be read.

    Raises:
        TapError: When a file is missing or holds no JSON object.
    """
    for path in value:
        if path != ENVIRONMENT:
            _check(path)
    return TapCustomerio.cb_config(ctx, cast("click.Option", param), value)


def _settings(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, Any]:
    """The settings that the files, the environment and the defaults make up together."""
    if ctx.resilient_parsing:
        return {}
    given = read_config(ctx, param, value) if value else ctx.find_root().params.get("config")
    if given is None or not (given.config or given.parse_env):
        usual = USUAL if Path(USUAL).is_file() else ENVIRONMENT
        given = read_config(ctx, param, (usual,))
    return dict(Account(given.config, parse_env_config=given.parse_env).config)


def _check(path: str) -> None:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise errors.commands.not_utf8(path) from None
    except OSError as error:
        raise errors.commands.unreadable(path, error.strerror or type(error).__name__) from None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise errors.commands.no_json(path, str(error)) from None
    if not isinstance(found, dict):
        raise errors.commands.no_json(path, "it must be an object of settings")
