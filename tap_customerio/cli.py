"""The command line: an ordinary Singer tap, and commands for people beside it."""

from __future__ import annotations

import importlib
from typing import Any

import click
from singer_sdk.plugin_base import SingerCommand

from tap_customerio import problems
from tap_customerio.tap import TapCustomerio

_COMMANDS = {
    "demo": ("tap_customerio.demo", "demo"),
    "sandbox": ("tap_customerio.sandbox.command", "sandbox"),
}
"""Where each command lives, and the extra it needs; imported when used, to start fast."""


class CustomerioCommand(SingerCommand, click.Group):
    """Singer's flags on the group itself, subcommands beside them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All commands for people."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command.

        Raises:
            ClickException: When the extra it needs is not installed.
        """
        if cmd_name not in _COMMANDS:
            return None
        module, extra = _COMMANDS[cmd_name]
        try:
            command: click.Command = getattr(importlib.import_module(module), cmd_name)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("tap_customerio"):
                raise
            raise click.ClickException(str(problems.missing_extra(cmd_name, extra))) from None
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run; a problem of the user's ends it with one sentence."""
        try:
            return super().invoke(ctx)
        except problems.Problem as problem:
            self.logger.error("%s", problem)  # noqa: TRY400 - a sentence, no traceback
            ctx.exit(1)


def main() -> None:
    """Run the command line."""
    tap = TapCustomerio.cli

    @click.pass_context
    def run(ctx: click.Context, /, **options: Any) -> None:
        if ctx.invoked_subcommand is None and tap.callback is not None:
            tap.callback(**options)

    CustomerioCommand(
        name=tap.name,
        callback=run,
        params=tap.params,
        help="Read Customer.io as a Singer tap, or run one of the commands below.",
        context_settings=tap.context_settings,
        logger=TapCustomerio.logger,
        invoke_without_command=True,
        subcommand_metavar="[COMMAND]",
    )()
