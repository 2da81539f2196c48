"""What a user can do something about, in one sentence each: the setting, its value, the mend.

Nothing here quotes a key, an answer's body or a person.
"""

from __future__ import annotations

import traceback
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Problem(Exception):  # noqa: N818 - it is a problem of the user's, told to the user
    """Ends the run with one sentence and no traceback."""


class Fatal(Problem):
    """Concerns the whole run: no other stream would fare better."""


class Gone(Problem):
    """The API knows no such object (404): deleted, perhaps, since it was listed."""

    def __init__(self, request: str) -> None:
        """Remember what was asked for."""
        super().__init__(
            f"The API knows nothing at {request} (404): it was deleted meanwhile, or api_url is "
            "wrong."
        )
        self.request = request


class Forbidden(Problem):
    """The key may not read this (403)."""


def unauthorized(place: str) -> Fatal:
    """401, with no other region that would take the key."""
    return Fatal(
        f"app_api_key was refused by {place} (401): set it to an App API key of this workspace, "
        "from Account Settings > API Credentials > App API Keys. A Track API key does not work "
        "here, and if the key has an IP allow-list, this machine's address must be on it."
    )


def other_region(region: str, right: str) -> Fatal:
    """401, but the other region takes the key."""
    return Fatal(
        f"region is {region!r}, but this app_api_key belongs to {right!r}: set region to {right!r}."
    )


def forbidden(request: str) -> Forbidden:
    """403."""
    return Forbidden(
        f"app_api_key may not read {request} (403): give the key a role or scope that may, check "
        "its IP allow-list, or deselect the streams that need it."
    )


def refused(request: str, status: int) -> Problem:
    """Any other answer that trying again would not change."""
    return Problem(
        f"The API refused {request} with status {status}: this tap does not expect that, "
        "please report it."
    )


def redirected(request: str, status: int) -> Fatal:
    """3xx: the key must not follow to another host."""
    return Fatal(f"{request} was redirected (status {status}): set api_url to the final address.")


def gave_up(request: str, reason: str, seconds: float) -> Fatal:
    """Nothing but passing faults for too long."""
    return Fatal(
        f"Gave up on {request} after {seconds:.0f} seconds of trying: {reason}. "
        "Run again to go on from the last bookmark."
    )


def untrusted(place: str) -> Fatal:
    """TLS failed."""
    return Fatal(
        f"{place} could not prove who it is (TLS): check the machine's clock and certificates, "
        "or the proxy in between."
    )


def no_date(place: str) -> Fatal:
    """The present cannot be known."""
    return Fatal(
        f"{place} answers without a Date header: api_url must point to the Customer.io App API "
        "or to a proxy that passes its headers on."
    )


def missing_rows(request: str, key: str) -> Problem:
    """The envelope has changed."""
    return Problem(
        f"The answer to {request} has no {key!r}: either api_url is not the Customer.io App API, "
        "or the API has changed; please report it."
    )


def cursor_loop(request: str) -> Problem:
    """The API handed out the same page token twice."""
    return Problem(
        f"The pages of {request} repeat: the API handed out a page token twice. "
        "Run again to go on from the last bookmark."
    )


def bad_value(stream: str, field: str, expected: str) -> Problem:
    """An answer cannot be made to fit the schema."""
    return Problem(
        f"Stream {stream!r} got a {field!r} that is no {expected}: the API has changed, "
        "please report it; deselecting the stream lets the others run."
    )


def bad_bookmark(stream: str) -> Fatal:
    """The state given cannot be read."""
    return Fatal(
        f"The state's bookmark of stream {stream!r} is no RFC 3339 time: repair the state, "
        "or remove this bookmark to read the stream from start_date."
    )


def target_gone() -> Fatal:
    """Nobody reads what the tap writes any more."""
    return Fatal(
        "The target stopped reading: its own log says why. Run again with the last state it wrote."
    )


def cannot_write(reason: str | None) -> Fatal:
    """Stdout takes nothing more."""
    return Fatal(
        f"Cannot write to stdout: {reason}. Run again with the last state that was written, once "
        "there is somewhere to write to."
    )


def incomplete(streams: list[str]) -> Problem:
    """Some streams failed, and each has said why."""
    return Problem(
        f"Incomplete: {', '.join(streams)} could not be read, for the reasons above; the other "
        "streams are complete."
    )


def missing_extra(command: str, extra: str) -> Problem:
    """An optional part is not installed."""
    return Problem(
        f"'tap-customerio {command}' needs an extra: pip install 'tap-customerio[{extra}]'."
    )


def not_on_plan(request: str) -> Problem:
    """A 404 for a whole list."""
    return Problem(
        f"The API knows nothing at {request} (404): the account's plan does probably not include "
        "it; ask Customer.io, or deselect the streams that need it."
    )


def bad_settings(sentences: Iterable[str]) -> Fatal:
    """Everything that is wrong with the configuration of a command."""
    return Fatal(f"{' '.join(sentences)} 'tap-customerio init' writes a configuration that works.")


def unreadable(path: str, reason: str) -> Problem:
    """--config, or another option that names a file."""
    return Problem(
        f"Cannot read {path} ({reason}): name an existing file after --config, or write one with "
        "'tap-customerio init'."
    )


