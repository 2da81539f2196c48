"""The command that lists the personal data in a workspace."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from tap_customerio.api.client import Client
from tap_customerio.commands.command_tap import config_option
from tap_customerio.privacy.categories import CATEGORIES, read_corrections
from tap_customerio.privacy.evidence import COMPLETE, EXIT_CODES, INCOMPLETE
from tap_customerio.privacy.folder import Folder
from tap_customerio.privacy.inventory import Inventory
from tap_customerio.privacy.inventory_files import write_inventory
from tap_customerio.settings import Settings
from tap_customerio.wording import counted


@click.command()
@config_option
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="New or empty folder for the files, or that of an earlier inventory.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="NUMBER",
    help="How many people, activities and deliveries to sample, and a tenth as many objects.",
)
@click.option(
    "--categories",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="CSV file with columns source, name and category, such as a corrected inventory.csv.",
)
def inventory(
    *, config: dict[str, Any], output: Path, sample: int, categories: Path | None
) -> None:
    """List the fields of the workspace that contain personal data, without values.

    Writes inventory.html to read, inventory.csv to correct, and inventory.json. Exit code 3:
    something could not be read.

    Example: tap-customerio privacy inventory --output inventory
    """
    corrections = read_corrections(categories) if categories else {}
    client = Client(Settings.of(config))
    _ = client.present  # check the key before writing anything
    folder = Folder.of_a_run(output)
    folder.claim({"command": "inventory"})
    found = Inventory(client, sample)
    found.read()
    fields = found.fields(corrections)
    write_inventory(folder, found, fields)
    for each in found.sampled:
        click.echo(f"Sampled {each['count']:,} {each['what']}: {each['how']}.")
    counts = Counter(field.guess.category for field in fields)
    for category in CATEGORIES:
        if counts[category]:
            click.echo(f"  {category}: {counted(counts[category], 'field')}")
    for each in found.not_read:
        click.echo(f"Not read: {each['what']}: {each['why']}")
    click.echo(f"The inventory is in {output}: open inventory.html.")
    click.get_current_context().exit(EXIT_CODES[INCOMPLETE if found.not_read else COMPLETE])
