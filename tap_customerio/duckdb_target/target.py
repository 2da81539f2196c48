"""Loads Singer messages into DuckDB; confirms a state once everything before it is committed."""

from __future__ import annotations

import glob
import os
import shutil
import sys
import tempfile
import time
import weakref
from collections import Counter
from functools import cached_property, partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast

import click
import duckdb
import msgspec
from singer_sdk import Target
from singer_sdk.exceptions import (
    InvalidRecord,
    MissingKeyPropertiesError,
    RecordsWithoutSchemaException,
)
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.io_base import GenericSingerReader
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib.exceptions import InvalidInputLine

from tap_customerio import errors
from tap_customerio.duckdb_target.loading import Loading
from tap_customerio.duckdb_target.sink import DuckDBSink
from tap_customerio.log import drop_idle_lines, hide_metrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from singer_sdk.helpers.capabilities import CapabilitiesEnum

_NAME = "target-duckdb"
_RECORD = "RECORD"
_PATIENCE = 5.0
"""Seconds until a STATE message is confirmed, even after only a few records."""

_WITHOUT_VALUES = (
    *(duckdb.IOException, duckdb.OperationalError),
    *(duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException),
)
"""Errors of DuckDB whose messages contain names and reasons, but no values of records."""


drop_idle_lines(_NAME)


class _Line(msgspec.Struct, gc=False):
    """The envelope of a Singer message; a record stays JSON text."""

    type: str = ""
    stream: str = ""
    record: msgspec.Raw = msgspec.Raw()
    version: int | None = None


_decode_line = msgspec.json.Decoder(_Line).decode


class LineReader(GenericSingerReader[bytes]):
    """Reads lines; most records stay text, and skip the SDK's processing."""

    def __init__(self) -> None:
        """Start without a callback for records."""
        super().__init__()
        self.take: Callable[[_Line], bool] = lambda _: False

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input."""
        return sys.stdin.buffer

    def process_lines(
        self, file_input: IO[bytes] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Pass each line to `take` if it accepts it, or else to the callback for its type.

        Raises:
            InvalidInputLine: A line is not a Singer message, or of an unknown type.
        """
        counts: Counter[str] = Counter()
        taken, take = 0, self.take
        for line in file_input or self.default_input:
            try:
                message = _decode_line(line)
                if message.type == _RECORD and take(message):
                    taken += 1
                    continue
                whole = self.deserialize_json(line)
            except (msgspec.DecodeError, RecursionError) as error:
                reason = f"A line of the input is not a Singer message: {error}."
                raise InvalidInputLine(reason) from None
            self.assert_line_requires(whole, requires={"type"})
            if (callback := callbacks.get(message.type)) is None:
                raise InvalidInputLine(f"Messages of type {message.type!r} are unknown.")
            callback(whole)
            counts[message.type] += 1
        counts[_RECORD] += taken
        return counts

    @staticmethod
    def assert_line_requires(line_dict: dict[str, Any], requires: set[str]) -> None:
        """Check that a message has all its members.

        Raises:
            InvalidInputLine: Some are missing; the SDK's error would contain the message.
        """
        if missing := sorted(requires - line_dict.keys()):
            raise InvalidInputLine(f"A line is missing required {', '.join(missing)} key(s).")

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """One message, decoded.

        Raises:
            DecodeError: It is not JSON.
        """
        return cast("dict[str, Any]", msgspec.json.decode(line))