def not_utf8(path: str) -> Problem:
    """As some shells of Windows write files."""
    return Problem(f"{path} is no UTF-8 text: save it again as UTF-8.")


def no_json(path: str, reason: str) -> Problem:
    """A file whose place and fault can be told."""
    return Problem(f"{path} is no valid configuration ({reason}): correct it, or write a new one.")


def unknown(what: str, name: str, known: Iterable[str], where: str) -> Problem:
    """A name that was mistyped, perhaps."""
    near = get_close_matches(name, known, n=3)
    guess = f"did you mean {' or '.join(near)}?" if near else f"see {where}."
    return Problem(f"There is no {what} {name!r}: {guess}")


def told(error: Exception) -> str:
    """The one sentence for anything that ends a run; data of the account is never in it."""
    if isinstance(error, Problem):
        return str(error)
    if type(error).__name__ == "JSONDecodeError":  # the standard library's, or the SDK's
        return (
            f"The file of --catalog or --state is no JSON ({error}): give a catalogue from "
            "--discover, and as state the last line that a target wrote."
        )
    if isinstance(error, OSError) and error.strerror:
        return f"Cannot use {error.filename or 'a file'}: {error.strerror}."
    last = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"Unexpected {type(error).__name__} in {last.name}, line {last.lineno}: please report it, "
        "with what --debug (or TAP_CUSTOMERIO_DEBUG=1) shows, once you have looked that over."
    )


def track_unauthorized(place: str) -> Problem:
    """401 of the Track API."""
    return Problem(
        f"site_id and track_api_key were refused by {place} (401): take both from Account "
        "Settings > API Credentials > Tracking API Keys; an App API key does not work there."
    )


def track_unreachable(place: str, reason: str) -> Problem:
    """Anything but an answer."""
    return Problem(
        f"The Track API at {place} did not answer as it should ({reason}): check track_api_url, "
        "the network and its proxies, or try again later."
    )


def track_elsewhere(reason: str) -> Problem:
    """Good credentials of the wrong place."""
    return Problem(
        f"site_id and track_api_key belong to {reason}: take both from the workspace that "
        "app_api_key is of."
    )


def clock_wrong(ahead: int) -> Problem:
    """This machine's clock, and by how many seconds; the tap itself goes by the API's."""
    return Problem(
        f"This machine's clock is {abs(ahead)} seconds {'ahead of' if ahead > 0 else 'behind'} "
        "Customer.io's: nothing is lost by that, since the tap goes by the API's clock, but "
        "schedules and certificates go by this one, so correct it."
    )


def dateless(stream: str) -> Problem:
    """--from or --to, where records have no time that they could mean."""
    return Problem(
        f"Stream {stream!r} has no time to choose by: leave out --from and --to, the API gives "
        "all of it."
    )


def no_chart(stream: str) -> Problem:
    """--chart, where nothing is counted over time."""
    return Problem(
        f"Stream {stream!r} has no counts to draw: --chart goes with metrics, action_metrics, "
        "link_metrics and journey_metrics."
    )


def nothing_found(words: str) -> Problem:
    """No stream, no field."""
    return Problem(
        f"Nothing fits {words!r}: try fewer or shorter words, or 'tap-customerio fields' for all "
        "streams."
    )


def unwritable(path: str, reason: str) -> Problem:
    """A file that a command is to write."""
    return Problem(f"Cannot write {path} ({reason}): choose another file with --output.")


def no_terminal(command: str) -> Problem:
    """Questions nobody could answer."""
    return Problem(
        f"'{command}' asks questions: run it in a terminal, or write config.json yourself."
    )


def counted_back(what: str, reach: int, resolution: str) -> str:
    """Version 1 of the metrics reaches less far than asked."""
    return (
        f"Of {what} the API counts no more than the last {reach} {resolution}: earlier buckets of "
        "the range cannot be had; a coarser metrics_resolution reaches further back."
    )


def log_too_short(oldest: str) -> str:
    """Activities older than the log."""
    return (
        f"The API keeps activities for 30 days: those of the range before {oldest} cannot be had."
    )


def perhaps_too_old() -> str:
    """Deliveries older than six months."""
    return (
        "Whether the API still gives deliveries older than six months is not known for sure: they "
        "are asked for all the same."
    )


def too_old(oldest: str) -> str:
    """Metrics count old deliveries that the list does not have."""
    return (
        "Metrics count deliveries older than six months, but the API no longer lists them: those "
        f"of the range before {oldest} cannot be had."
    )


def bad_option(option: str, value: str, wanted: str) -> Fatal:
    """An option of a command that cannot be meant so."""
    return Fatal(f"{option} is {value!r}: {wanted}.")


def other_backfill(path: str, its: str, ours: str) -> Fatal:
    """The state file belongs to something else."""
    return Fatal(
        f"State file {path!r} belongs to {its}, this is {ours}: name another file with --state, or "
        "forget what it holds with --restart."
    )


def target_failed(code: int) -> Problem:
    """The target ended badly."""
    return Problem(
        f"The target ended with {code}: its own log says why. The same command goes on from the "
        "last state it confirmed."
    )


def unconfirmed(streams: Sequence[str]) -> Problem:
    """The target ended well, but not all it was given is accounted for."""
    return Problem(
        f"The target has not confirmed {', '.join(streams)}: the same command sends again what is "
        "unconfirmed."
    )
