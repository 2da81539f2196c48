"""Sentences about options, files and settings of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.errors.base import FatalError, TapError
from tap_customerio.errors.extras import needs_extra

if TYPE_CHECKING:
    from collections.abc import Iterable


def missing_extra(command: str, extra: str) -> TapError:
    """An optional part is not installed."""
    return TapError(needs_extra(f"'tap-customerio {command}'", extra))


def bad_settings(sentences: Iterable[str]) -> FatalError:
    """All errors in the configuration of a command."""
    return FatalError(
        f"{' '.join(sentences)} 'tap-customerio init' writes a configuration that works."
    )


def unreadable(path: str, reason: str) -> TapError:
    """--config, or another option that names a file."""
    return TapError(
        f"Cannot read {path} ({reason}): pass an existing file with --config, or write one "
        "with 'tap-customerio init'."
    )


def not_utf8(path: str) -> TapError:
    """A file in another encoding, as some Windows shells write."""
    return TapError(f"{path} is not UTF-8 text: save it again as UTF-8.")


def no_json(path: str, place: str, *, curly: bool = False) -> TapError:
    """A configuration that is not JSON; its content may be secret."""
    fix = (
        "write straight quotes in place of curly ones"
        if curly
        else (
            'a configuration is a JSON object such as {"app_api_key": "..."}; correct it, or '
            "write one with 'tap-customerio init'"
        )
    )
    return TapError(f"{path} is not valid JSON ({place}): {fix}.")


def bad_port(port: int, reason: str) -> TapError:
    """A port that the sandbox cannot use."""
    return TapError(
        f"Cannot listen on port {port} ({reason}): stop what uses it, or choose another port with "
        "--port or --track-port; 0 takes a free one."
    )


def dateless(stream: str) -> TapError:
    """--from or --to for records without a suitable time."""
    return TapError(
        f"Stream {stream!r} has no time range: leave out --from and --to; the API returns "
        "all of it."
    )


def no_chart(stream: str) -> TapError:
    """--chart for a stream without counts over time."""
    return TapError(
        f"Stream {stream!r} has no counts to draw: --chart works with metrics, "
        "action_metrics, link_metrics and journey_metrics."
    )


def nothing_found(words: str) -> TapError:
    """No stream or field matches."""
    return TapError(
        f"Nothing matches {words!r}: try fewer or shorter words, or 'tap-customerio fields' "
        "for all streams."
    )


def closed_output() -> TapError:
    """Stdout is closed, so that no command can print its result."""
    return TapError(
        "Cannot write to stdout: it is closed. Leave it open, or redirect it to a file."
    )


def unwritable(path: str, reason: str) -> TapError:
    """A file that a command cannot write."""
    return TapError(f"Cannot write {path} ({reason}): choose another file with --output.")


def no_terminal(command: str) -> TapError:
    """A question without a terminal."""
    return TapError(
        f"'{command}' asks questions: run it in a terminal, or write config.json yourself."
    )


def bad_option(option: str, value: str, wanted: str) -> FatalError:
    """An invalid option."""
    return FatalError(f"{option} is {value!r}: {wanted}.")


def unknown_warehouse() -> TapError:
    """--warehouse has an unknown form."""
    return TapError(
        "--warehouse is not a URL of a known warehouse: write duckdb:///warehouse.duckdb "
        "(four slashes before an absolute path) or postgresql://user:password@host/database."
    )


def no_duckdb_file(path: str) -> TapError:
    """--warehouse names a missing file; the sentence shows the resolved path."""
    return TapError(
        f"There is no file {path}, which --warehouse names: write duckdb:/// before a path in the "
        "current folder, and duckdb://// before an absolute path."
    )


def unreadable_duckdb(path: str) -> TapError:
    """--warehouse names a file that DuckDB cannot read now."""
    return TapError(
        f"Cannot open {path}, which --warehouse names: check that it is a DuckDB database, that "
        "you may read it, and that no other process writes to it."
    )


def no_postgres() -> TapError:
    """No connection; the driver's message is omitted, because it may hold the password."""
    return TapError(
        "Cannot connect to PostgreSQL: check host, port, database, user and password in "
        "--warehouse."
    )


def missing_driver(extra: str) -> TapError:
    """--warehouse without the driver's package."""
    return TapError(needs_extra("--warehouse with this URL", extra))


def unreadable_tables(schema: str, reason: str) -> TapError:
    """The tables are missing, or not in the form of the tap's loaders."""
    return TapError(
        f"Cannot read the tables in schema {schema!r} ({reason}): pass the schema that the "
        "loader writes to with --schema, and load messages and metrics without flattening."
    )


def unreadable_models(schema: str, reason: str) -> TapError:
    """The models are not those of this version."""
    return TapError(
        f"Cannot read the models in schema {schema!r} ({reason}): build them again with 'dbt "
        "build --full-refresh' and the dbt package of this version (docs/models.md)."
    )


def no_models(schema: str, models: Iterable[str]) -> TapError:
    """The report needs the dbt models."""
    return TapError(
        f"Schema {schema!r} has no {', '.join(models)}: build the models with 'dbt build' "
        "(docs/models.md), or pass the schema that dbt writes to with --schema."
    )


def stream_not_loaded(schema: str, stream: str) -> TapError:
    """One side of the comparison does not exist."""
    return TapError(
        f"Schema {schema!r} has no table {stream}: load this stream, too; verify compares messages "
        "with metrics."
    )


def nothing_to_verify() -> TapError:
    """One side of the comparison is empty."""
    return TapError("There is nothing to compare: load the streams messages and metrics first.")


def not_a_page(path: str) -> TapError:
    """--output of the report names another file."""
    return TapError(
        f"{path} exists and is not an HTML page, and a report replaces nothing else: name another "
        "file with --output."
    )


def demo_would_replace(path: str, default: str) -> TapError:
    """--output of the demo names another file."""
    return TapError(
        f"{path} exists, and a demo replaces only {default} and its page: name another file with "
        "--output."
    )


def dbt_failed(code: int, last: str) -> TapError:
    """The dbt process failed."""
    return TapError(f"dbt could not build the models (exit code {code}): {last}")


def build_needs_dbt() -> TapError:
    """--build without dbt."""
    return TapError(needs_extra("'tap-customerio report --build'", "demo"))


def build_needs_duckdb(url_kind: str) -> TapError:
    """--build with another database."""
    return TapError(
        f"--build works with duckdb:///…, not with {url_kind!r}: build the models with 'dbt build' "
        "(docs/models.md), and leave out --build."
    )


def not_loaded(schema: str) -> TapError:
    """There is nothing to build models from."""
    return TapError(
        f"Schema {schema!r} has no table messages: load it first, or pass the schema that the "
        "loader writes to (its default_target_schema) with --loaded-schema."
    )


def demo_failed(name: str, code: int, last: str) -> TapError:
    """A process of the demo failed."""
    return TapError(f"The demo's {name} ended with {code}: {last}")
