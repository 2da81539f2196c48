"""The tap for commands, and the option --config."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import _ConfigInput

from tap_customerio import errors
from tap_customerio.settings import NAME
from tap_customerio.streams import all_streams
from tap_customerio.tap import TapCustomerio
from tap_customerio.windows import DAY, parse, relative, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_customerio.api.client import Client
    from tap_customerio.streams.base import CustomerioStream

_CURLY = set("\u201c\u201d\u201e\u2018\u2019")
ENVIRONMENT = "ENV"
DEFAULT_CONFIG = "config.json"
TIMES = "2026-01-31, 2026-01-31T12:00:00Z, yesterday, 7d or 12h; times are UTC"


class CommandTap(TapCustomerio):
    """A tap for commands: it has its own client, and Ctrl+C ends it."""

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        client: Client | None = None,
        parse_env_config: bool = False,
    ) -> None:
        """Check the settings; sends no request.

        Raises:
            TapError: A setting is wrong.
        """
        logger = logging.getLogger(NAME)
        logger.setLevel(max(logger.level, logging.WARNING))  # lower levels are about syncs
        try:
            # Stream maps only affect targets, and take long to set up.
            super().__init__(
                config=dict(config), parse_env_config=parse_env_config, setup_mapper=False
            )
        except ConfigValidationError as error:
            raise errors.commands.bad_settings(error.errors) from None
        if client is not None:
            self.use(client)

    def warn(self, sentences: Sequence[str]) -> None:
        """Log nothing: a command creates several taps, but warns only once."""
        self.warnings = sentences

    def select_streams(self, names: Sequence[str]) -> list[CustomerioStream]:
        """The named streams, or all.

        Raises:
            TapError: A stream does not exist.
        """
        for name in names:
            if name not in self.streams:
                raise errors.names.unknown("stream", name, self.streams, "'tap-customerio fields'")
        return [self.streams[name] for name in names or self.streams]

    def _setup_signal_handlers(self) -> None:
        pass


def moment(text: str) -> str:
    """Parse a date, an RFC 3339 time or a relative time; returns it in UTC.

    Raises:
        BadParameter: It has another format.
    """
    try:
        found = relative(text, time.time())
        return rfc3339(parse(text) if found is None else found)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is not a time: write {TIMES}.") from None


def moment_option(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """The value of --from or --to, in UTC."""
    return None if value is None else moment(value)


def check_range(start: str | None, end: str | None, config: Mapping[str, Any]) -> None:
    """Check --from and --to against each other and the clock; both come from `moment`.

    Raises:
        TapError: The range is empty.
    """
    for option, value in (("--from", start), ("--to", end)):
        if value and parse(value) > time.time() + DAY:
            raise errors.commands.bad_option(option, value, "it is in the future")
    if start and end and start >= end:
        raise errors.commands.bad_option("--from", start, f"it must be before --to, {end!r}")
    first = config.get("start_date")
    if end and first and not start and parse(first) >= parse(end):
        after = f"it must be after setting start_date, {first!r}; give --from too"
        raise errors.commands.bad_option("--to", end, after)


def config_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option --config to a command, which receives the validated settings as a dict."""
    return click.option(
        "--config",
        multiple=True,
        metavar="FILE",
        callback=_settings,
        help=(
            "Configuration file, or ENV for environment variables. Default: "
            f"{DEFAULT_CONFIG} in the current folder if it exists, otherwise the environment."
        ),
    )(command)


def stream_names(_ctx: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """Stream names for shell completion."""
    return sorted(
        stream_class.name for stream_class in all_streams() if stream_class.name.startswith(begun)
    )


def read_config(ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> Any:
    """Merge the files of --config.

    Raises:
        TapError: A file is missing or is not a JSON object.
    """
    config: dict[str, Any] = {}
    for path in value:
        if path != ENVIRONMENT and not ctx.resilient_parsing:
            config |= _read(path)
    return _ConfigInput(config=config, parse_env=ENVIRONMENT in value)


def given_or_default(ctx: click.Context, param: click.Parameter, given: Any) -> Any:
    """The value of --config; by default config.json in this folder, or else the environment."""
    if given is not None and (given.config or given.parse_env):
        return given
    default = DEFAULT_CONFIG if Path(DEFAULT_CONFIG).is_file() else ENVIRONMENT
    return read_config(ctx, param, (default,))


def _settings(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, Any]:
    """The settings from files, environment and defaults."""
    if ctx.resilient_parsing:
        return {}
    given = read_config(ctx, param, value) if value else ctx.find_root().params.get("config")
    given = given_or_default(ctx, param, given)
    tap = CommandTap(given.config, parse_env_config=given.parse_env)
    for sentence in tap.warnings:
        click.echo(f"Warning: {sentence}", err=True)
    known = tap.config_jsonschema["properties"]
    return {name: value for name, value in tap.config.items() if name in known}


def _read(path: str) -> dict[str, Any]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # Windows writes a BOM
    except UnicodeDecodeError:
        raise errors.commands.not_utf8(path) from None
    except OSError as error:
        raise errors.commands.unreadable(path, error.strerror or type(error).__name__) from None
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        curly = _CURLY.intersection(text.split("\n")[error.lineno - 1])
        raise errors.commands.no_json(path, place, curly=bool(curly)) from None
    except (RecursionError, ValueError):
        raise errors.commands.no_json(path, "it nests too deeply") from None
    if not isinstance(found, dict):
        raise errors.commands.no_json(path, "it must begin with { and end with }")
    return found
