"""The databases that targets load into, and how to look into them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from e2e import truth

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from e2e.truth import Key, Row

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
"""What each database calls a kind of column; `_text` is an array of text."""


@dataclass(frozen=True)
class Warehouse:
    """One database.

    Attributes:
        name: duckdb or postgres.
        place: The settings of the target that say where it is.
        connect: Opens it.
    """

    name: str
    place: dict[str, str]
    connect: Callable[[], AbstractContextManager[Any]]

    @property
    def loader(self) -> str:
        """The target's name."""
        return f"target-{self.name}"

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The answer to a query."""
        with self.connect() as connection:
            answer: list[tuple[Any, ...]] = connection.execute(query).fetchall()
        return answer

    def count(self, stream: str) -> int:
        """How many rows there are."""
        rows: int = self.ask(f"select count(*) from {SCHEMA}.{stream}")[0][0]
        return rows

    def types(self, stream: str) -> dict[str, str]:
        """The type of each column."""
        name_of_type = "udt_name" if self.name == "postgres" else "data_type"
        return dict(
            self.ask(
                f"select column_name, {name_of_type} from information_schema.columns "
                f"where table_schema = '{SCHEMA}' and table_name = '{stream}'"
            )
        )

    def keys(self, stream: str) -> list[Key]:
        """The primary key of each row."""
        return self.ask(f"select {', '.join(truth.key(stream))} from {SCHEMA}.{stream}")

    def table(self, stream: str) -> dict[Key, Row]:
        """All rows by key, with the columns that the truth knows."""
        kinds = truth.kinds(stream)
        names = [f'"{name}"' for name in kinds]
        rows = self.ask(f"select {', '.join(names)} from {SCHEMA}.{stream}")
        found = [
            {
                name: _parsed(value) if kind in _STRUCTURED else value
                for (name, kind), value in zip(kinds.items(), row, strict=True)
            }
            for row in rows
        ]
        return {tuple(row[name] for name in truth.key(stream)): row for row in found}

    def as_stored(self, row: Row) -> Row:
        """A row as this database keeps it: target-duckdb turns empty text into null."""
        if self.name == "postgres":
            return row
        return {name: None if value == "" else value for name, value in row.items()}


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
