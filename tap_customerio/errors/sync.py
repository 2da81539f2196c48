"""Sentences about data that a sync could not read, and about deletions it could not prove."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.errors.base import FatalError, TapError
from tap_customerio.wording import duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def unreadable_values(stream: str, values: object) -> str:
    """Some values became null; names fields and rows only."""
    return (
        f"Stream {stream!r}: unreadable values are null (by field, count and row ids): "
        f"{values}. Please report it if Customer.io shows them as usual."
    )


def rows_lost(stream: str, rows: object) -> str:
    """Rows that could not become records."""
    return (
        f"Stream {stream!r}: rows without a key or a readable bookmark value are missing "
        f"(by field, count and row ids): {rows}. The bookmark does not pass them: please "
        "report it."
    )


def bad_value(stream: str, field: str, expected: str) -> TapError:
    """A response does not fit the schema."""
    return TapError(
        f"Stream {stream!r} got a {field!r} that is not a valid {expected}; the API may have "
        "changed: please report it; deselecting the stream lets the others run."
    )


def not_deleted(requests: Sequence[str]) -> TapError:
    """404s for something whose parent still exists."""
    more = f", nor at {len(requests) - 1:,} more" if len(requests) > 1 else ""
    return TapError(
        f"The API has nothing at {requests[0]} (404){more}, although the parent still "
        "exists: the target deletes nothing, and the bookmark stays. Run again; if it "
        "happens again, the account's plan may not include it: ask Customer.io, or deselect "
        "the stream."
    )


def suspiciously_few(stream: str, found: str, known: int) -> str:
    """A list is empty, or has less than half of its earlier rows."""
    return (
        f"Stream {stream!r}: {found}, where the last complete read had {known:,}, and nothing in "
        "the API confirms that the others were deleted. The target keeps them until the next sync "
        "sees the same."
    )


def counted_more(stream: str, found: str, counted: int) -> str:
    """A list has less than half of the rows that the API counts elsewhere."""
    return (
        f"Stream {stream!r}: {found}, but another part of the API counts {counted:,}. The target "
        "keeps all rows until both agree."
    )


def rows_kept(stream: str, reasons: str) -> str:
    """A list was read, but rows may have been missed, so none are deleted."""
    return (
        f"Stream {stream!r}: {reasons}. So the target keeps rows that were not returned, "
        "even if they were deleted; the next complete, undisturbed sync removes those."
    )


def incomplete(streams: list[str]) -> TapError:
    """Streams failed; each has logged its reason."""
    return TapError(
        f"Incomplete: {', '.join(streams)} could not be read, for the reasons above; the other "
        "streams are complete."
    )


def target_gone() -> FatalError:
    """Nothing reads the tap's output any more."""
    return FatalError(
        "The target stopped reading: its log says why. Run again with the last state that it wrote."
    )


def cannot_write(reason: str | None) -> FatalError:
    """Stdout cannot be written."""
    return FatalError(
        f"Cannot write to stdout: {reason}. Solve that, then run again with the last state "
        "that was written."
    )


def former_buckets(stream: str, former: Mapping[str, str], only_there: str) -> str:
    """Rows with buckets of other settings, and SQL to delete them from the target."""
    settings = " and ".join(f"metrics_{name} ({value})" for name, value in former.items())
    resolution, zone = former.get("resolution"), former.get("timezone")
    where = f"resolution = '{resolution}'"
    if resolution is None:
        where = f"source_type = 'campaign' AND timezone = '{zone}'"
    removal = f" This also removes counts of {only_there} that the API no longer has." * bool(
        resolution and only_there
    )
    statement = f"DELETE FROM {stream} WHERE {where};"  # noqa: S608 - for the user, not executed
    return (
        f"Stream {stream} was last read with another {settings}: its range is read again. The "
        "target's table still holds those rows, and sums over both count twice. Once this sync "
        f"has succeeded, remove them with: {statement}{removal}"
    )


def counted_back(what: str, reach: int, resolution: str) -> str:
    """Version 1 of the metrics does not reach back to start_date."""
    return (
        f"The API counts only the last {reach} {resolution} of {what}: earlier buckets of "
        "the range are not available. A coarser metrics_resolution reaches further back."
    )


def log_too_short(oldest: str) -> str:
    """Activities older than the log are missing."""
    return f"The API keeps activities for 30 days: those before {oldest} are not available."


def unknown_senders(error: str) -> str:
    """Broadcasts cannot be read; deliveries may name them as campaigns."""
    return (
        "source_type of messages stays null where campaign_id names the sender, which may be a "
        f"broadcast: the list of broadcasts cannot be read: {error}."
    )


def perhaps_too_old() -> str:
    """Deliveries older than six months may be missing."""
    return (
        "Customer.io may no longer return deliveries older than six months; the tap "
        "requests them anyway."
    )


def too_old(oldest: str) -> str:
    """The metrics count old deliveries that the API no longer lists."""
    return (
        "Metrics count deliveries older than six months, but the API no longer lists them: "
        f"those before {oldest} are not available."
    )


def left_out(what: str, error: str) -> str:
    """An estimate lacks something that cannot be listed or counted."""
    return f"At least: {what} are not counted. {error}"


def short_log(entries: int, seconds: float) -> str:
    """The newest activities say nothing about a month."""
    return (
        f"Not estimated: the newest {entries:,} activities arrived within {duration(seconds)}, too "
        "short a time to estimate the rest."
    )


def rough_log(entries: int, seconds: float) -> str:
    """The newest activities may be a burst."""
    return (
        f"Roughly: the newest {entries:,} activities arrived within {duration(seconds)}; at other "
        "times there may be fewer or more."
    )


def range_cut(stream: str, end: str, present: str) -> str:
    """The end of the range is in the future."""
    return (
        f"Stream {stream!r}: the range ends at {end}, in the future by the API's clock. It "
        f"was read up to {present} and is not done: run again after its end to read the rest."
    )