class TargetDuckDB(Target):
    """Singer target for DuckDB."""

    name = _NAME
    package_name = "tap-customerio"  # for the version
    default_sink_class = DuckDBSink
    message_reader_class = LineReader
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    config_jsonschema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "required": ["path"],
        "properties": {
            "path": {
                "type": "string",
                "title": "Database file",
                "description": "DuckDB file, created if it does not exist; or :memory:.",
            },
            "default_target_schema": {
                "type": "string",
                "title": "Schema",
                "description": "Schema of the tables, created if it does not exist.",
                "default": "main",
            },
            "batch_size_rows": {
                "type": "integer",
                "title": "Rows a batch",
                "description": "Rows of a stream after which they are loaded, and the state before "
                "them is confirmed.",
                "default": 50_000,
                "minimum": 1,
            },
        },
    }

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Open nothing yet: `--about` needs no database."""
        super().__init__(*arguments, **options)
        hide_metrics(self.metrics_logger)
        self.max_parallelism = 1  # a connection takes one statement at a time
        self.loading = Loading()
        self._plain: dict[str, DuckDBSink] = {}
        self._confirmed_at = time.monotonic()
        cast("LineReader", self.message_reader).take = self._take

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The database.

        Raises:
            ClickException: It cannot be opened.
        """
        path = self.config["path"]
        try:
            return duckdb.connect(path).execute("set TimeZone = 'UTC'")
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise click.ClickException(
                f"Setting path is {path!r}, which cannot be opened: {reason}"
            ) from None

    @cached_property
    def staging(self) -> Path:
        """A private folder beside the database for buffered rows; removes that of a killed run."""
        _ = self.connection  # its lock excludes other processes
        path, beside = Path(self.config["path"]), None
        if path.exists():  # missing for a database in memory or on another machine
            beside = path.parent
            for left in beside.glob(f"{glob.escape(path.name)}.staging-*"):
                shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{path.name}.staging-", dir=beside))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def process_endofpipe(self) -> None:
        """Load everything, confirm the last state, close the database."""
        super().process_endofpipe()
        self.loading.wait()
        self.close()

    def close(self) -> None:
        """Close the database once all queued rows are loaded."""
        self.loading.close()
        self.connection.close()

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_schema_message(message_dict)
        for replaced in self._sinks_to_clear:  # its rows are older than those of the new sink
            self.drain_one(replaced)
        name = message_dict["stream"]
        self._plain.pop(name, None)
        maps = self.mapper.stream_maps[name]
        if len(maps) == 1 and type(maps[0]) is SameRecordTransform:
            sink = self.get_sink(maps[0].stream_alias)
            if isinstance(sink, DuckDBSink) and sink.takes_text and not maps[0].flattening_enabled:
                self._plain[name] = sink

    def _take(self, message: _Line) -> bool:
        """Buffer a record as text, if no other processing is needed."""
        sink = self._plain.get(message.stream)
        if sink is None or not (record := bytes(message.record)):
            return False
        if message.version != sink.version:
            self._change_version(sink, message.version)
        sink.add(record)
        if sink.is_full:
            self._load_all()
        return True

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self._assert_line_requires(message_dict, requires={"stream", "record"})
        for stream_map in self.mapper.stream_maps.get(message_dict["stream"], ()):
            sink = self.get_sink(stream_map.stream_alias)
            self._change_version(sink, message_dict.get("version"))
        super()._process_record_message(message_dict)

    def _change_version(self, sink: Any, version: int | None) -> None:
        """Load the rows of one version together."""
        if version != sink.version:
            self.drain_one(sink)
            sink.version = version

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_state_message(message_dict)
        waited = time.monotonic() - self._confirmed_at
        rows = sum(sink.current_size for sink in self._sinks_active.values())
        if waited >= _PATIENCE or rows >= self.config["batch_size_rows"]:
            self._load_all()

    def _load_all(self) -> None:
        """Queue all rows, and confirm the last state once they are committed."""
        self.drain_all()
        self._confirmed_at = time.monotonic()

    def _write_state_message(self, state: dict[str, Any]) -> None:
        self.loading.start(partial(super()._write_state_message, state))

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        self._assert_line_requires(message_dict, requires={"stream", "version"})
        for stream_map in self.mapper.stream_maps.get(message_dict["stream"], ()):
            sink = self.get_sink(stream_map.stream_alias)
            if sink.process_activate_version_messages:
                self.drain_one(sink)
                sink.activate_version(message_dict["version"])

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        # Uncommitted data is unconfirmed, so the tap sends it again. Loading it from inside a
        # signal handler, like the SDK, could confirm rows of an interrupted batch.
        raise SystemExit(128 + signum)


def main() -> None:
    """Run the target; an error is one sentence without values of records."""
    try:
        TargetDuckDB.cli()
    except (InvalidInputLine, InvalidRecord, MissingKeyPropertiesError) as error:
        sys.exit(f"target-duckdb: {error}")
    except RecordsWithoutSchemaException:
        sys.exit("target-duckdb: a RECORD message came before the SCHEMA message of its stream.")
    except _WITHOUT_VALUES as error:
        sys.exit(f"target-duckdb: {str(error).splitlines()[0]}")
    except Exception as error:
        if os.environ.get("TAP_CUSTOMERIO_DEBUG"):
            raise
        sys.exit(f"target-duckdb: {errors.format_error(error)}")
