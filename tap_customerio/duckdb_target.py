"""target-duckdb, made to load the first row of every batch.

Release 0.8.0 lets DuckDB guess whether its CSV files have a header, and DuckDB guesses wrongly:
one row of each batch is lost (jwills/target-duckdb, pull request 58: mended, not yet released).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import target_duckdb

if TYPE_CHECKING:
    from collections.abc import Callable

_connect: Callable[[dict[str, Any]], Any] = target_duckdb.duckdb_connect


class _Connection:
    """A DuckDB connection whose COPY knows that there is no header, and that lets no query be."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._connection = _connect(config)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, query: str | None, *parameters: Any) -> Any:
        if query is None:  # nothing to update in a table that has only its key
            return self._connection
        headless = query.replace(" WITH (new_line ", " WITH (header false, new_line ")
        return self._connection.execute(headless, *parameters)


def main() -> None:
    """Run the target."""
    target_duckdb.duckdb_connect = _Connection
    target_duckdb.main()


if __name__ == "__main__":
    main()
