"""The options that name a loaded warehouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tap_customerio import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., None]


def named_schema(_ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Check that a schema has a name."""
    if not value.strip():
        raise errors.commands.bad_option(
            param.opts[0], value, f"name a schema, or leave the option out for {param.default}"
        )
    return value


def warehouse_options(
    schema: str = "customerio", what: str = "Schema of the loaded tables."
) -> Callable[[Command], Command]:
    """Add --warehouse and --schema."""
    schema_option = click.option(
        "--schema", default=schema, show_default=True, callback=named_schema, help=what
    )
    url_option = click.option(
        "--warehouse",
        "url",
        required=True,
        envvar="TAP_CUSTOMERIO_WAREHOUSE",
        help=(
            "duckdb:///warehouse.duckdb (four slashes before an absolute path), or "
            "postgresql://user:password@host/database."
        ),
    )
    return lambda command: url_option(schema_option(command))
