"""What a user can do something about, in one sentence each: the setting, its value, the mend.

Nothing here quotes a key, an answer's body or a person.
"""

from __future__ import annotations


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
