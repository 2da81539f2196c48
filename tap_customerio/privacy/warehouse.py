"""SQL that deletes people from the tables of this tap's streams."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from tap_customerio.privacy.dialects import OTHER, stage
from tap_customerio.privacy.folder import append
from tap_customerio.streams import all_streams
from tap_customerio.streams.pii import is_personal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tap_customerio.privacy.identity import Match

COUNTED = {"messages"}
"""Tables whose rows stay, without the person, because statistics need them."""


class Table(NamedTuple):
    """A table with rows about people."""

    name: str
    keys: Mapping[str, str]
    personal: tuple[str, ...]

    def statement(self, values: Mapping[str, list[str]], prefix: str = "") -> str | None:
        """SQL that deletes people with these identifiers; None if the table has none of them."""
        where = [
            f"{column} = {value}" if kind != "email" else f"lower({column}) = lower({value})"
            for kind, column in self.keys.items()
            for value in values.get(kind, ())
        ]
        if not where:
            return None
        words = ["DELETE FROM", f"{prefix}{self.name}"]
        if self.name in COUNTED:
            nulls = ", ".join(f"{column} = NULL" for column in self.personal)
            words = ["UPDATE", words[1], "SET", nulls]
        return " ".join(words) + "\n WHERE " + "\n    OR ".join(where) + ";"

    def empty(self) -> str:
        """SQL that creates an empty table of this name, in a schema to be filled in."""
        columns = dict.fromkeys((*self.keys.values(), *self.personal))
        return f"CREATE TABLE {{spare}}.{self.name} ({' VARCHAR, '.join(columns)} VARCHAR);"


@cache
def tables() -> tuple[Table, ...]:
    """All tables with rows about people, with their identifying columns."""
    return tuple(_tables())


def _tables() -> Iterator[Table]:
    for stream_class in sorted(all_streams(), key=lambda stream_class: stream_class.name):
        columns = stream_class.schema["properties"]
        own = "id" if is_personal(f"{stream_class.name}.id") else "customer_id"
        address = "email" if "email" in columns else "recipient"
        named = {"cio_id": "cio_id", "id": own, "email": address}
        keys = {kind: column for kind, column in named.items() if column in columns}
        if "cio_id" in keys or stream_class.name == "esp_suppressions":
            personal = ("cio_id", *(name for name in columns if has_personal(stream_class, name)))
            yield Table(stream_class.name, keys, personal)


def statements(match: Match, schema: str = "", dialect: str = OTHER) -> str:
    """SQL that deletes the copies of all matching people, or of anyone with the identifier."""
    named: dict[str, list[str]] = {}
    shared = {other.identifiers.get("email", "").lower() for other in match.others}
    for kind, value in dict.fromkeys(_identifiers(match)):
        if kind != "email" or value.lower() not in shared:
            named.setdefault(kind, []).append(value)
    values = {kind: [_literal(text) for text in texts] for kind, texts in named.items()}
    known = {kind: [text for text in texts if text] for kind, texts in values.items()}
    notes = list(match.notes)
    if known != values:
        notes.append("An identifier with a backslash is left out: handle it manually.")
    lines = [f"-- {note}" for note in notes]
    prefix = f"{schema}." if schema and dialect == OTHER else ""
    made = [(table, table.statement(known, prefix)) for table in tables()]
    used = [table for table, statement in made if statement]
    lines += [statement for _, statement in made if statement]
    if dialect == OTHER or not used:
        return "\n".join(lines) + "\n"
    names, empty = [table.name for table in used], [table.empty() for table in used]
    before, after = stage(dialect, schema, names, empty)
    return "\n".join([*before, *lines, *after]) + "\n"


class Script:
    """Collects statements in a file, or prints them."""

    def __init__(self, path: Path | None, schema: str, dialect: str) -> None:
        """None discards the statements, and "-" prints them.

        Raises:
            UsageError: The database has no such schema names.
        """
        if dialect == "postgres" and "." in schema:
            raise click.UsageError("--warehouse-schema must be a name without a dot for postgres.")
        self.is_printed = str(path) == "-"
        self.path = path
        self._schema, self._dialect = schema, dialect

    def add(self, match: Match) -> None:
        """Add statements for all matching people.

        Raises:
            TapError: The file cannot be written.
        """
        text = statements(match, self._schema, self._dialect)
        if self.is_printed:
            click.echo(text, nl=False)
        elif self.path:
            append(self.path, text)


def table_prefix(_ctx: click.Context, _param: click.Parameter, schema: str) -> str:
    """Check the name of a schema.

    Raises:
        BadParameter: It is invalid.
    """
    if schema and not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", schema, re.ASCII):
        raise click.BadParameter(f"{schema!r} is not a schema name.")
    return schema


def _identifiers(match: Match) -> Iterator[tuple[str, str]]:
    if match.request.kind == "email" or not match.people:
        yield match.request.kind, match.request.value
    for person in match.people:
        yield "cio_id", person.cio_id
        yield from person.identifiers.items()
    yield from match.former


def _literal(text: str) -> str:
    """A quoted text; empty with a backslash, which databases interpret differently."""
    is_plain = not any(unicodedata.category(sign) in {"Cc", "Cs"} for sign in text)
    return "" if "\\" in text or not is_plain else "'" + text.replace("'", "''") + "'"


def has_personal(stream_class: Any, name: str) -> bool:
    """Whether a stream's column, or anything inside it, is personal."""

    def within(field: str, schema: Mapping[str, Any]) -> bool:
        members = schema.get("properties") or {}
        return is_personal(field) or any(within(f"{field}.{m}", s) for m, s in members.items())

    return within(f"{stream_class.name}.{name}", stream_class.schema["properties"][name])
