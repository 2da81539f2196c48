"""What a user can do something about, in one sentence each: the setting, its value, the mend.

Nothing here quotes a key, an answer's body or a person.
"""

from __future__ import annotations

import traceback
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from typing_extensions import Self


class Problem(Exception):  # noqa: N818 - it is a problem of the user's, told to the user
    """Ends the run with one sentence and no traceback."""

    @property
    def brief(self) -> str:
        """The same in a list of several."""
        return str(self)


class Fatal(Problem):
    """Concerns the whole run: no other stream would fare better."""


class Unread(Problem):
    """One address cannot be read; others can."""

    def __init__(self, sentence: str, request: str, reason: str) -> None:
        """Remember what was asked for, and in short what came of it."""
        super().__init__(sentence)
        self.request = request
        self._reason = reason

    @property
    def brief(self) -> str:
        """The request and what came of it."""
        return f"{self.request} ({self._reason})"

    def about(self, row: str) -> Self:
        """The same, which names in short the one row that was asked for."""
        self._reason = f"{row}: {self._reason}"
        return self


class Gone(Unread):
    """The API knows no such object (404): deleted, perhaps, since it was listed."""

    def __init__(self, request: str) -> None:
        """Remember what was asked for."""
        super().__init__(
            f"The API knows nothing at {request} (404): it was deleted meanwhile, or api_url is "
            "wrong.",
            request,
            "status 404",
        )


class Forbidden(Unread):
    """The key may not read this (403)."""


class Refused(Unread):
    """The API does not take the question (400 and the like)."""

    def __init__(self, request: str, status: int) -> None:
        """Remember the status."""
        super().__init__(
            f"The API refused {request} with status {status}: this tap does not expect that, "
            "please report it.",
            request,
            f"status {status}",
        )
        self.status = status


class KeepsFailing(Unread):
    """The API does not answer this, while it answers others."""

    def __init__(self, request: str, reason: str, seconds: float) -> None:
        """Say what the last failure was, and for how long it was tried."""
        super().__init__(
            f"Gave up on {request} after {seconds:.0f} seconds, while the API answered other "
            f"requests: {reason}. The next run asks for it again; if it fails every time, please "
            "report it to Customer.io.",
            request,
            reason,
        )


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


def forbidden(request: str, status: int) -> Forbidden:
    """403, or 401 for this request alone."""
    return Forbidden(
        f"app_api_key may not read {request} ({status}): give the key a role or scope that may, "
        "check its IP allow-list, or deselect the streams that need it.",
        request,
        f"status {status}",
    )


def unknown_region(place: str) -> Fatal:
    """Region `auto`, and more than one region might be the right one."""
    return Fatal(
        f"region is 'auto', but the answers of {place} do not say which of them takes app_api_key: "
        "set region to 'us' or 'eu', and check the key's role and its IP allow-list."
    )


def absent(place: str, reason: str, seconds: float) -> Fatal:
    """No server, or another one."""
    return Fatal(
        f"Nothing at {place} answers as the Customer.io API does, after {seconds:.0f} seconds of "
        f"trying: {reason}. Check api_url or region, the network, and the proxy if there is one."
    )


def bad_filter(status: int) -> Problem:
    """The people search does not take the user's filter."""
    return Problem(
        f"The API refused customers_filter with status {status}: write it as the people search "
        'takes it, such as {"attribute": {"field": "plan", "operator": "eq", "value": "pro"}}.'
    )


def redirected(request: str, status: int) -> Fatal:
    """3xx: the key must not follow to another host."""
    return Fatal(
        f"{request} was redirected (status {status}): set api_url, or for the Track "
        "API track_api_url, to the final address."
    )


def redirected_alone(request: str, status: int) -> Unread:
    """3xx of this address, while others were answered."""
    return Unread(
        f"{request} was redirected (status {status}), and other requests were not: the key follows "
        "to no other address; please report it.",
        request,
        f"status {status}",
    )


