"""SQL that removes people from the tables that this tap's streams were loaded into."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from tap_customerio.personal import is_personal
from tap_customerio.privacy.folder import append
from tap_customerio.streams import all_streams

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tap_customerio.privacy.identity import Match

COUNTED = {"messages"}
"""Tables whose rows stay, without the person: they are what sending is measured by."""


class Table(NamedTuple):
    """A table with rows about people."""

    name: str
    keys: Mapping[str, str]
    personal: tuple[str, ...]

    def statement(self, schema: str, values: Mapping[str, list[str]]) -> str | None:
        """What removes the people with these identifiers, if the table has any of them."""
        where = [
            f"{column} = {value}" if kind != "email" else f"lower({column}) = lower({value})"
            for kind, column in self.keys.items()
            for value in values.get(kind, ())
        ]
        if not where:
            return None
        words = ["DELETE FROM", f"{schema}.{self.name}" if schema else self.name]
        if self.name in COUNTED:
            nulls = ", ".join(f"{column} = NULL" for column in self.personal)
            words = ["UPDATE", words[1], "SET", nulls]
        return " ".join(words) + "\n WHERE " + "\n    OR ".join(where) + ";"


def tables() -> Iterator[Table]:
    """All tables with rows about people, by the columns that name them."""
    for kind in sorted(all_streams(), key=lambda kind: kind.name):
        columns = kind.schema["properties"]
        own = "id" if is_personal(f"{kind.name}.id") else "customer_id"
        address = "email" if "email" in columns else "recipient"
        named = {"cio_id": "cio_id", "id": own, "email": address}
        keys = {kind: column for kind, column in named.items() if column in columns}
        if "cio_id" in keys or kind.name == "esp_suppressions":
            personal = ("cio_id", *(name for name in columns if _has_personal(kind, name)))
            yield Table(kind.name, keys, personal)


def statements(match: Match, schema: str = "") -> str:
    """What handles the copies of everybody found, or of whoever had the identifier."""
    named: dict[str, list[str]] = {}
    shared = {other.identifiers.get("email", "").lower() for other in match.others}
    for kind, value in dict.fromkeys(_identifiers(match)):
        if kind != "email" or value.lower() not in shared:
            named.setdefault(kind, []).append(value)
    values = {kind: [_literal(text) for text in texts] for kind, texts in named.items()}
    known = {kind: [text for text in texts if text] for kind, texts in values.items()}
    lines = [table.statement(schema, known) for table in tables()]
    if known != values:
        lines.append("-- An identifier with a backslash is left out: handle it by hand.")
    return "\n".join(filter(None, lines)) + "\n"


class Script:
    """Statements that are added to a file, or printed."""

    def __init__(self, path: Path | None, schema: str) -> None:
        """Without a path they go nowhere, and with - they are printed."""
        self.is_printed = str(path) == "-"
        self._path, self._schema = path, schema

    def add(self, match: Match) -> None:
        """Add what handles the copies of everybody found.

        Raises:
            Problem: When they cannot be written.
        """
        if self.is_printed:
            click.echo(statements(match, self._schema), nl=False)
        elif self._path:
            append(self._path, statements(match, self._schema))


def table_prefix(_ctx: click.Context, _param: click.Parameter, schema: str) -> str:
    """Check the name of a schema.

    Raises:
        BadParameter: When it is none.
    """
    if schema and not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", schema, re.ASCII):
        raise click.BadParameter(f"{schema!r} is no name of a schema.")
    return schema


def _identifiers(match: Match) -> Iterator[tuple[str, str]]:
    if match.request.kind == "email" or not match.people:
        yield match.request.kind, match.request.value
    for person in match.people:
        yield "cio_id", person.cio_id
        yield from person.identifiers.items()


def _literal(text: str) -> str:
    """A text in quotes; empty with a backslash, which databases read in different ways."""
    return "" if "\\" in text or not text.isprintable() else "'" + text.replace("'", "''") + "'"


def _has_personal(kind: Any, name: str) -> bool:
    def within(field: str, schema: Mapping[str, Any]) -> bool:
        members = schema.get("properties") or {}
        return is_personal(field) or any(within(f"{field}.{m}", s) for m, s in members.items())

    return within(f"{kind.name}.{name}", kind.schema["properties"][name])
