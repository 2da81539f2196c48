"""Sentences about privacy requests."""

from __future__ import annotations

from tap_customerio.errors.base import TapError


class InvalidShapeError(TapError):
    """A part of a response does not match the contract."""


def unexpected_shape(what: str) -> InvalidShapeError:
    """A part of a response has an unexpected type."""
    return InvalidShapeError(f"The API's response does not have the expected shape: {what}.")


def no_identifier() -> TapError:
    """An empty identifier, which must never be sent."""
    return TapError("The identifier is empty: give one.")


def bad_kind() -> TapError:
    """An unknown type in the first column of --input."""
    return TapError("The type is unknown: write email, id, cio_id or phone.")


def unclear_identifier(kind: str) -> TapError:
    """Text that is not an identifier of this kind."""
    wanted = {
        "email": "an e-mail address such as ada@example.com",
        "cio_id": "letters and digits, with or without cio_ before them",
        "phone": "a number with its country code, such as +358401234567",
    }[kind]
    return TapError(f"The {kind} given is not valid: write {wanted}.")


def wildcard(kind: str) -> TapError:
    """An identifier contains a star, like a search pattern."""
    return TapError(
        f"The {kind} given contains a *, which could mean many people: name one person, by "
        "cio_id if the * is part of the identifier."
    )


def control_character(kind: str) -> TapError:
    """A line break, a tab, or invalid UTF-8."""
    return TapError(
        f"The {kind} given contains a control character, such as a tab or line break, or is "
        "not UTF-8: remove it, or name the person by cio_id."
    )


def too_long(kind: str, most: int) -> TapError:
    """Longer than Customer.io's limit for identifiers."""
    return TapError(f"The {kind} given is longer than {most} bytes: check it, or use the cio_id.")


def no_such_identifier(kind: str) -> TapError:
    """400: this kind does not identify people in the workspace."""
    return TapError(
        f"This workspace does not identify people by {kind}: look the person up in Customer.io, "
        "and name them by cio_id, id or email."
    )


def another_person(kind: str) -> TapError:
    """The response is about another person."""
    return TapError(
        f"A search by {kind} returned a person with another {kind}, or with none: nothing "
        "was done. Check api_url and any proxy, and please report it."
    )


def unstated_phone(cio_id: str) -> TapError:
    """Responses may omit phone numbers."""
    return TapError(
        f"The API found cio_id {cio_id} by this phone number, but the profile does not show "
        "the number: check the person in Customer.io, and if it is the right one, use "
        f"--cio-id {cio_id}."
    )


def taken(path: str) -> TapError:
    """The folder contains other files, or another request."""
    return TapError(
        f"{path} contains something else: pass a new or empty folder with --output, or the "
        "folder of the same command to continue it."
    )


def changed_results(path: str) -> TapError:
    """The columns of the results are not those that a run writes."""
    return TapError(
        f"{path} was changed, perhaps by a spreadsheet program: restore the original, or move the "
        "file away to treat all requests as unfinished."
    )


def no_key(path: str) -> TapError:
    """The file with the key of hashes is invalid."""
    return TapError(
        f"{path} contains no key: a key is one line of 32 or more hexadecimal digits. Pass "
        "another file with --key-file, or one that does not exist yet."
    )


def unreadable_input(path: str, reason: str) -> TapError:
    """The file of --input cannot be read."""
    return TapError(f"Cannot read {path} ({reason}): pass a CSV file of type,value with --input.")


def unconfirmed() -> TapError:
    """The confirmation needs a terminal."""
    return TapError(
        "The command cannot ask for confirmation without a terminal: check the output of "
        "--dry-run, then add --yes."
    )


def no_such_choice(word: str) -> TapError:
    """An unknown word in --from."""
    return TapError(
        f"--from {word} is not a choice: use everything, email, topic:ID, sms, whatsapp, "
        "sms:SENDER or whatsapp:SENDER."
    )


def no_such_topic(text: str, ids: list[str]) -> TapError:
    """The workspace has no such topic."""
    return TapError(
        f"--from topic:{text} is not a topic of this workspace: its topics are {', '.join(ids)}."
        if ids
        else f"--from topic:{text} is not a topic of this workspace: it has none."
    )


def nothing_chosen(why: str) -> TapError:
    """--from selects nothing."""
    return TapError(f"--from matches nothing in this workspace. {why}")


def no_opt_outs(path: str) -> TapError:
    """Opt-in needs the folder of an opt-out."""
    return TapError(
        f"{path} contains no evidence of an opt-out with its key: pass the --output folder "
        "of 'tap-customerio privacy opt-out' with --evidence, and its key with "
        "--evidence-key."
    )


def unreadable_evidence(path: str) -> TapError:
    """A file of evidence is incomplete or edited."""
    return TapError(
        f"{path} is not the evidence of a privacy command: restore it from a copy, or move it out "
        "of the folder."
    )


def nothing_to_reverse() -> TapError:
    """The evidence has no change that opt-in could reverse."""
    return TapError(
        "The evidence proves no change for this person, so there is nothing to reverse: "
        "check the person in Customer.io."
    )


def unproven_workspace(workspace: int) -> TapError:
    """Another workspace may have blocked the same identifiers on purpose."""
    return TapError(
        f"site_id and track_api_key belong to workspace {workspace}, and the account has "
        "several: nothing was unblocked. If it is the right one, add --workspace "
        f"{workspace}."
    )


def bad_corrections(path: str, reason: str) -> TapError:
    """The file of --categories is invalid."""
    return TapError(
        f"Cannot read {path} ({reason}): pass a CSV file with columns source, name and "
        "category with --categories."
    )


def no_such_category(text: str, line: int, known: list[str]) -> TapError:
    """An unknown category in that file."""
    return TapError(
        f"Line {line} of --categories has the category {text!r}: write one of {', '.join(known)}."
    )
