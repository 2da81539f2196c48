"""What can be wrong with a privacy request, in one sentence each."""

from __future__ import annotations

from tap_customerio.problems import Problem


def no_identifier() -> Problem:
    """Nobody in particular; never to be sent."""
    return Problem("The identifier is empty: name the person by one that is not.")


def bad_kind() -> Problem:
    """The first column of --input."""
    return Problem("The type is none of email, id, cio_id, phone: write one of them.")


def unclear_identifier(kind: str) -> Problem:
    """What could mean nobody, or many."""
    wanted = {
        "email": "an e-mail address such as ada@example.com",
        "cio_id": "letters and digits, with or without cio_ before them",
        "phone": "a number with its country code, such as +358401234567",
    }.get(kind, "text without * and control characters")
    return Problem(f"The {kind} given is none: write {wanted}.")


def no_such_identifier(kind: str) -> Problem:
    """400: not every workspace identifies people by everything."""
    return Problem(
        f"This workspace does not identify people by {kind}: look the person up in Customer.io, "
        "and name them by cio_id, id or email."
    )


def somebody_else(kind: str) -> Problem:
    """An answer that must not be acted on."""
    return Problem(
        f"The API answered a search by {kind} with somebody who has another: nothing was done; "
        "check api_url and what is in between, and report it."
    )


def taken(path: str) -> Problem:
    """A folder that holds something of somebody else's, or of another request."""
    return Problem(
        f"{path} holds something else: name a new or empty folder with --output, or that of the "
        "very same command to go on with it."
    )


def no_key(path: str) -> Problem:
    """The key of hashes."""
    return Problem(
        f"{path} holds no key: it must be one line of 32 or more hexadecimal digits; name another "
        "file with --key-file, or one that does not exist yet."
    )


def unreadable_input(path: str, reason: str) -> Problem:
    """The file of --input."""
    return Problem(f"Cannot read {path} ({reason}): name a CSV file of type,value after --input.")


def unconfirmed() -> Problem:
    """Nobody there to ask."""
    return Problem(
        "Nobody can be asked whether to erase, as this is no terminal: look at what --dry-run "
        "shows, and add --yes."
    )
