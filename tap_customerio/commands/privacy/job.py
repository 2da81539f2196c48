"""Options and results that the privacy commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tap_customerio.api.client import Client
from tap_customerio.commands.command_tap import config_option
from tap_customerio.privacy.erasure_record import JOURNAL
from tap_customerio.privacy.evidence import EXIT_CODES, Outcome, digest
from tap_customerio.privacy.folder import KEY, Folder, secret
from tap_customerio.privacy.identity import KINDS, Match, Request
from tap_customerio.privacy.run import Line, Run, read_lines
from tap_customerio.settings import Settings
from tap_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def request_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --config, and the options for people and output."""
    file = click.Path(path_type=Path, dir_okay=False)
    options: list[Callable[[Callable[..., None]], Callable[..., None]]] = [
        config_option,
        click.option("--email", metavar="ADDRESS", help="Everyone with this e-mail address."),
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
            help=(
                "Key of the hashes in the evidence; created if the file does not exist.  "
                "[default: evidence.key in DIR]"
            ),
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def also_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for former identifiers."""
    for kind, what in (("email", "E-mail address"), ("id", "Own id")):
        option = click.option(
            f"--also-{kind}",
            multiple=True,
            help=f"{what} that the person had before, for instance before a merge; repeatable.",
        )
        command = option(command)
    return command


wait_option = click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for confirmation that it is done.",
)
workspace_option = click.option(
    "--workspace",
    type=int,
    metavar="ID",
    help="Workspace to which all keys belong; needed for proof if the account has several.",
)


class Job:
    """Requests and results of a privacy command."""

    def __init__(  # noqa: PLR0913 - each is an option
        self,
        purpose: Mapping[str, Any],
        *,
        config: Mapping[str, Any],
        input_file: Path | None,
        output: Path,
        key_file: Path | None,
        also_email: Sequence[str] = (),
        also_id: Sequence[str] = (),
        **named: str | None,
    ) -> None:
        """Read the options of `request_options` and `also_options`, and prepare the folder."""
        if input_file and (also_email or also_id):
            raise click.UsageError("--also-email and --also-id need a single person, not --input.")
        also = [*(("email", value) for value in also_email), *(("id", value) for value in also_id)]
        self.also = [Request.of(*named_before) for named_before in also]
        lines = _lines(input_file, named)
        self.settings = Settings.of(config)
        self.client = Client(self.settings)
        self.present = self.client.present  # check the key before writing anything
        self.folder = Folder.of_a_run(output)
        self.key = secret(key_file or output / KEY)
        request = lines[0].request if lines and not input_file else None
        self.option = f"--{request.kind.replace('_', '-')}" if request else "--input"
        request_hash = digest(self.key, *request) if request else "input"
        self.folder.claim({**purpose, "requests": request_hash})
        self.run = Run(self.folder, self.key, lines, is_batch=input_file is not None)
        self.to_stderr = False
        for line in self.run.finished:
            self.run.place(line).remove(JOURNAL)  # a killed run may have left it
        if self.run.finished:
            self.say(f"Requests that an earlier run has finished: {len(self.run.finished)}.")

    def say(self, text: str) -> None:
        """Print to the terminal."""
        click.echo(text, err=self.to_stderr)

    def name(self, line: Line, match: Match) -> None:
        """Print who was found, and who was excluded."""
        count = len(match.people)
        found = counted(count, "person", "people") if count else "no people"
        people = [f"  {person.masked()}" for person in match.people]
        others = [f"  not included, only similar: {person.masked()}" for person in match.others]
        self.say("\n".join([f"{line.masked}: {found}", *people, *others]))

    def record(self, line: Line, result: Outcome) -> None:
        """Record an outcome, and print it."""
        self.run.record(line, result)
        reason = f" ({result.reason})" if result.reason else ""
        self.say(f"{line.masked}: {result.outcome}{reason}" if line.request else result.reason)

    def carry_out(
        self,
        lines: Sequence[Line],
        work: Callable[[Line, Request], Outcome],
        stop: Callable[[], None],
        before: Callable[[Line, Outcome], None] = lambda _line, _result: None,
    ) -> None:
        """Work on requests in parallel; record each outcome after calling `before` with it."""
        workers = self.settings.concurrency
        for line, result in self.run.each(lines, work, workers=workers, stop=stop):
            before(line, result)
            self.record(line, result)
            if result.is_settled:
                self.run.place(line).remove(JOURNAL)

    def end(self) -> None:
        """Summarize a batch, and exit with the code of the worst outcome."""
        if summary := self.run.summarize():
            self.say(summary)
        self.say(f"Results are in {self.folder.path}.")
        click.get_current_context().exit(EXIT_CODES[self.run.outcome])


def _lines(input_file: Path | None, named: Mapping[str, str | None]) -> list[Line]:
    given = {kind: named[kind] for kind in KINDS if named[kind] is not None}
    if len(given) + (input_file is not None) != 1:
        raise click.UsageError(
            "Name the person with one of --email, --id, --cio-id, --phone, --input."
        )
    if input_file:
        return read_lines(input_file)
    return [Line(1, Request.of(kind, value or "")) for kind, value in given.items()]
