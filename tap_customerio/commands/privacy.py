"""The commands for requests of people about their own data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tap_customerio import problems
from tap_customerio.client import Client
from tap_customerio.commands.account import config_option
from tap_customerio.privacy import refusals
from tap_customerio.privacy.case import JOURNAL
from tap_customerio.privacy.erase import Eraser
from tap_customerio.privacy.evidence import (
    COMPLETE,
    EXIT_CODES,
    FAILED,
    NOT_FOUND,
    UNSUPPRESSED,
    Outcome,
    digest,
    worst,
)
from tap_customerio.privacy.folder import Folder, secret
from tap_customerio.privacy.identity import KINDS, Match, Request
from tap_customerio.privacy.report import write_access
from tap_customerio.privacy.run import Line, Run, read_lines
from tap_customerio.privacy.warehouse import Script, table_prefix
from tap_customerio.settings import Settings
from tap_customerio.track import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_customerio.track import Account


@click.group()
def privacy() -> None:
    """Answer people who ask what is held on them, or who want to be erased.

    Exit codes: 0 done, 1 something failed or was refused, 3 not everything could be read or seen
    to be gone, 4 nobody found. Of many requests the worst counts: 1 before 3 before 4.

    Example: tap-customerio privacy access --email ada@example.com --output ada
    """


def _asked(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its --config, and the options that say who is meant and where to write."""
    file = click.Path(path_type=Path, dir_okay=False)
    options: list[Callable[[Callable[..., None]], Callable[..., None]]] = [
        config_option,
        click.option("--email", metavar="ADDRESS", help="Everybody with this e-mail address."),
        click.option("--id", metavar="ID", help="Your own id of the person."),
        click.option("--cio-id", metavar="ID", help="Customer.io's permanent id of the person."),
        click.option("--phone", metavar="NUMBER", help="Phone number, with the country code."),
        click.option(
            "--input",
            "input_file",
            type=file,
            metavar="FILE",
            help="Many requests: a CSV file with type,value on each line, types as above "
            "(email, id, cio_id, phone).",
        ),
        click.option(
            "--output",
            required=True,
            type=click.Path(path_type=Path, file_okay=False),
            metavar="DIR",
            help="New or empty folder for the results, or that of an interrupted run.",
        ),
        click.option(
            "--key-file",
            type=file,
            metavar="FILE",
            envvar="TAP_CUSTOMERIO_EVIDENCE_KEY_FILE",
            help="Key of the hashes in evidence, made if the file is not there.  "
            "[default: evidence.key in DIR]",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


_workspace_option = click.option(
    "--workspace",
    type=int,
    metavar="ID",
    help="Workspace that all keys are of; needed for proof if the account has several.",
)


class _Job:
    """What the commands have in common: who is asked about, and where results go."""

    def __init__(
        self,
        purpose: Mapping[str, Any],
        *,
        config: Mapping[str, Any],
        input_file: Path | None,
        output: Path,
        key_file: Path | None,
        **named: str | None,
    ) -> None:
        lines = _lines(input_file, named)
        self.settings = Settings.of(config)
        self.client = Client(self.settings)
        self.present = self.client.present  # ask with the key before anything is written
        self.folder = Folder.of_a_run(output)
        self.key = secret(key_file or output / "evidence.key")
        asked = "input" if input_file else digest(self.key, *lines[0].request or ("", ""))
        self.folder.claim({**purpose, "requests": asked})
        self.run = Run(self.folder, self.key, lines, is_batch=input_file is not None)
        self.to_stderr = False
        for line in self.run.finished:
            self.run.place(line).remove(JOURNAL)  # if it was killed just before it did so itself
        if self.run.finished:
            self.say(f"Requests that an earlier run has finished: {len(self.run.finished)}.")

    def say(self, text: str) -> None:
        """Tell the terminal."""
        click.echo(text, err=self.to_stderr)

    def name(self, line: Line, match: Match) -> None:
        """Tell who was found, and who was not meant."""
        count = len(match.people)
        found = "1 person" if count == 1 else f"{count or 'no'} people"
        people = [f"  {person.masked()}" for person in match.people]
        others = [f"  not included, only alike: {person.masked()}" for person in match.others]
        self.say("\n".join([f"{line.masked}: {found}", *people, *others]))

    def record(self, line: Line, result: Outcome) -> None:
        """Record an outcome, and tell it."""
        self.run.record(line, result)
        self.say(f"{line.masked}: {result.outcome}{f' ({result.reason})' if result.reason else ''}")

    def end(self) -> None:
        """Leave with the exit code of the worst outcome."""
        self.say(f"Results are in {self.folder.path}.")
        click.get_current_context().exit(EXIT_CODES[self.run.outcome])


def _lines(input_file: Path | None, named: Mapping[str, str | None]) -> list[Line]:
    given = {kind: named[kind] for kind in KINDS if named[kind] is not None}
    if len(given) + (input_file is not None) != 1:
        raise click.UsageError(
            "Say who is meant by one of --email, --id, --cio-id, --phone, --input."
        )
    if input_file:
        return read_lines(input_file)
    return [Line(1, Request.of(kind, value or "")) for kind, value in given.items()]


@privacy.command()
@_asked
def access(**asked: Any) -> None:
    """Write down everything that is held on a person.

    The folder gets report.html to read, report.json for machines, and manifest.json with counts,
    times, hashes, and what could not be read.

    Example: tap-customerio privacy access --email ada@example.com --output ada
    """
    job = _Job({"command": "access"}, **asked)

    def work(line: Line, request: Request) -> Outcome:
        place = job.run.place(line)
        return write_access(
            job.client, request, place, job.key, lambda match: job.name(line, match)
        )

    for line, result in job.run.each(job.run.todo, work, workers=job.settings.concurrency):
        job.record(line, result)
    job.end()


@privacy.command()
@_asked
@click.option(
    "--mode",
    type=click.Choice(["suppress", "delete"]),
    default="suppress",
    show_default=True,
    help="suppress: erase, and block the identifiers from coming back; delete: erase only.",
)
@click.option("--yes", is_flag=True, help="Do not ask; needed where nobody can be asked.")
@click.option("--dry-run", is_flag=True, help="Show who would be erased, and erase nobody.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How long to look whether a person is gone.",
)
@_workspace_option
@click.option(
    "--warehouse-sql",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Add SQL for the copies in a warehouse to this file, or - to print it; it is never run.",
)
@click.option(
    "--warehouse-schema",
    default="",
    metavar="NAME",
    callback=table_prefix,
    help="Schema of the warehouse's tables, for --warehouse-sql.",
)
def erase(  # noqa: PLR0913 - each is an option
    *,
    mode: Any,
    yes: bool,
    dry_run: bool,
    wait: float,
    workspace: int | None,
    warehouse_sql: Path | None,
    warehouse_schema: str,
    **asked: Any,
) -> None:
    """Erase a person, and look whether they are gone.

    The folder gets evidence.json, which names nobody. Needs site_id and track_api_key.

    Example: tap-customerio privacy erase --email ada@example.com --output ada --dry-run
    """
    if not (yes or dry_run or sys.stdin.isatty()):
        raise refusals.unconfirmed()
    job = _Job({"command": "erase", "mode": mode}, **asked)
    script = Script(warehouse_sql, warehouse_schema)
    job.to_stderr = script.is_printed
    track, account = connect(job.settings, job.client, workspace)
    eraser = Eraser(job.client, track, account, action=mode, key=job.key, wait=wait)
    matches, failures = _find(job, eraser)
    if dry_run:
        _rehearse(job, matches, failures, script)
    for line, failure in failures:
        job.record(line, failure)
    if not yes:
        _confirm(mode, matches, account)

    def work(line: Line, _: Request) -> Outcome:
        return eraser.erase(matches[line], job.run.place(line))

    workers = job.settings.concurrency
    for line, result in job.run.each(list(matches), work, workers=workers, stop=eraser.stop):
        if result.outcome != FAILED:
            script.add(matches[line])
        job.record(line, result)
        if result.is_settled:
            job.run.place(line).remove(JOURNAL)
    job.end()


def _find(job: _Job, eraser: Eraser) -> tuple[dict[Line, Match], list[tuple[Line, Outcome]]]:
    """Look everybody up and name them; those who cannot be looked up come apart."""
    matches: dict[Line, Match] = {}
    failures = []

    def work(line: Line, request: Request) -> Match:
        return eraser.find(request, job.run.place(line))

    for line, found in job.run.each(job.run.todo, work, workers=job.settings.concurrency):
        if isinstance(found, Match):
            job.name(line, found)
            matches[line] = found
        else:
            failures.append((line, found))
    return matches, failures


def _rehearse(
    job: _Job,
    matches: Mapping[Line, Match],
    failures: Sequence[tuple[Line, Outcome]],
    script: Script,
) -> None:
    """End without having erased anybody."""
    for line, failure in failures:
        job.say(f"{line.masked}: {failure.reason}")
    for match in matches.values():
        script.add(match)
    found = [COMPLETE if match.people else NOT_FOUND for match in matches.values()]
    job.say("Nobody was erased: this is a dry run.")
    click.get_current_context().exit(EXIT_CODES[worst([*found, *(FAILED for _ in failures)])])


def _confirm(mode: str, matches: Mapping[Line, Match], account: Account) -> None:
    count = sum(len(match.people) for match in matches.values())
    if not count:
        return
    people = "this person" if count == 1 else f"these {count} people"
    place = f"Workspace {account.workspace_id} ({account.workspace}), region {account.region}"
    unproven = (
        f" The account has {account.workspaces} workspaces, and the API does not say which of them "
        "app_api_key is of: make sure that it is this one, and say so with --workspace "
        f"{account.workspace_id}. Without it nothing is blocked by id or e-mail address, and "
        "nothing can be proven."
    )
    click.echo(f"{place}.{'' if account.is_proven else unproven}", err=True)
    click.confirm(f"Erase {people} ({mode})? That cannot be undone", abort=True, err=True)


@privacy.command()
@_asked
def unsuppress(**asked: Any) -> None:
    """Let identifiers be used again that were blocked by mistake.

    Neither the profile nor its history comes back. Id and e-mail address are freed one by one.
    Needs site_id and track_api_key; the API does not say whether anything was blocked.

    Example: tap-customerio privacy unsuppress --email ada@example.com --output ada-again
    """
    job = _Job({"command": "unsuppress"}, **asked)
    track, _ = connect(job.settings, job.client)

    def work(_: Line, request: Request) -> Outcome:
        try:
            track.act("unsuppress", *request)
        except problems.Refused:
            raise refusals.no_such_identifier(request.kind) from None
        return Outcome(UNSUPPRESSED)

    for line, result in job.run.each(job.run.todo, work, workers=job.settings.concurrency):
        job.record(line, result)
    job.end()
