"""A warehouse that was loaded, by its URL."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import click

from tap_customerio import errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Command = Callable[..., None]

DRIVERS = {"duckdb": "duckdb", "postgresql": "psycopg", "postgres": "psycopg"}
EXTRAS = {"duckdb": "duckdb", "psycopg": "postgres"}


class Warehouse:
    """A connection that only reads."""

    def __init__(self, url: str, schema: str) -> None:
        """Connect.

        Raises:
            TapError: When the URL is none of a warehouse, or nothing answers there.
        """
        kind = url.partition(":")[0]
        if kind not in DRIVERS:
            raise errors.commands.unknown_warehouse()
        self._schema = schema
        self._driver = _driver(DRIVERS[kind])
        try:
            self._connection = self._open(url)
        except self._driver.Error:
            raise errors.commands.no_warehouse() from None

    def _open(self, url: str) -> Any:
        if self._driver.__name__ != "duckdb":
            connection = self._driver.connect(url)
            connection.read_only = True
            return connection
        path = unquote(urlsplit(url).path).removeprefix("/")
        return self._driver.connect(path, read_only=True)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query, in which {schema} stands for the quoted schema.

        Raises:
            TapError: When a table or column is not there.
        """
        quoted = '"' + self._schema.replace('"', '""') + '"'
        try:
            rows: list[tuple[Any, ...]] = self._connection.execute(
                query.format(schema=quoted)
            ).fetchall()
        except self._driver.Error as error:
            raise errors.commands.unasked(self._schema, str(error).splitlines()[0]) from None
        return rows

    def close(self) -> None:
        """Let others write."""
        self._connection.close()


def _driver(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise errors.commands.missing_driver(EXTRAS[name]) from None


def warehouse_options(command: Command) -> Command:
    """--warehouse and --schema."""
    url = click.option(
        "--warehouse",
        "url",
        required=True,
        envvar="TAP_CUSTOMERIO_WAREHOUSE",
        help="duckdb:///warehouse.duckdb (four slashes before a whole path), or "
        "postgresql://user:password@host/database.",
    )
    schema = click.option(
        "--schema", default="customerio", show_default=True, help="Schema of the loaded tables."
    )
    return url(schema(command))
