"""The commands for privacy requests."""

from __future__ import annotations

import click

from tap_customerio.commands.privacy.access import access
from tap_customerio.commands.privacy.erase import erase
from tap_customerio.commands.privacy.inventory import inventory
from tap_customerio.commands.privacy.opt import opt_in, opt_out
from tap_customerio.commands.privacy.unsuppress import unsuppress


@click.group()
def privacy() -> None:
    """Answer privacy requests: access, erasure, opt-out; and list personal data.

    Exit codes: 0 done; 1 something failed or was refused; 3 something could not be read, or not
    proven; 4 no one was found. With many requests the worst one counts: 1, then 3, then 4.

    Example: tap-customerio privacy access --email ada@example.com --output ada
    """


for command in (access, erase, inventory, opt_in, opt_out, unsuppress):
    privacy.add_command(command)
