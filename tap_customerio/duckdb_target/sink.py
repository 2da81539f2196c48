"""Loads one stream's rows into one table."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

import click
import duckdb
import msgspec
from singer_sdk.exceptions import InvalidRecord, MissingKeyPropertiesError
from singer_sdk.sinks import BatchSink

from tap_customerio.duckdb_target.columns import TEXT, column_type, literal, quoted, widened
from tap_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from singer_sdk.target_base import Target

    from tap_customerio.duckdb_target.loading import Loading


VERSION = "_sdc_table_version"
_STAGE = "staged_rows"
_LARGEST_ROW = 1 << 30
"""Maximum size of one record's JSON text for DuckDB, in bytes."""

_LARGEST_BATCH = 64 << 20
"""Maximum size of buffered rows in bytes, while another batch is loading."""

_WORTHWHILE = 10_000
"""Number of rows to load early if nothing else is loading."""

_OFTEN = 1000
"""Number of rows per write and between checks."""


class DuckDBPlaces(Protocol):
    """The part of a target that its sinks use."""

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The open database."""

    @property
    def staging(self) -> Path:
        """A folder for files of rows."""

    @property
    def loading(self) -> Loading:
        """The thread that uses the database while the next rows are read."""


class DuckDBSink(BatchSink):
    """Buffers rows as JSON text; DuckDB reads them from a file, and merges them by key."""

    version: int | None = None
    """Version of all buffered rows."""

    def __init__(
        self,
        target: Target,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        """Prepare; `setup` creates the table."""
        super().__init__(target, stream_name, schema, key_properties)
        self._target = cast("DuckDBPlaces", target)
        name = stream_name.replace("-", "_").replace(".", "_")
        self._schema_name = quoted(self.config["default_target_schema"])
        self._table = f"{self._schema_name}.{quoted(name)}"
        self._name = name
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._most = self.max_size
        self._counted = 0  # buffered rows, counted by the SDK
        self._types: dict[str, str] = {}
        self._encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode

    @property
    def takes_text(self) -> bool:
        """Whether records can stay JSON text."""
        return not self.include_sdc_metadata_properties

    @property
    def current_size(self) -> int:
        """Number of buffered rows."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether enough rows or bytes are buffered; fewer are enough while nothing is loading."""
        rows = len(self._waiting)
        if rows >= self._most or self._bytes >= _LARGEST_BATCH:
            return True
        return rows >= _WORTHWHILE and rows % _OFTEN == 0 and self._target.loading.is_idle

    def get_validator(self) -> None:
        """None: DuckDB checks types, and `process_batch` keys and required fields."""

    def setup(self) -> None:
        """Create the table, or add missing columns and widen types."""
        self._target.loading.wait()
        properties = self.schema["properties"]
        wanted = {name: column_type(kind) for name, kind in properties.items()}
        with self._transaction() as database:
            database.execute(f"create schema if not exists {self._schema_name}")
            present = self._present()
            if not present and wanted:
                columns = (f"{quoted(name)} {kind}" for name, kind in wanted.items())
                database.execute(f"create table {self._table} ({', '.join(columns)})")
            for name, kind in wanted.items():
                if present and name.lower() not in present:
                    database.execute(f"alter table {self._table} add {quoted(name)} {kind}")
                self._types[name] = self._widen(name, present.get(name.lower(), kind), kind)
            self._describe()

    def add(self, record: bytes) -> None:
        """Buffer one record, as JSON text."""
        self._waiting.append(record)
        self._bytes += len(record)

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002
        """Buffer one record after stream maps and the SDK."""
        self._counted += 1
        self.add(self._encode(record))

    def process_batch(self, context: dict[str, Any]) -> None:
        """Load all buffered rows; the last one with a key counts.

        Raises:
            ClickException: A value of the previous batch did not fit its column.
        """
        for record in context.get("records", ()):  # of a BATCH file
            self.process_record(record, context)
        as_text = len(self._waiting) - self._counted
        self.tally_record_read(as_text)
        self.record_counter_metric.increment(as_text)
        rows, self._waiting, self._bytes, self._counted = self._waiting, [], 0, 0
        self._target.loading.wait()  # so that at most two batches are in memory
        self._target.loading.start(partial(self._load_rows, rows, self.version))

    def activate_version(self, new_version: int) -> None:
        """Delete the rows of older versions, which a complete read did not find."""
        self._target.loading.wait()
        with self._transaction() as database:
            self._add_version()
            deleted = database.execute(
                f"delete from {self._table} where {VERSION} is null or {VERSION} < ?",
                [new_version],
            ).fetchall()
        if number := deleted[0][0]:
            text = "Table %s: deleted %s that the source no longer has."
            self.logger.info(text, self._name, counted(number, "row"))

    @property
    def _path(self) -> Path:
        """The file for DuckDB; sinks load one after the other."""
        return self._target.staging / "rows.jsonl"

    def _load_rows(self, rows: list[bytes], version: int | None) -> None:
        """Load rows in one transaction.

        Raises:
            ClickException: A value does not fit its column.
        """
        with self._path.open("wb") as file:
            for first in range(0, len(rows), _OFTEN):
                file.write(b"\n".join(rows[first : first + _OFTEN]) + b"\n")
        try:
            with self._transaction():
                self._load(version)
        except (duckdb.DataError, duckdb.InvalidInputException):
            reason = f"Records of {self.stream_name} are not readable as JSON. Nothing was loaded."
            with suppress(duckdb.Error):  # its message may contain values
                reason = self._misfit() or reason
            raise click.ClickException(reason) from None

    def _load(self, version: int | None) -> None:
        database = self._target.connection
        stamped = version is not None and not self.include_sdc_metadata_properties
        if stamped:
            self._add_version()
        extra = f", {version}::bigint as {VERSION}" if stamped else ""
        database.execute(
            f"create or replace temp table {_STAGE} as select *{extra} from {self._rows()}"
        )
        self._check_keys()
        columns = [quoted(name) for name in self._types] + ([VERSION] if stamped else [])
        database.execute(self._merge(columns))
        database.execute(f"drop table {_STAGE}")

    def _rows(self, types: dict[str, str] | None = None) -> str:
        """The file as a table expression; omits members without a column."""
        columns = (types or self._types).items()
        # Without a zone, DuckDB would ignore the offset of the time.
        zoned = [(n, f"{kind}TZ" if kind == "TIMESTAMP" else kind) for n, kind in columns]
        listed = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in zoned)
        return (
            f"read_json({literal(str(self._path))}, format = 'newline_delimited', "
            f"columns = {{{listed}}}, maximum_object_size = {_LARGEST_ROW})"
        )

    def _merge(self, columns: list[str]) -> str:
        """One statement that updates rows with a known key and inserts the others."""
        listed = ", ".join(columns)
        if not self.key_properties:
            return f"insert into {self._table} ({listed}) select {listed} from {_STAGE}"
        keys = [quoted(name) for name in self.key_properties]
        last = f"row_number() over (partition by {', '.join(keys)} order by rowid desc) = 1"
        values = ", ".join(f"s.{name}" for name in columns)
        changes = ", ".join(f"{name} = s.{name}" for name in columns)
        return (
            f"merge into {self._table} as t "
            f"using (select * from {_STAGE} qualify {last}) as s "
            f"on {' and '.join(f't.{name} = s.{name}' for name in keys)} "
            f"when matched then update set {changes} "
            f"when not matched then insert ({listed}) values ({values})"
        )

    def _check_keys(self) -> None:
        """Reject rows without a key or a required field.

        Raises:
            MissingKeyPropertiesError: A key is missing.
            InvalidRecord: Another field is missing.
        """
        required = [n for n in self.schema.get("required", ()) if n in self._types]
        required = [n for n in required if "null" not in str(self.schema["properties"][n])]
        for names, error in (
            (self.key_properties, MissingKeyPropertiesError),
            (required, lambda text: InvalidRecord(text, {})),
        ):
            for name in names:
                query = f"select count(*) from {_STAGE} where {quoted(name)} is null"
                ((missing,),) = self._target.connection.execute(query).fetchall()
                if missing:
                    raise error(f"{self._records(missing)} no {name}.")

    def _misfit(self) -> str | None:
        """Name the first column with invalid values, without the values."""
        texts = self._rows(dict.fromkeys(self._types, TEXT))
        for name, kind in self._types.items():
            column = quoted(name)
            misfits = f"{column} is not null and try_cast({column} as {kind}) is null"
            query = f"select count(*) from {texts} where {misfits}"
            ((count,),) = self._target.connection.execute(query).fetchall()
            if count:
                return (
                    f"{self._records(count)} a {name} that is not of type {kind}, as the schema "
                    "says. Nothing of this batch was loaded."
                )
        return None

    def _records(self, count: int) -> str:
        """The start of a sentence about records."""
        verb = "has" if count == 1 else "have"
        return f"{counted(count, 'record')} of {self.stream_name} {verb}"

    def _present(self) -> dict[str, str]:
        """Columns of the table and their types, by name in lower case: DuckDB ignores case."""
        query = (
            "select column_name, data_type from duckdb_columns() where schema_name = ? "
            "and lower(table_name) = lower(?) and database_name = current_database()"
        )
        values = [self.config["default_target_schema"], self._name]
        rows = self._target.connection.execute(query, values).fetchall()
        return {name.lower(): kind for name, kind in rows}

    def _widen(self, name: str, present: str, wanted: str) -> str:
        """Widen the type of a column for new values; return the type."""
        kind = widened(present, wanted)
        if kind != present:
            change = f"alter {quoted(name)} set data type {kind}"
            self._target.connection.execute(f"alter table {self._table} {change}")
        return kind

    def _add_version(self) -> None:
        self._target.connection.execute(
            f"alter table {self._table} add column if not exists {VERSION} bigint"
        )

    def _describe(self) -> None:
        """Copy descriptions of the table and its columns to comments, where they differ."""
        database = self._target.connection
        # The table's own comment is in the same result, without a column name.
        query = (
            "select lower(column_name), comment from duckdb_columns() where schema_name = $schema "
            "and lower(table_name) = lower($name) and database_name = current_database() "
            "union all select null, comment from duckdb_tables() where schema_name = $schema "
            "and lower(table_name) = lower($name) and database_name = current_database()"
        )
        values = {"schema": self.config["default_target_schema"], "name": self._name}
        present = dict(database.execute(query, values).fetchall())
        wanted = {None: self.schema, **self.schema["properties"]}
        for name, described in wanted.items():
            about = described.get("description")
            if about and present.get(name and name.lower()) != str(about):
                place = f"table {self._table}"
                if name is not None:
                    place = f"column {self._table}.{quoted(name)}"
                database.execute(f"comment on {place} is {literal(str(about))}")

    def _transaction(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return _Transaction(self._target.connection)


class _Transaction:
    """A transaction that rolls back on an error."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def __enter__(self) -> duckdb.DuckDBPyConnection:
        return self._connection.begin()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        (self._connection.rollback if kind else self._connection.commit)()
