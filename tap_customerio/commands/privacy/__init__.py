"""The commands for requests of people about their own data."""

from __future__ import annotations

import click

from tap_customerio.commands.privacy.access import access
from tap_customerio.commands.privacy.erase import erase
from tap_customerio.commands.privacy.inventory import inventory
from tap_customerio.commands.privacy.opt import opt_in, opt_out
from tap_customerio.commands.privacy.unsuppress import unsuppress


@click.group()
def privacy() -> None:
    """Answer people who ask what is held on them, or who want to be erased.

    Exit codes: 0 done, 1 something failed or was refused, 3 not everything could be read or seen
    to be gone, 4 no one found. Of many requests the worst counts: 1 before 3 before 4.

    Example: tap-customerio privacy access --email ada@example.com --output ada
    """


for command in (access, erase, inventory, opt_in, opt_out, unsuppress):
    privacy.add_command(command)
