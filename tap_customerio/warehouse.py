"""Read-only access to a loaded warehouse by URL."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from tap_customerio import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date
    from types import ModuleType

    Unreadable = Callable[[str, str], errors.TapError]

DRIVERS = {"duckdb": "duckdb", "postgresql": "psycopg", "postgres": "psycopg"}
DELETED = "_sdc_deleted_at"
"""Column in which loaders mark a row as deleted."""

_NONE: Mapping[str, str] = {}
_WITHOUT_VALUES = {
    *("CatalogException", "BinderException", "UndefinedTable", "UndefinedColumn"),
    *("UndefinedFunction", "InsufficientPrivilege"),
}
"""Errors that name tables and columns, but never quote values."""

EXTRAS = {"duckdb": "duckdb", "psycopg": "postgres"}


class Warehouse:
    """A read-only connection."""

    def __init__(
        self,
        url_option: str,
        schema: str,
        unreadable: Unreadable = errors.commands.unreadable_tables,
    ) -> None:
        """Connect; the error explains what to do about unexpected tables.

        Raises:
            TapError: The URL is invalid, or there is no connection.
        """
        kind = url_option.partition(":")[0]
        if kind not in DRIVERS:
            raise errors.commands.unknown_warehouse()
        self.schema = schema
        self._unreadable = unreadable
        self._driver = _driver(DRIVERS[kind])
        is_duckdb = DRIVERS[kind] == "duckdb"
        self._connection = self._open_file(url_option) if is_duckdb else self._reach(url_option)

    def _open_file(self, url_option: str) -> Any:
        path = Path(duckdb_file(url_option))
        if not os.path.isfile(path):  # noqa: PTH113 - a Path raises for invalid names
            raise errors.commands.no_duckdb_file(str(path.absolute()))
        try:
            return self._driver.connect(str(path), read_only=True)
        except self._driver.Error:
            raise errors.commands.unreadable_duckdb(str(path)) from None

    def _reach(self, url_option: str) -> Any:
        try:
            connection = self._driver.connect(url_option)
        except self._driver.Error:
            raise errors.commands.no_postgres() from None
        connection.read_only = True
        return connection

    def query(self, sql: str, **parts: date | str) -> list[tuple[Any, ...]]:
        """Rows of a query; {schema} and other names in it are replaced by dates or SQL.

        Raises:
            TapError: A table or column is missing.
        """
        literals = {
            name: value if isinstance(value, str) else f"date '{value.isoformat()}'"
            for name, value in parts.items()
        }
        try:
            rows: list[tuple[Any, ...]] = self._connection.execute(
                sql.format(schema=_quoted(self.schema), **literals)
            ).fetchall()
        except self._driver.Error as error:
            name = type(error).__name__
            reason = str(error).splitlines()[0] if name in _WITHOUT_VALUES else name
            raise self._unreadable(self.schema, reason) from None
        return rows

    def tables(self) -> set[str]:
        """Names of the schema's tables and views."""
        rows = self.query("select table_schema, table_name from information_schema.tables")
        return {table for schema, table in rows if schema == self.schema}

    def columns(self, table: str) -> set[str]:
        """Names of a table's columns; empty if it does not exist."""
        rows = self.query(
            "select table_schema, column_name from information_schema.columns "  # noqa: S608
            f"where table_name = '{table}'"
        )
        return {column for schema, column in rows if schema == self.schema}

    def rows_of(self, table: str, may_lack: Mapping[str, str] = _NONE) -> str:
        """SQL to select from: rows not marked as deleted; optional columns are null if missing."""
        present = self.columns(table)
        added = [
            f", cast(null as {kind}) as {column}"
            for column, kind in may_lack.items()
            if column not in present
        ]
        query = f"select *{''.join(added)} from {_quoted(self.schema)}.{table}"  # noqa: S608
        if DELETED in present:
            query += f" where {DELETED} is null"
        return f"({query}) as {table}"

    def close(self) -> None:
        """Close the connection, so that others can write."""
        self._connection.close()


def duckdb_file(url_option: str) -> str:
    """The file in a DuckDB URL."""
    try:
        url = urlsplit(url_option)
    except ValueError:
        raise errors.commands.unknown_warehouse() from None
    path = unquote(url.path).removeprefix("/")
    if url.netloc or not path or path == url_option:
        raise errors.commands.unknown_warehouse()
    return path


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _driver(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise errors.commands.missing_driver(EXTRAS[name]) from None
