"""The commands for opt-out and opt-in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tap_customerio import errors
from tap_customerio.api.track import connect
from tap_customerio.commands.privacy.job import Job, request_options, wait_option, workspace_option
from tap_customerio.privacy.choices import parse_choices
from tap_customerio.privacy.evidence import COMPLETE, EXIT_CODES, FAILED, NOT_FOUND, Outcome, worst
from tap_customerio.privacy.folder import KEY
from tap_customerio.privacy.identity import Match
from tap_customerio.privacy.opt import Opter
from tap_customerio.privacy.opted import Opted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_customerio.privacy.choices import Choice
    from tap_customerio.privacy.identity import Person, Request
    from tap_customerio.privacy.run import Line


def _opting(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that both commands share."""
    dry = click.option(
        "--dry-run", is_flag=True, help="Show who would be affected, and change nothing."
    )
    yes = click.option(
        "--yes", is_flag=True, help="Do not ask for confirmation; needed without a terminal."
    )
    for option in (workspace_option, wait_option, dry, yes):
        command = option(command)
    return command


@click.command("opt-out")
@request_options
@click.option(
    "--from",
    "words",
    multiple=True,
    default=("everything",),
    show_default=True,
    metavar="CHOICE",
    help=(
        "everything; email (unsubscribed from all messages); topic:ID; sms or whatsapp (all "
        "known senders); sms:SENDER, whatsapp:SENDER. Repeatable."
    ),
)
@_opting
def opt_out(*, words: Sequence[str], **rest: Any) -> None:
    """Stop messages to a person, and check that they are stopped.

    Writes evidence.json, which contains no names. Needs site_id and track_api_key.

    Example: tap-customerio privacy opt-out --email ada@example.com --from topic:2 --output ada
    """
    _run({"command": "opt-out", "from": sorted(words)}, rest, wanted=False, words=words)


@click.command("opt-in")
@request_options
@click.option(
    "--evidence",
    required=True,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="Folder of the opt-out to reverse.",
)
@click.option(
    "--evidence-key",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Key of that evidence.  [default: evidence.key in it]",
)
@_opting
def opt_in(*, evidence: Path, evidence_key: Path | None, **rest: Any) -> None:
    """Reverse exactly the changes that the evidence of an opt-out lists.

    Ask the person first: only they can give consent. Needs site_id and track_api_key.

    Example: tap-customerio privacy opt-in --email ada@example.com --evidence ada --output ada-in
    """
    opted = Opted(evidence, evidence_key or evidence / KEY)
    _run({"command": "opt-in"}, rest, wanted=True, opted=opted)


def _run(
    purpose: Mapping[str, Any],
    rest: dict[str, Any],
    *,
    wanted: bool,
    words: Sequence[str] = (),
    opted: Opted | None = None,
) -> None:
    yes, dry_run, wait = (rest.pop(name) for name in ("yes", "dry_run", "wait"))
    workspace = rest.pop("workspace")
    if not (yes or dry_run or sys.stdin.isatty()):
        raise errors.privacy.unconfirmed()
    job = Job(purpose, **rest)
    track, account = connect(job.settings, job.client, workspace)
    common = [] if opted else parse_choices(job.client, words)
    opter = Opter(job.client, track, account, wanted=wanted, key=job.key, wait=wait)

    def choices(person: Person) -> list[Choice]:
        return opted.choices(person) if opted else common

    matches = _find(job, opter, choices)
    if dry_run:
        _end_dry_run(job, matches)
    elif not yes and any(match.people for match in matches.values()):
        click.echo(f"Workspace {account.workspace_id} ({account.workspace}).", err=True)
        doing = "Opt these people in again" if wanted else "Opt these people out"
        click.confirm(f"{doing} as listed above?", abort=True, err=True)

    def work(line: Line, _: Request) -> Outcome:
        place = job.run.place(line)
        match = matches[line]
        if opted and match.people and not any(choices(p) for p in match.people):
            return Outcome(FAILED, 0, str(errors.privacy.nothing_to_reverse()))
        return opter.apply(match, place, choices)

    job.carry_out(list(matches), work, opter.stop)
    job.end()


def _find(job: Job, opter: Opter, choices: Callable[[Person], list[Choice]]) -> dict[Line, Match]:
    """Look people up, and print them with the changes; record those that fail."""
    matches: dict[Line, Match] = {}

    def work(line: Line, request: Request) -> Match:
        return opter.find(request, job.run.place(line))

    for line, found in job.run.each(job.run.todo, work, workers=job.settings.concurrency):
        if isinstance(found, Match):
            job.name(line, found)
            for person in found.people:
                labels = ", ".join(choice.label for choice in choices(person)) or "nothing"
                job.say(f"  cio_id {person.cio_id}: {labels}")
            matches[line] = found
        else:
            job.record(line, found)
    return matches


def _end_dry_run(job: Job, matches: Mapping[Line, Match]) -> None:
    """End a dry run, without changes."""
    job.say("Nothing was changed: this is a dry run.")
    found = [COMPLETE if match.people else NOT_FOUND for match in matches.values()]
    failed = [FAILED] if len(matches) < len(job.run.todo) else []
    click.get_current_context().exit(EXIT_CODES[worst([*found, *failed])])
