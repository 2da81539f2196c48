"""The command that unblocks identifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tap_customerio import errors
from tap_customerio.api.track import connect
from tap_customerio.commands.privacy.job import Job, request_options, workspace_option
from tap_customerio.privacy.evidence import UNSUPPRESSED, Outcome

if TYPE_CHECKING:
    from tap_customerio.privacy.identity import Request
    from tap_customerio.privacy.run import Line


@click.command()
@request_options
@workspace_option
def unsuppress(*, workspace: int | None, **options: Any) -> None:
    """Unblock identifiers that were blocked by mistake.

    Neither the profile nor its history comes back. Each id or e-mail address is unblocked by
    itself. Needs site_id and track_api_key. The API does not say whether anything was blocked.

    Example: tap-customerio privacy unsuppress --email ada@example.com --output ada-again
    """
    job = Job({"command": "unsuppress"}, **options)
    track, account = connect(job.settings, job.client, workspace)
    if not account.is_proven:
        raise errors.privacy.unproven_workspace(account.workspace_id)

    def work(_: Line, request: Request) -> Outcome:
        try:
            track.act("unsuppress", *request)
        except errors.BadRequestError:
            raise errors.privacy.no_such_identifier(request.kind) from None
        return Outcome(UNSUPPRESSED)

    for line, result in job.run.each(job.run.todo, work, workers=job.settings.concurrency):
        job.record(line, result)
    job.end()
