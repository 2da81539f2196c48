"""The databases that targets load into, and queries of them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from e2e import truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from e2e.rows import Row
    from e2e.truth import Key

SCHEMA = "customerio"

_STRUCTURED = {"object", *truth.LISTS}

TYPES = {
    "duckdb": {
        "text": "VARCHAR",
        "integer": "BIGINT",
        "boolean": "BOOLEAN",
        "timestamp": "TIMESTAMP",
        "object": "JSON",
        "texts": "JSON",
        "integers": "JSON",
        "objects": "JSON",
    },
    "postgres": {
        "text": "text",
        "integer": "int8",
        "boolean": "bool",
        "timestamp": "timestamp",
        "object": "jsonb",
        "texts": "_text",
        "integers": "_int8",
        "objects": "_jsonb",
    },
}
"""The name of each column type in each database; `_text` is an array of text."""


@dataclass(frozen=True)
class Warehouse:
    """One database.

    Attributes:
        name: duckdb or postgres.
        place: The target's settings for its location.
        connect: Opens a connection.
        schema: The schema of the tables.
    """

    name: str
    place: dict[str, str]
    connect: Callable[[], AbstractContextManager[Any]]
    schema: str = SCHEMA

    @property
    def loader(self) -> str:
        """The target's name."""
        return f"target-{self.name}"

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.ask_all([query])[0]

    def ask_all(self, queries: Iterable[str]) -> list[list[tuple[Any, ...]]]:
        """The rows of several queries: opening a database takes longer than a query."""
        with self.connect() as connection:
            return [connection.execute(query).fetchall() for query in queries]

    def counts(self) -> dict[str, int]:
        """The number of rows of every table."""
        query = (
            f"select table_name from information_schema.tables where table_schema = '{self.schema}'"
        )
        tables = [name for (name,) in self.ask(query)]
        counted = self.ask_all(f"select count(*) from {self.schema}.{table}" for table in tables)
        return {table: rows for table, [(rows,)] in zip(tables, counted, strict=True)}

    def types(self) -> dict[str, dict[str, str]]:
        """The type of each column of every table."""
        name_of_type = "udt_name" if self.name == "postgres" else "data_type"
        types: dict[str, dict[str, str]] = {}
        for table, column, name in self.ask(
            f"select table_name, column_name, {name_of_type} from information_schema.columns "
            f"where table_schema = '{self.schema}'"
        ):
            types.setdefault(table, {})[column] = name
        return types

    def primary_keys(self) -> dict[str, set[str]]:
        """The columns of every table's primary key."""
        columns: dict[str, set[str]] = {}
        for table, column in self.ask(
            f"select table_name, column_name from information_schema.key_column_usage "
            f"where table_schema = '{self.schema}'"
        ):
            columns.setdefault(table, set()).add(column)
        return columns

    def keys(self, streams: Iterable[str]) -> dict[str, Counter[Key]]:
        """The keys of each of these tables, with the number of rows of each key."""
        streams = list(streams)
        found = self.ask_all(
            f"select {', '.join(truth.key(stream))} from {self.schema}.{stream}"
            for stream in streams
        )
        return dict(zip(streams, map(Counter, found), strict=True))

    def table(self, stream: str) -> dict[Key, Row]:
        """All rows by key, with the columns of `truth`."""
        kinds = truth.kinds(stream)
        names = [f'"{name}"' for name in kinds]
        rows = self.ask(f"select {', '.join(names)} from {self.schema}.{stream}")
        found = [
            {
                name: _parsed(value) if kind in _STRUCTURED else value
                for (name, kind), value in zip(kinds.items(), row, strict=True)
            }
            for row in rows
        ]
        return {tuple(row[name] for name in truth.key(stream)): row for row in found}


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
