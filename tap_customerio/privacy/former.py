"""Former identifiers of a person, from the activity log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.privacy.identity import look_up, profiles
from tap_customerio.streams.activities import log_pages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_customerio.api.client import Client
    from tap_customerio.privacy.identity import Match

Identifier = tuple[str, str]
"""A kind of identifier, and its value."""

KINDS = ("cio_id", "id", "email")
LIMITS = (
    "Earlier identifiers are known only from 30 days of the activity log: name older ones "
    "with --also-id and --also-email."
)
MERGED = (
    "Other people were merged into them, and the log does not say which: name their ids "
    "and addresses with --also-id and --also-email."
)
UNREAD = "The activity log could not be read: earlier identifiers are unknown."
TAKEN = "An earlier identifier is left out: another person has it now."


def former_identifiers(
    activities: Iterable[Mapping[str, Any]] | None, now: Mapping[str, Any]
) -> list[dict[str, str]] | None:
    """Identifiers in a person's activities other than today's; None if unreadable."""
    if activities is None:
        return None
    known = {(kind, _same(kind, str(now[kind]))) for kind in KINDS if now.get(kind)}
    found = dict.fromkeys(named for row in activities for named in _identifiers_in(row))
    return [
        {"type": kind, "value": value}
        for kind, value in found
        if (kind, _same(kind, value)) not in known
    ]


def with_former(client: Client, match: Match, also: Sequence[Identifier]) -> Match:
    """A match with former identifiers of its people, unless another person has them today.

    Raises:
        TapError: The API does not respond.
    """
    found, notes = list(also), [LIMITS] if match.people else []
    for person in match.people:
        try:
            rows = _activities(client, person.cio_id)
        except errors.FatalError:
            raise
        except errors.TapError:
            notes.append(UNREAD)
            continue
        today = {"cio_id": person.cio_id, **person.identifiers}
        found += [(each["type"], each["value"]) for each in former_identifiers(rows, today) or ()]
        merges = [row for row in rows if row.get("type") == "profile_merge"]
        if any(not list(_nested_identifiers(row.get("data"))) for row in merges):
            notes.append(MERGED)
    return _with(client, match, found, notes)


def with_also(client: Client, match: Match, also: Sequence[Identifier]) -> Match:
    """A match with additional former identifiers."""
    return _with(client, match, [*match.former, *also], match.notes)


def _with(client: Client, match: Match, found: Sequence[Identifier], notes: Sequence[str]) -> Match:
    meant = {person.cio_id for person in match.people}
    unique = list(dict.fromkeys(found))
    free = [named for named in unique if not _has_another(client, named, meant)]
    taken = [TAKEN] if len(free) < len(unique) else []
    return match._replace(former=free, notes=list(dict.fromkeys([*notes, *taken])))


def _activities(client: Client, cio_id: str) -> list[dict[str, Any]]:
    pages = log_pages(client, customer_id=f"cio_{cio_id}", id_type="cio_id")
    return [row for page in pages for row in page if isinstance(row, dict)]


def _has_another(client: Client, named: Identifier, meant: set[str]) -> bool:
    """Whether another person has an identifier; False if this kind identifies no one."""
    kind, value = named
    try:
        if kind == "cio_id":
            return bool(profiles(client, [value])) and value not in meant
        found = look_up(client, kind, value, must_state=False)
    except errors.FatalError:
        raise
    except errors.TapError:
        return True
    return bool({person.cio_id for person in found} - meant)


def _identifiers_in(row: Mapping[str, Any]) -> Iterator[Identifier]:
    """Identifiers in an activity: its person's, former values, and those of merged people."""
    yield from _nested_identifiers(row.get("customer_identifiers"))
    data = row.get("data")
    if row.get("type") == "attribute_change" and isinstance(data, dict):
        changed = {kind: data[kind] for kind in KINDS if isinstance(data.get(kind), dict)}
        yield from _nested_identifiers(
            {kind: change.get("from") for kind, change in changed.items()}
        )
    if row.get("type") == "profile_merge":
        yield from _nested_identifiers(data)


def _nested_identifiers(data: Any) -> Iterator[Identifier]:
    """Identifiers at any depth, because the format of merges is undocumented."""
    if isinstance(data, list):
        for item in data:
            yield from _nested_identifiers(item)
    elif isinstance(data, dict):
        for name, value in data.items():
            if name in KINDS and isinstance(value, str | int) and str(value):
                text = str(value)
                yield name, text.removeprefix("cio_") if name == "cio_id" else text
            else:
                yield from _nested_identifiers(value)


def _same(kind: str, value: str) -> str:
    return value.casefold() if kind == "email" else value
