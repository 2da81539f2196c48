"""The command line: a Singer tap with additional commands."""

from __future__ import annotations

import ast
import importlib
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import SingerCommand
from singer_sdk.tap_base import CliTestOptionValue

from tap_customerio import errors
from tap_customerio.commands.command_tap import given_or_default, read_config
from tap_customerio.streams import all_streams
from tap_customerio.sync import validation
from tap_customerio.tap import TapCustomerio

if TYPE_CHECKING:
    from collections.abc import Sequence

DEBUG = "--debug"

_COMMANDS = {
    "backfill": ("tap_customerio.commands.backfill", None),
    "check": ("tap_customerio.commands.check", None),
    "completion": ("tap_customerio.commands.completion", None),
    "demo": ("tap_customerio.commands.demo", "demo"),
    "fields": ("tap_customerio.commands.fields", None),
    "init": ("tap_customerio.commands.init", None),
    "preview": ("tap_customerio.commands.preview", None),
    "privacy": ("tap_customerio.commands.privacy", None),
    "report": ("tap_customerio.commands.report", "report"),
    "sandbox": ("tap_customerio.commands.sandbox", "sandbox"),
    "verify": ("tap_customerio.commands.verify", None),
}
"""The module and the extra of each command; modules are imported on use, to start fast."""


class CustomerioCommand(SingerCommand, click.Group):
    """Singer's options on the group itself, and subcommands."""

    debug = False

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names of all commands."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command; if its extra is missing, return one that reports this when it runs."""
        if cmd_name not in _COMMANDS:
            return None
        module, extra = _COMMANDS[cmd_name]
        try:
            command: click.Command = getattr(importlib.import_module(module), cmd_name)
        except ModuleNotFoundError as error:
            if extra is None or (error.name or "").startswith("tap_customerio"):
                raise
            return _missing(cmd_name, module, extra)
        return command

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        """Run; any error ends it with one sentence, except with --debug."""
        given = list(sys.argv[1:] if args is None else args)
        self.debug = DEBUG in given or bool(os.environ.get("TAP_CUSTOMERIO_DEBUG"))
        try:
            return super().main([word for word in given if word != DEBUG], *rest, **options)
        except Exception as error:
            if self.debug:
                raise
            self.logger.error("%s", errors.format_error(error))  # noqa: TRY400 - no traceback
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        """Run; report command errors without the log prefix."""
        try:
            return super().invoke(ctx)
        except (errors.TapError, ConfigValidationError) as error:
            if ctx.invoked_subcommand is None or self.debug:
                raise
            raise click.ClickException(errors.format_error(error)) from None


def _described(name: str, module: str) -> str:
    """The first line of a command's docstring; empty where the package has no source files."""
    spec = find_spec(module)
    try:
        body = ast.parse(Path((spec and spec.origin) or "").read_text(encoding="utf-8")).body
    except (OSError, ValueError, SyntaxError):
        return ""
    named = (each for each in body if isinstance(each, ast.FunctionDef) and each.name == name)
    return next(((ast.get_docstring(each) or "").partition("\n")[0] for each in named), "")


def _missing(name: str, module: str, extra: str) -> click.Command:
    """A command with the description of the one that cannot be imported."""
    described = _described(name, module)
    error = str(errors.commands.missing_extra(name, extra))

    def fail(**_: Any) -> None:
        raise click.ClickException(error)

    return click.Command(
        name,
        callback=fail,
        params=[click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)],
        context_settings={"ignore_unknown_options": True},
        add_help_option=False,
        help=described,
        short_help=f"{described} (needs the extra {extra})".lstrip(),
    )


def _test(ctx: click.Context, param: click.Parameter, value: str) -> None:
    """Run the mode of --test instead of a sync."""
    if value == CliTestOptionValue.Disabled.value:
        return
    given = given_or_default(ctx, param, ctx.params.get("config"))
    tap = TapCustomerio(config=given.config, parse_env_config=given.parse_env)
    is_schema = value == CliTestOptionValue.Schema.value
    (tap.write_schemas if is_schema else tap.test_connection)()
    ctx.exit()


def command() -> CustomerioCommand:
    """The tap's command with all subcommands."""
    tap = TapCustomerio.cli
    stream_classes = {stream_class.name: stream_class for stream_class in all_streams()}

    @click.pass_context
    def run(ctx: click.Context, /, debug: bool, **options: Any) -> None:  # noqa: ARG001, FBT001
        if ctx.invoked_subcommand is None and tap.callback is not None:
            validation.check_selection(os.environ, stream_classes)
            options["catalog"] = validation.checked_catalog(options["catalog"], stream_classes)
            options["state"] = validation.checked_state(options["state"], stream_classes)
            options["config"] = given_or_default(ctx, config, options["config"])
            TapCustomerio.watched = True
            try:
                tap.callback(**options)
            except ConfigValidationError as error:  # the SDK would exit without a reason
                raise errors.commands.bad_settings(error.errors) from None

    config = next(param for param in tap.params if param.name == "config")
    config.callback = read_config
    for param in tap.params:
        if param.name == "test":  # else the SDK ignores an unknown mode, and reads everything
            param.type = click.Choice([option.value for option in CliTestOptionValue])
            param.callback = _test
    explain = "Show where an error came from; TAP_CUSTOMERIO_DEBUG=1 does the same."
    debug = click.Option([DEBUG], is_flag=True, help=explain)
    return CustomerioCommand(
        name=tap.name,
        callback=run,
        params=[*tap.params, debug],
        help="Read Customer.io as a Singer tap, or run one of the commands below.",
        context_settings=tap.context_settings,
        logger=TapCustomerio.logger,
        invoke_without_command=True,
        subcommand_metavar="[COMMAND]",
    )


def main() -> None:
    """Run the command line."""
    try:
        validation.check_log_levels(os.environ)
        if sys.stdout is None:
            raise errors.commands.closed_output()
    except errors.TapError as error:  # before the log exists
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    command()()