def proxy_login(place: str) -> Fatal:
    """407: something stands in between."""
    return Fatal(
        f"A proxy on the way to {place} wants a login (407): put it into the environment variable "
        "HTTPS_PROXY, or let the proxy pass this address."
    )


def bad_address(place: str) -> Fatal:
    """No request can be made of it."""
    return Fatal(f"Setting api_url is {place!r}, which is no address that can be asked: check it.")


def no_file_budget(path: str, reason: str) -> Fatal:
    """Processes of this machine cannot share it."""
    return Fatal(
        f"The file {path}, by which rate_limit_url lets processes share the budget, cannot be used "
        f"({reason}): name another folder, where all of them may write."
    )


def missing_redis() -> Fatal:
    """An optional part is not installed, or not made for this system."""
    return Fatal(_needs_extra("rate_limit_url", "redis"))


def odd_redis(place: str, option: str | None = None) -> Fatal:
    """What follows the host."""
    if option:
        return Fatal(
            f"rate_limit_url names {place} with an option {option} that cannot be used, or has a "
            "value that cannot be: correct or remove it."
        )
    return Fatal(
        f"rate_limit_url names {place}, but what follows is not understood: write "
        "redis://host:6379/0."
    )


def no_redis(place: str, reason: str, seconds: float) -> Fatal:
    """Without it nobody knows how many requests the others send."""
    return Fatal(
        f"The Redis of rate_limit_url at {place} cannot be used ({reason}), tried for up to "
        f"{seconds:.0f} seconds: start it, or correct the setting, and run again to go on from "
        "there. Nothing is asked without it, since others share the budget."
    )


def told_to_wait(request: str, seconds: float) -> Fatal:
    """The API wants to be left alone for longer than a run should wait."""
    return Fatal(
        f"The API asks to wait {seconds:.0f} seconds before {request} is tried again. "
        "Run again after that, to go on from the last bookmark."
    )


def gave_up(request: str, reason: str, seconds: float) -> Fatal:
    """Nothing but passing faults for too long, and of other requests, too."""
    return Fatal(
        f"Gave up on {request} after {seconds:.0f} seconds of trying: {reason}. The API answers "
        "nothing else either: run again later to go on from there."
    )


def closed(request: str) -> Fatal:
    """The run has ended meanwhile."""
    return Fatal(f"{request} is not tried again, since the run has ended.")


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


def clock_went_back(place: str) -> Fatal:
    """Bookmarks go by the API's clock, so it must be right."""
    return Fatal(
        f"The clock of {place} went back by more than a minute during the run, or a proxy answers "
        "from a cache: run again when that has passed, to go on from the last bookmark."
    )


def wrong_clock(request: str) -> Unread:
    """One address whose answers have no Date or an old one, perhaps from a cache."""
    return Unread(
        f"The answers to {request} have no Date of now, while others have: perhaps a proxy answers "
        "from a cache. Run again when that has passed.",
        request,
        "an answer without a Date of now",
    )


def too_large(request: str, most: int) -> Problem:
    """More than any answer of the API."""
    return Problem(
        f"The answer to {request} is larger than {most >> 20} MiB, which this tap does not read: "
        "please report it; deselecting the stream lets the others run."
    )


def unreadable_answer(request: str) -> Problem:
    """JSON that no target could take."""
    return Problem(
        f"The answer to {request} nests too deeply, or holds a number of thousands of digits: "
        "please report it; deselecting the stream lets the others run."
    )


def odd_member(request: str, name: str, expected: str) -> Problem:
    """The envelope has changed in part."""
    return Problem(
        f"The answer to {request} has a {name!r} that is no {expected}: the API has changed, "
        "please report it; deselecting the stream lets the others run."
    )


def bad_identifier() -> Problem:
    """An identifier of the API's that would change the path it is put into."""
    return Problem(
        "The API gave an identifier that cannot be part of an address, such as '..': please "
        "report it; deselecting the stream lets the others run."
    )


