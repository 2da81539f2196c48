"""The command for shell completion."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from tap_customerio.settings import NAME


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands, options and streams in your shell.

    Put it into the shell's start file: eval "$(tap-customerio completion bash)"

    Example: tap-customerio completion fish > ~/.config/fish/completions/tap-customerio.fish
    """
    kind = get_completion_class(shell)
    if kind is not None:
        variable = f"_{NAME}_COMPLETE".replace("-", "_").upper()
        click.echo(kind(ctx.find_root().command, {}, NAME, variable).source())
