"""Sentences about the catalog, the state and selection rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.errors.base import FatalError
from tap_customerio.errors.names import alike, no_such

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def bad_bookmark(stream: str) -> FatalError:
    """A bookmark in the state cannot be read."""
    return FatalError(
        f"The state's bookmark of stream {stream!r} is not an RFC 3339 time: repair the "
        "state, or remove this bookmark to read the stream from start_date."
    )


def future_bookmark(stream: str, bookmark: str) -> FatalError:
    """A bookmark after the present would skip data."""
    return FatalError(
        f"The state's bookmark of stream {stream!r} is {bookmark}, in the future by the API's "
        "clock: repair the state, or remove this bookmark to read the stream from start_date."
    )


def misspelt_setting(name: str, meant: str) -> str:
    """An unknown setting that is probably misspelled."""
    return f"There is no setting {name!r}: did you mean {meant!r}?"


def unknown_setting(name: str, near: Sequence[str]) -> str:
    """An unknown setting; no error, because Meltano passes its own settings on."""
    guess = f"perhaps {near[0]!r} is meant" if near else "'tap-customerio --about' lists them all"
    return f"There is no setting {name!r}, so it is ignored: {guess}."


def beyond_the_limit(rate: float, limit: int) -> str:
    """More requests per second than Customer.io allows."""
    return (
        f"Setting requests_per_second is {rate:g}, but Customer.io accepts only {limit} requests a "
        f"second per workspace and rejects the rest: set {limit} or less."
    )


def bad_log_level(name: str, value: str, levels: Iterable[str]) -> FatalError:
    """A variable holds no level of Python's logging."""
    return FatalError(f"{name} is {value!r}, which is not a log level: set {', '.join(levels)}.")


def bad_batches(reason: str) -> str:
    """A value in batch_config that the SDK would not check."""
    return f"Setting batch_config is not usable: {reason}."


def no_object(what: str, fix: str) -> FatalError:
    """A file is not a JSON object; its content may be secret."""
    return FatalError(f"The {what} is not a JSON object: {fix}.")


def bad_catalog(place: str, expected: str) -> FatalError:
    """The catalog has an invalid structure."""
    return FatalError(
        f"The catalog is malformed at {place}, which must be {expected}: make a new one with "
        "--discover."
    )


def unknown_stream(stream: str) -> FatalError:
    """A selected stream does not exist."""
    return FatalError(
        f"The catalog selects {stream!r}, which is not a stream of this tap: deselect it, or "
        "make a new catalog with --discover."
    )


def unknown_selection(rule: str, stream: str, known: Iterable[str]) -> FatalError:
    """A rule of Meltano matches no stream."""
    return FatalError(
        f"Rule {rule!r} of select fits no stream: {no_such('stream', stream, known)}."
    )


def unknown_field(what: str, stream: str, field: str, known: Sequence[str]) -> FatalError:
    """A rule names a field that the stream does not have."""
    whole = field.rpartition(".")[0]
    near = [whole] if whole in known else alike(field, known)
    guess = f"did you mean {near[0]!r}?" if near else f"see 'tap-customerio fields {stream}'."
    return FatalError(
        f"A {what} names field {field!r}, which stream {stream!r} does not have: {guess}"
    )


def other_replication_key(what: str, stream: str, wanted: object, own: str | None) -> FatalError:
    """The replication key belongs to another version of the stream, or another tap."""
    return FatalError(
        f"The {what} has replication key {wanted!r} for stream {stream!r}, whose own is "
        f"{own or 'none'}: correct it, or remove the stream from the {what}."
    )


def bad_state() -> FatalError:
    """The state is not a Singer state, or is still inside a STATE message."""
    return FatalError(
        "The state has no object 'bookmarks': pass the value of the last STATE message, or "
        "no state to read everything again."
    )


def foreign_state(streams: list[str]) -> FatalError:
    """The state of another tap."""
    return FatalError(
        "The state has bookmarks only of streams that this tap does not have "
        f"({', '.join(streams[:5])}): pass this tap's own state, or none to read everything "
        "again."
    )


def bad_state_workspace() -> FatalError:
    """The state's entry about the workspace is invalid."""
    return FatalError(
        "The state's member 'workspace' is not an object: restore it, or remove it to continue."
    )


def other_workspace(known: Sequence[object], ids: Sequence[int]) -> FatalError:
    """The state belongs, or may belong, to another workspace."""
    its, ours = (", ".join(map(str, found)) or "unknown" for found in (known, ids))
    fix = "pass this workspace's own state, or none to read everything"
    if known and ids and set(known).isdisjoint(ids):
        return FatalError(
            f"The state belongs to workspace {its}, but the key to workspace {ours}: {fix}."
        )
    return FatalError(
        f"The state was written with another app_api_key (its workspaces: {its}; of this "
        f"key: {ours}), so it may belong to another workspace: if it is the same one, set "
        f"workspace_id to the id of the key's workspace; otherwise {fix}."
    )


def no_workspace(wanted: int, listed: Sequence[int]) -> FatalError:
    """workspace_id is not among the account's workspaces."""
    return FatalError(
        f"Setting workspace_id is {wanted}, which is not a workspace of the key's account "
        f"({', '.join(map(str, listed))}): correct it, or use the key of that workspace."
    )
