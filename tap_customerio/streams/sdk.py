"""The SDK's stream as this tap uses it; `tests/test_sdk.py` lists its private members in use."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk import Stream
from singer_sdk.exceptions import SyncLifecycleSignal
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import StateMessage

from tap_customerio import errors
from tap_customerio.api.responses import Page
from tap_customerio.sync import stream_maps
from tap_customerio.sync.batches import batch_messages
from tap_customerio.sync.catalog import complete, emitted_schema
from tap_customerio.sync.outcome import ReadOutcome
from tap_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from singer_sdk import Tap
    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.mapper import StreamMap
    from singer_sdk.singerlib import RecordMessage
    from singer_sdk.singerlib.catalog import Catalog

    from tap_customerio.streams.reader import Reader
    from tap_customerio.sync.run import SyncRun
    from tap_customerio.sync.writer import BufferedWriter


_COUNTED = 1000
"""Number of records per update of the record metric."""


class SdkStream(Stream):
    """Overrides of the SDK: faster records, and no SDK child streams, bookmarks or errors."""

    # Reader already makes records conform; the SDK's own check costs more than everything else.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    # Fields that `record` adds, in streams that also read typed rows.
    computed: ClassVar[tuple[str, ...]] = ()

    def __init__(self, tap: Tap, sync_run: SyncRun) -> None:
        super().__init__(tap)
        self.tap = tap
        self.sync_run = sync_run
        self.outcome = ReadOutcome()
        self.rows_written = 0
        self.is_written_as_read = False  # then records must hold plain Python types
        self._unmapped: Counter[str] = Counter()

    @classmethod
    def title(cls) -> str:
        """Name and content of the stream: the first sentence of its docstring."""
        return (cls.__doc__ or "").split("\n\n")[0]

    @classmethod
    def about(cls) -> str:
        """What the stream holds: the title without the name."""
        return cls.title().partition(": ")[2]

    def typed_rows(self, page: Iterable[Any], read: Reader) -> Iterable[Any]:
        """The rows of a page in the form that `record` takes: typed where possible."""
        if self.computed and self.is_written_as_read and isinstance(page, Page):
            return page.typed(read.typed.decode)
        return page

    def apply_catalog(self, catalog: Catalog) -> None:
        """Apply the catalog, except to keys; fields missing from the catalog are left out."""
        key, missing = self.replication_key, []
        if entry := catalog.get_stream(self.name):
            entry.key_properties = self.primary_keys
            missing = complete(entry, self.schema, {*self.primary_keys, *([key] if key else [])})
        super().apply_catalog(catalog)
        self.replication_key = key  # without one, the metadata's key must not apply either
        if missing and self.selected:
            self.logger.warning(
                "The catalog lacks these fields of stream %s, so they are left out: %s. "
                "Make a new one with --discover.",
                *(self.name, ", ".join(missing)),
            )

    @property
    def stream_maps(self) -> list[StreamMap]:
        """The maps, created when first needed: streams that are not selected need none."""
        if self.name not in self.tap.mapper.stream_maps:
            self.add_maps()
        return super().stream_maps

    def add_maps(self) -> None:
        """Create the maps of this stream, with its selected fields.

        Raises:
            TapError: The maps are invalid.
        """
        schema = emitted_schema(self.name, self.effective_schema, self.metadata)
        schema["description"] = self.title()
        stream_maps.add(self.tap.mapper, self.name, schema, self.primary_keys)

    def write_state(self) -> None:
        """Always write the state: some targets store it only if it is the last message."""
        if self.get_batch_config(self.config) is None:  # else after the files are announced
            self.tap.write_message(StateMessage(self.tap_state))

    def report_unmapped(self) -> None:
        """Log how many records stream maps have lost; each first failure is already logged."""
        for sentence, lost in self._unmapped.items():
            if lost > 1:
                records = counted(lost, "record")
                self.logger.error("Stream %s lacks %s: %s", self.name, records, sentence)

    def log(self, message: str, *args: Any, level: int = logging.INFO, **options: Any) -> None:
        """Log as the SDK does, but do not call exceptions "unhandled" that it handles itself."""
        handled = isinstance(sys.exc_info()[1], errors.TapError | SyncLifecycleSignal)
        if level != logging.ERROR or not handled:
            super().log(message, *args, level=level, **options)

    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Record, Any, Any]:
        """Write each record directly, unless the SDK has to transform it.

        The SDK's way costs three times as much per record as the whole rest of the tap.
        """
        if not write_messages or self.ABORT_AT_RECORD_COUNT is not None or not self._is_plain:
            for record in super()._sync_records(context, write_messages=write_messages):
                self.rows_written += 1
                yield record
            return
        writer = cast("BufferedWriter", self.tap.message_writer)
        self.is_written_as_read = True
        write, name = writer.write_record, self.stream_maps[0].stream_alias
        with self.get_record_counter() as counter, self.get_sync_timer():
            records, written = cast("Iterator[Record]", self.get_records(context)), 0
            try:
                for record in records:
                    write(name, record, self._stream_version)
                    self.rows_written += 1
                    written += 1
                    if written == _COUNTED:
                        counter.increment(written)
                        written = 0
            finally:
                counter.increment(written)

    @property
    def _is_plain(self) -> bool:
        """Whether records are written unchanged, under one name."""
        maps = self.stream_maps
        return (
            len(maps) == 1
            and type(maps[0]) is SameRecordTransform
            and not maps[0].flattening_enabled
        )

    def _generate_record_messages(self, record: Record) -> Generator[RecordMessage, None, None]:
        """The record's messages; none, which is counted, if its stream map fails."""
        try:
            messages = list(super()._generate_record_messages(record))
        except errors.TapError as error:
            sentence = str(error)
            if not self._unmapped[sentence]:
                self.logger.error("Stream %s lacks a record: %s", self.name, sentence)  # noqa: TRY400
            self._unmapped[sentence] += 1
            self.outcome.rows_lost += 1  # named here, and so not again with the unreadable values
            return
        yield from messages

    def _sync_batches(self, batch_config: BatchConfig, context: Context | None = None) -> None:
        """Write batch files of mapped records, each before the state that covers it."""
        _ = self.stream_state  # so that the first state already names the stream
        records = self._sync_records(context, write_messages=False)
        mapped = (list(self._generate_record_messages(record)) for record in records)
        with self.get_batch_counter() as counter:
            for messages in batch_messages(self.tap_name, batch_config, mapped):
                for message in messages:
                    counter.increment()
                    self.tap.write_message(message)
                self.tap.write_message(StateMessage(self.tap_state))
        self.tap.write_message(StateMessage(self.tap_state))

    @property
    def emit_activate_version_messages(self) -> bool:
        """False: the SDK would send it before the records, even if some are missing."""
        return False

    def generate_child_contexts(
        self,
        record: Record,  # noqa: ARG002
        context: Context | None,  # noqa: ARG002
    ) -> Iterable[Context | None]:
        """None: child streams list their parents themselves."""
        return ()

    # Bookmarks move once per slice, not per record, and never by the local clock.

    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """None: only the API's clock counts."""

    def _increment_stream_state(self, *_: Any, **__: Any) -> None:
        pass

    def _write_starting_replication_value(self, context: Context | None) -> None:
        pass
