"""The command that collects the data of a person."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from tap_customerio.commands.privacy.job import Job, also_options, request_options
from tap_customerio.privacy.report import write_access

if TYPE_CHECKING:
    from tap_customerio.privacy.evidence import Outcome
    from tap_customerio.privacy.identity import Request
    from tap_customerio.privacy.run import Line


@click.command()
@request_options
@also_options
@click.option(
    "--controller",
    metavar="NAME",
    help="Who is responsible for the data (controller); shown on the page.",
)
def access(controller: str | None, **options: Any) -> None:
    """Collect all data about a person.

    Writes report.html to read, report.json for machines, and manifest.json with counts, times,
    hashes, and what could not be read.

    Example: tap-customerio privacy access --email ada@example.com --output ada
    """
    job = Job({"command": "access"}, **options)

    def work(line: Line, request: Request) -> Outcome:
        place = job.run.place(line)
        on_match = partial(job.name, line)
        return write_access(
            job.client,
            request,
            place,
            job.key,
            on_match=on_match,
            also=job.also,
            controller=controller,
        )

    for line, result in job.run.each(job.run.todo, work, workers=job.settings.concurrency):
        job.record(line, result)
    job.end()
