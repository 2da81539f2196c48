"""The command that erases a person."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tap_customerio import errors
from tap_customerio.api.track import connect
from tap_customerio.commands.privacy.job import (
    Job,
    also_options,
    request_options,
    wait_option,
    workspace_option,
)
from tap_customerio.privacy.dialects import DIALECTS, OTHER
from tap_customerio.privacy.erase import Eraser
from tap_customerio.privacy.evidence import (
    COMPLETE,
    EXIT_CODES,
    FAILED,
    NOT_FOUND,
    Outcome,
    worst,
)
from tap_customerio.privacy.identity import Match, Request
from tap_customerio.privacy.warehouse import Script, table_prefix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_customerio.api.track import TrackAccount
    from tap_customerio.privacy.run import Line


NO_SQL = (
    "Copies in warehouses remain. Add --warehouse-sql FILE now for the SQL that removes them: "
    "afterwards Customer.io no longer knows the person's other identifiers."
)


@click.command()
@request_options
@also_options
@click.option(
    "--mode",
    type=click.Choice(["suppress", "delete"]),
    default="suppress",
    show_default=True,
    help="suppress: erase, and block the identifiers from coming back; delete: erase only.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation; needed without a terminal.")
@click.option("--dry-run", is_flag=True, help="Only show who would be erased.")
@wait_option
@workspace_option
@click.option(
    "--warehouse-sql",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help=(
        "Append SQL that handles the copies in a warehouse to this file, or print it with -; "
        "the command never runs it."
    ),
)
@click.option(
    "--warehouse-schema",
    default="",
    metavar="NAME",
    callback=table_prefix,
    help="Schema of the warehouse's tables, for --warehouse-sql.",
)
@click.option(
    "--warehouse-dialect",
    type=click.Choice([*DIALECTS, OTHER]),
    default="postgres",
    show_default=True,
    help="Database of the warehouse; other: plain SQL, for a schema in which all tables exist.",
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
    warehouse_dialect: str,
    **options: Any,
) -> None:
    """Erase a person, and check that they are gone.

    Writes evidence.json, which contains no names. Needs site_id and track_api_key.

    Example: tap-customerio privacy erase --email ada@example.com --output ada --dry-run
    """
    if not (yes or dry_run or sys.stdin.isatty()):
        raise errors.privacy.unconfirmed()
    script = Script(warehouse_sql, warehouse_schema, warehouse_dialect)
    job = Job({"command": "erase", "mode": mode}, **options)
    job.to_stderr = script.is_printed
    track, account = connect(job.settings, job.client, workspace)
    eraser = Eraser(job.client, track, account, action=mode, key=job.key, wait=wait)
    matches, failures = _find(job, eraser)
    if dry_run:
        _end_dry_run(job, matches, failures, script)
    for line, failure in failures:
        job.record(line, failure)
    if not yes:
        _confirm(mode, matches, account, script)

    _erase(job, eraser, matches, script)


def _erase(job: Job, eraser: Eraser, matches: Mapping[Line, Match], script: Script) -> None:
    def work(line: Line, _: Request) -> Outcome:
        return eraser.erase(matches[line], job.run.place(line))

    results: list[Outcome] = []

    def add_copies(line: Line, result: Outcome) -> None:
        results.append(result)
        _add_copies(script, matches[line], result)

    job.carry_out(list(matches), work, eraser.stop, add_copies)
    done = [result for result in results if result.outcome != FAILED or result.is_settled]
    if done:
        job.say(_copies(script, found=any(result.people for result in done), option=job.option))
    job.end()


def _add_copies(script: Script, match: Match, result: Outcome) -> None:
    """Add SQL, unless a later run will; leaves out people who disappeared without an erasure."""
    if result.outcome != FAILED:
        script.add(match)
    elif result.is_settled:
        erased = [person for person in match.people if person.cio_id not in result.untouched]
        gone = [person for person in match.people if person.cio_id in result.untouched]
        if erased:
            script.add(match._replace(people=erased, others=[*match.others, *gone]))


def _copies(script: Script, *, found: bool, option: str) -> str:
    """A hint about warehouse copies of people who were found, or may have been."""
    begin = "Copies in warehouses remain" if found else "Warehouses may still hold copies"
    if script.is_printed:
        return f"{begin} until the statements above are run there."
    if script.path:
        return f"{begin} until {script.path} is run there."
    others = "--also-id and --also-email for the person's other identifiers"
    if option == "--input":
        others = f"one command per person to add identifiers, with {others.partition(' for')[0]}"
    return (
        f"{begin}. 'tap-customerio privacy erase --dry-run --warehouse-sql FILE' writes the SQL "
        f"that removes them: use the same {option}, another --output, and {others}."
    )


def _find(job: Job, eraser: Eraser) -> tuple[dict[Line, Match], list[tuple[Line, Outcome]]]:
    """Look people up and print them; failed look-ups are returned separately."""
    matches: dict[Line, Match] = {}
    failures = []

    def work(line: Line, request: Request) -> Match:
        return eraser.find(request, job.run.place(line), job.also)

    for line, found in job.run.each(job.run.todo, work, workers=job.settings.concurrency):
        if isinstance(found, Match):
            job.name(line, found)
            matches[line] = found
        else:
            failures.append((line, found))
    return matches, failures


def _end_dry_run(
    job: Job,
    matches: Mapping[Line, Match],
    failures: Sequence[tuple[Line, Outcome]],
    script: Script,
) -> None:
    """End a dry run, without an erasure."""
    for line, failure in failures:
        job.say(f"{line.masked}: {failure.reason}" if line.request else failure.reason)
    for match in matches.values():
        script.add(match)
    found = [COMPLETE if match.people else NOT_FOUND for match in matches.values()]
    job.say("No one was erased: this is a dry run.")
    if script.path and not script.is_printed and matches:
        job.say(f"The SQL is in {script.path}.")
    click.get_current_context().exit(EXIT_CODES[worst([*found, *(FAILED for _ in failures)])])


def _confirm(
    mode: str, matches: Mapping[Line, Match], account: TrackAccount, script: Script
) -> None:
    count = sum(len(match.people) for match in matches.values())
    if not count:
        return
    people = "this person" if count == 1 else f"these {count:,} people"
    place = f"Workspace {account.workspace_id} ({account.workspace}), region {account.region}"
    unproven = (
        f" The account has {account.workspaces} workspaces, and the API does not say to "
        "which of them app_api_key belongs: check that it is this one, and confirm it with "
        f"--workspace {account.workspace_id}. Without that no id or e-mail address is "
        "blocked, and nothing can be proven."
    )
    click.echo(f"{place}.{'' if account.is_proven else unproven}", err=True)
    if not script.path:
        click.echo(NO_SQL, err=True)
    click.confirm(f"Erase {people} ({mode})? This cannot be undone", abort=True, err=True)