def missing_rows(request: str, key: str) -> Problem:
    """The envelope has changed."""
    return Problem(
        f"The answer to {request} has no {key!r}: either api_url is not the Customer.io App API, "
        "or the API has changed; please report it."
    )


def cursor_loop(request: str) -> Problem:
    """The API has lost its place in a list."""
    return Problem(
        f"The pages of {request} repeat, or never end: the API gave a page or a page token twice, "
        "or only empty pages. Run again to go on from the last bookmark."
    )


def unreadable_values(stream: str, values: object) -> str:
    """Some values became null; they are named by field and row only."""
    return (
        f"Stream {stream!r}: values that could not be read are null in its records, by field, "
        f"count and ids of rows: {values}. Please report it if Customer.io shows them as usual."
    )


def rows_lost(stream: str, rows: object) -> str:
    """Rows that could not become records."""
    return (
        f"Stream {stream!r}: rows without a key, or with a bookmark value that cannot be read, are "
        f"missing, by field, count and ids: {rows}. Bookmarks do not pass them: please report it."
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


def future_bookmark(stream: str, bookmark: str) -> Fatal:
    """Nothing would be read until then, and what came before it never."""
    return Fatal(
        f"The state's bookmark of stream {stream!r} is {bookmark}, in the future by the API's "
        "clock: repair the state, or remove this bookmark to read the stream from start_date."
    )


def no_object(what: str, mend: str) -> Fatal:
    """What it holds may be secret, so only the place is told."""
    return Fatal(f"The {what} is no JSON object: {mend}.")


def bad_catalog(place: str, expected: str) -> Fatal:
    """It has another shape than discovery gives."""
    return Fatal(
        f"The catalogue is malformed at {place}, which must be {expected}: make a new one with "
        "--discover."
    )


def unknown_stream(stream: str) -> Fatal:
    """Selected, but there is none of that name."""
    return Fatal(
        f"The catalogue selects {stream!r}, which is no stream of this tap: deselect it, or make "
        "a new catalogue with --discover."
    )


def unknown_selection(rule: str, stream: str, known: Iterable[str]) -> Fatal:
    """A rule of Meltano that fits no stream."""
    return Fatal(f"Rule {rule!r} of select fits nothing: {no_such('stream', stream, known)}.")


def unknown_field(what: str, stream: str, field: str, known: Sequence[str]) -> Fatal:
    """Selected or deselected, but the stream has none of that name."""
    whole = field.rpartition(".")[0]
    near = [whole] if whole in known else alike(field, known)
    guess = f"did you mean {near[0]!r}?" if near else f"see 'tap-customerio fields {stream}'."
    return Fatal(f"A {what} names field {field!r} of stream {stream!r}, which has none: {guess}")


def other_replication_key(what: str, stream: str, wanted: object, own: str | None) -> Fatal:
    """It belongs to another version of the stream, or to another tap."""
    return Fatal(
        f"The {what} has replication key {wanted!r} for stream {stream!r}, which goes by "
        f"{own or 'none'}: correct it, or remove the stream from the {what}."
    )


def bad_state() -> Fatal:
    """No Singer state, or one still wrapped in something else."""
    return Fatal(
        "The state has no object 'bookmarks': give the value of the last STATE message, or no "
        "state at all to read everything anew."
    )


def foreign_state(streams: list[str]) -> Fatal:
    """The state of another tap."""
    return Fatal(
        f"The state has bookmarks only of streams that this tap does not have "
        f"({', '.join(streams[:5])}): give this tap's own state, or none to read everything anew."
    )


def bad_state_workspace() -> Fatal:
    """The state's member is of another shape."""
    return Fatal("The state's member 'workspace' is no object: restore it, or remove it to go on.")


def other_workspace(known: Sequence[object], ids: Sequence[int]) -> Fatal:
    """The state of another workspace, or perhaps of another."""
    its, ours = (", ".join(map(str, found)) or "unknown" for found in (known, ids))
    mend = "give this workspace's own state, or none to read everything"
    if known and ids and set(known).isdisjoint(ids):
        return Fatal(f"The state belongs to workspace {its}, the key to workspace {ours}: {mend}.")
    return Fatal(
        f"The state was written with another app_api_key (its workspaces: {its}; of this key: "
        f"{ours}), so it may belong to another workspace: set workspace_id to the id of the key's "
        f"workspace if it is the same, else {mend}."
    )


def no_workspace(wanted: int, listed: Sequence[int]) -> Fatal:
    """The setting names none of the account's workspaces."""
    return Fatal(
        f"Setting workspace_id is {wanted}, which is no workspace of the key's account "
        f"({', '.join(map(str, listed))}): correct it, or use the key of that workspace."
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
    return Problem(_needs_extra(f"'tap-customerio {command}'", extra))


def not_deleted(requests: Sequence[str]) -> Problem:
    """404s of what belongs to something that still exists."""
    more = f", nor at {len(requests) - 1:,} more" if len(requests) > 1 else ""
    return Problem(
        f"The API knows nothing at {requests[0]} (404){more}, though what it belongs to still "
        "exists: nothing is deleted for it, and the bookmark stays. Run again; if it stays so, the "
        "account's plan may not include it: ask Customer.io, or deselect the stream."
    )


def suspiciously_few(stream: str, found: str, known: int) -> str:
    """A mirror came back empty, or with less than half of its rows."""
    return (
        f"Stream {stream!r}: {found}, where the last complete read had {known:,}, and nothing in "
        "the API confirms that the others were deleted. The target keeps them until the next sync "
        "sees the same."
    )


def counted_more(stream: str, found: str, counted: int) -> str:
    """A mirror came back with less than half of what another part of the API counts."""
    return (
        f"Stream {stream!r}: {found}, but another part of the API counts {counted:,}. The target "
        "keeps all rows until both agree."
    )


def rows_kept(stream: str, reasons: str) -> str:
    """A mirror was read, but the read does not prove what is gone."""
    return (
        f"Stream {stream!r}: {reasons}. So the target keeps rows that did not come, which may be "
        "deleted ones; they leave with the next complete sync that is not disturbed."
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


def alike(name: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """The names that this one may have been meant as, the likeliest first."""
    return get_close_matches(name.lower(), known, n=3, cutoff=cutoff)


def unknown(what: str, name: str, known: Iterable[str], where: str) -> Problem:
    """A name that was mistyped, perhaps."""
    near = alike(name, known)
    guess = f"did you mean {' or '.join(near)}?" if near else f"see {where}."
    return Problem(f"There is no {what} {name!r}: {guess}")


def no_such(what: str, name: str, known: Iterable[str]) -> str:
    """As a reason: a name that does not exist, and the nearest that does."""
    near = alike(name, known)
    guess = f": did you mean {near[0]!r}?" if near else ""
    return f"there is no {what} {name!r}{guess}"


def bad_map(stream: str, field: str | None, reason: str) -> Problem:
    """A stream map that cannot be used as it is written."""
    place = f"stream {stream!r}" if field is None else f"stream {stream!r}, field {field!r}"
    end = "" if reason.endswith("?") else "."
    return Problem(f"Setting stream_maps, {place}: {reason}{end}")


def unusable_map(error: Exception) -> Problem:
    """A stream map that the SDK refuses; its own words may quote a secret of an expression."""
    return Problem(
        f"Setting stream_maps or flattening cannot be used ({type(error).__name__}): see "
        "https://sdk.meltano.com/en/latest/stream_maps.html."
    )


def same_column(stream: str) -> Problem:
    """Flattening would put two members into one column."""
    return Problem(
        f"Stream {stream!r}: flattening gives two of its columns the same name: raise "
        "flattening_max_key_length, set another flattening_separator, or rename the field that "
        "stream_maps adds."
    )


def short_key(stream: str, key: str) -> Problem:
    """Flattening would rename a key in records, but not where keys are declared."""
    return Problem(
        f"Stream {stream!r}: flattening_max_key_length would shorten its key {key!r}: set more "
        f"than {len(key)}."
    )


def told(error: Exception) -> str:
    """The one sentence for anything that ends a run; data of the account is never in it."""
    if isinstance(error, Problem):
        return str(error)
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


def no_track() -> Problem:
    """Erasing without the credentials for it."""
    return Problem(
        "Settings site_id and track_api_key are missing: set both, from Account Settings > API "
        "Credentials > Tracking API Keys of the same workspace; people are erased with them."
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


def former_buckets(stream: str, former: Mapping[str, str], only_there: str) -> str:
    """Rows that were cut by other settings, and how to remove them from the target."""
    settings = " and ".join(f"metrics_{name} ({value})" for name, value in former.items())
    resolution, zone = former.get("resolution"), former.get("timezone")
    where = f"resolution = '{resolution}'"
    if resolution is None:
        where = f"source_type = 'campaign' AND timezone = '{zone}'"
    kept = f" This also removes counts of {only_there} that the API no longer has." * bool(
        resolution and only_there
    )
    statement = f"DELETE FROM {stream} WHERE {where};"  # noqa: S608 - to be read, not run
    return (
        f"Stream {stream} was last read with another {settings}: its range is read again. The "
        "target's table still holds those rows, and sums over both count twice. Once this sync "
        f"has succeeded, remove them with: {statement}{kept}"
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


def range_cut(stream: str, end: str, present: str) -> str:
    """The rest of the range does not exist yet."""
    return (
        f"Stream {stream!r}: the range ends at {end}, after the API's present. It was read up to "
        f"{present} and is not done: run again after its end to read the rest."
    )


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


def one_share(path: str, jobs: int) -> str:
    """A backfill that one pipe has begun cannot be divided any more."""
    return (
        f"State file {path!r} was begun with one job, and goes on with one: --restart begins again "
        f"with {jobs}."
    )


def job_failed(job: str, code: int) -> str:
    """One pipe of several failed, at the moment that happens."""
    return f"Job {job} ended with {code}."


def jobs_failed(codes: Mapping[str, int]) -> Problem:
    """Some pipes failed; all have ended."""
    jobs = ", ".join(f"{job} (exit code {code})" for job, code in codes.items())
    return Problem(
        f"Not all jobs finished their share: {jobs}. The log says why; the same command goes on "
        "from the states that their targets confirmed."
    )


def unconfirmed(streams: Sequence[str]) -> Problem:
    """The target ended well, but not all it was given is accounted for."""
    return Problem(
        f"The target has not confirmed {', '.join(streams)}: the same command sends again what is "
        "unconfirmed."
    )


TERMINATED = "Terminated: what the target has confirmed is kept, a re-execution goes on from there."
"""Of a run of Dagster's."""


HELD_OUTPUT = (
    "The target has ended, but a process that it started still holds its output: that is not "
    "waited for."
)
"""Of a target that leaves a helper behind."""


def no_dagster() -> str:
    """An optional part is imported, but not installed."""
    return _needs_extra("tap_customerio.dagster", "dagster")


def _needs_extra(part: str, extra: str) -> str:
    return f"{part} needs an extra: in the clone of the repository, pip install '.[{extra}]'."


def bad_workspace(name: str, wrong: str) -> Problem:
    """A workspace that Dagster is told of cannot be meant so."""
    return Problem(f"Workspace {name!r}: {wrong}")


def no_workspace_key(name: str, variable: str) -> Problem:
    """A machine that runs partitions does not know the key."""
    return Problem(
        f"Workspace {name!r}: environment variable {variable} is not set on this machine: set it "
        "to the workspace's App API key, for every worker."
    )


def no_workspace_target(name: str, program: str) -> Problem:
    """A machine that runs partitions does not have the target."""
    return Problem(
        f"Workspace {name!r}: target {program!r} is not on this machine: install it on every "
        "worker, or give its path."
    )
