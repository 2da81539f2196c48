"""What all streams share: slices in the engine, records that fit the schema, bookmarks."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL

from tap_customerio import errors
from tap_customerio.api.steady import Listing, steady
from tap_customerio.api.values import identifier, seconds, within
from tap_customerio.streams.proof import END, TEST, Proof
from tap_customerio.streams.reader import Reader
from tap_customerio.streams.refresh import Refresh
from tap_customerio.streams.sdk import SdkStream
from tap_customerio.streams.slices import checked
from tap_customerio.sync.catalog import deselected
from tap_customerio.sync.engine import StreamQueue
from tap_customerio.sync.outcome import ReadOutcome
from tap_customerio.windows import HOUR, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record

    from tap_customerio.api.client import Client
    from tap_customerio.api.responses import Page
    from tap_customerio.settings import Settings
    from tap_customerio.streams.schema import Schema
    from tap_customerio.sync.engine import Engine, Split
    from tap_customerio.sync.run import SyncRun

Rows = Iterable[dict[str, Any]]
T = TypeVar("T")


class CustomerioStream(SdkStream):
    """A stream that reads slices page by page and makes one record per row."""

    name: str
    schema: ClassVar[Schema]
    primary_keys: ClassVar[tuple[str, ...]] = ("id",)

    # The API filters few lists by change, does not sort them, and rounds times to whole seconds.
    margin = HOUR

    # A slice stands for something that may be deleted after it is listed and before it is read.
    skip_missing_parents: ClassVar[bool] = False

    # A full read returns every existing row, so a missing row has been deleted. False for streams
    # with a time range and for streams that add dated rows.
    is_mirror: ClassVar[bool] = True

    # Reads every person that the people search returns.
    reads_all_people: ClassVar[bool] = False

    # Most syncs read only what may have changed; the others read everything.
    reads_changes: ClassVar[bool] = False

    # Settings that limit what a full read returns.
    restricted_by: ClassVar[tuple[str, ...]] = ()

    # One long chain of pages, each of which links to the next.
    sequential: ClassVar[bool] = False

    # start_date and end_date apply.
    has_time_range: ClassVar[bool] = False

    def __init__(self, tap: Tap, sync_run: SyncRun) -> None:
        super().__init__(tap, sync_run)
        self.proof = Proof(self)
        self.refresh = Refresh(self)
        self._fresh: Client | None = None
        self.last: dict[str, Any] = {}  # the stream's state at the start of the run
        self._since: int | None = None
        self._newest = 0

    @cached_property
    def read(self) -> Reader:
        """Converts rows to records; compiled on first use, because compiling is slow."""
        full = self.replication_method == REPLICATION_FULL_TABLE
        return Reader(
            self.name,
            self.schema,
            self.outcome,
            bookmark=None if full else self.replication_key,
            deselected=deselected(self.mask),
            computed=self.computed,
        )

    @property
    def client(self) -> Client:
        """The App API client that all streams share, or a fresh one for repeated requests."""
        return self._fresh or self.sync_run.client

    @property
    def is_alone(self) -> bool:
        """Whether the stream is read without the others: in a connection test or a second read."""
        return self.ABORT_AT_RECORD_COUNT is not None or self._fresh is not None

    @property
    def settings(self) -> Settings:
        """The validated settings."""
        return self.sync_run.settings

    def slices(self) -> Iterable[Any]:
        """What to request, oldest first; one slice by default.

        Yields an error in place of slices that cannot be listed.
        """
        return (None,)

    def changed(self, since: int) -> Iterable[Any] | None:
        """The slices that may have changed since a time; None if that is unknown."""
        raise NotImplementedError

    @property
    def full_every(self) -> float:
        """Seconds between two full reads; 0 if every sync is a full read."""
        return self.settings.refresh_hours * HOUR if self.reads_changes else 0

    def pages(self, slice_: Any) -> Iterable[Rows | Split[Any]]:
        """Yield the pages of one slice, or a `Split`; runs on a worker thread."""
        raise NotImplementedError

    def is_outdated(self, state: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Whether the settings ask for other rows than those of the read that left this state."""
        return False

    def shortfall(self) -> str | None:
        """A sentence about the part of the range that the API does not return, if there is one."""

    def record(self, raw: dict[str, Any], slice_: Any) -> Record | None:  # noqa: ARG002
        """Make one output record from a row; None for a row that has not changed."""
        changed = seconds(raw, self.replication_key) if self.replication_key else None
        if changed:
            self._newest = max(self._newest, changed)
            if self._since is not None and changed < self._since:
                return None
        return self.read(raw)

    def finish(self, slice_: Any) -> None:
        """Called once all records of a slice are written."""

    def finish_all(self) -> None:
        """Called once all records are written; moves the bookmark to the newest change."""
        if self._newest:
            self.advance(min(self._newest, self.settings.end or self._newest))

    def get_records(self, context: Context | None) -> Iterator[Record]:  # noqa: ARG002
        """Yield all records; log errors that concern this stream only, so that others continue."""
        try:
            yield from self._run()
        except BaseException as error:
            if not isinstance(error, errors.TapError) or isinstance(error, errors.FatalError):
                self.sync_run.stop()
                raise
            self.outcome.failed = True
            self.logger.error("Stream %s failed: %s", self.name, error)  # noqa: TRY400 - a sentence
        if unknown := sorted(self.read.dropped):
            self.logger.info("Stream %s: fields not in the schema: %s", self.name, unknown)
        self.outcome.report_values(self.name, self.logger)
        if summary := self.outcome.summary():
            self.logger.error("Stream %s is incomplete: %s", self.name, summary)
        self.write_state()

    @property
    def replication_method(self) -> str:
        """The catalog's choice; by default only streams with a time range are incremental.

        Lists are always read whole. The API can filter them by `updated`, but that time does not
        move with every change and does not show deleted or restored rows.
        """
        if self.replication_key is None:
            return REPLICATION_FULL_TABLE
        default = REPLICATION_FULL_TABLE if self.is_mirror else REPLICATION_INCREMENTAL
        return self.forced_replication_method or default

    @property
    def activates(self) -> bool:
        """Whether this sync may send ACTIVATE_VERSION, if the read proves which rows are gone."""
        return self._is_versioned and not self.refresh.is_partial

    @property
    def _is_versioned(self) -> bool:
        """Whether records carry a version; a target drops all other rows once it is activated."""
        return (
            self.is_mirror
            and self.replication_method == REPLICATION_FULL_TABLE
            and self.config.get("emit_activate_version_messages", True)
            and self.get_batch_config(self.config) is None  # batch files carry no version
        )

    def queue(self) -> StreamQueue[Any, Rows]:
        """The stream's work; created before any of it runs, because later the state is in use.

        Raises:
            TapError: The state holds something other than a bookmark.
        """
        self.last = dict(self.tap_state.get("bookmarks", {}).get(self.name, {}))
        self.outcome, self.proof, self.refresh = ReadOutcome(), Proof(self), Refresh(self)
        vars(self).pop("read", None)  # each run needs a reader with its own outcome
        if self.settings.end is not None:
            self.outcome.doubts.append(END)
        if self.ABORT_AT_RECORD_COUNT is not None:
            self.outcome.doubts.append(TEST)
        self._unmapped.clear()
        bookmark = self.bookmark(self.last)
        if bookmark is None or self.replication_method == REPLICATION_FULL_TABLE:
            self._since = None
        else:
            self._since = bookmark - self.margin
        slices = self.refresh.slices if self.reads_changes else self.slices
        return self._queue(slices, self._present, sequential=self.sequential)

    def _queue(self, slices: Any, read: Any, *, sequential: bool = False) -> StreamQueue[Any, Any]:
        around = partial(self.client.acting, self.name)
        return StreamQueue(slices, read, sequential=sequential, around=around)

    def write_schema(self) -> None:
        """Write only the SCHEMA message."""
        self._write_schema_message()

    def _run(self) -> Iterator[Record]:
        """Read all slices, twice if the first read looks wrong, so that targets delete no rows."""
        engine, queue = self.sync_run.work(self)
        self.sync_run.progress.begin(self.name)
        yield from self._read_through(engine, queue)
        if self.activates and self.proof.is_suspicious():
            yield from self._read_again()
        if self.outcome.is_complete and not self.refresh.is_partial:
            self.finish_all()
        if self.activates and self.proof.settle():
            self._write_activate_version_message(self.client.present)
        if self.reads_changes:
            self.refresh.settle()
        self.sync_run.progress.end(self.name, done=self._is_range_done())
        self.report_unmapped()

    def _read_again(self) -> Iterator[Record]:
        """Read all slices again without anything cached from the first read."""
        first, self._fresh = self.proof.rows, self.sync_run.client.uncached()
        try:
            queue = self._queue(self.slices, self._present)
            yield from self._read_through(self.sync_run.engine_for(queue), queue)
        finally:
            self._fresh = None
        self.proof.judge_second_read(first)

    def _read_through(
        self, engine: Engine[Any, Rows], queue: StreamQueue[Any, Rows]
    ) -> Iterator[Record]:
        """Run the slices through the engine; code after a yield runs once the record is written."""
        self.proof.rows = 0
        with closing(engine.jobs(queue)) as jobs:
            for job, pages in jobs:
                self.outcome.slices += 1
                yield from self._records_of(job.slice_, pages)
                if job.not_split and self.outcome.is_complete:
                    self.finish(job.slice_)
                if job.not_split:
                    self.sync_run.progress.slice(self.name, job.slice_, queue.total)
        self.report_unmapped()
        self.outcome.check()
        self.proof.confirm_not_found()

    def extra_request(self, work: Callable[[], T]) -> T:
        """Make an extra request on a worker thread, without cached lists."""
        self._fresh = self.sync_run.client.uncached()
        try:
            queue = self._queue(lambda: (None,), lambda _: ([work()],))
            jobs = self.sync_run.engine_for(queue).jobs(queue)
            [found] = [found for _, pages in jobs for page in pages for found in page]
        finally:
            self._fresh = None
        return cast("T", found)

    def existing(self, slices: list[Any]) -> Callable[[Any], bool]:  # noqa: ARG002
        """Return a test of whether the object that a slice belongs to still exists."""
        return {checked(slice_) for slice_ in self.slices()}.__contains__

    def count_otherwise(self) -> int | None:
        """The number of rows according to another part of the API; None if there is none."""

    def moved(self) -> None:
        """Record a doubt: a list changed while it was read."""
        self.outcome.doubts.append("a list moved while it was read")

    def listed(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows of a shared list; records a doubt if the list changed during the read."""
        if isinstance(rows, Listing) and rows.moved:
            self.moved()
        return rows

    def steady(self, path: str, key: str, **request: Any) -> Iterator[Page]:
        """The pages of a list; checks for movement if missing rows may be deleted."""
        pages = self.client.pages(path, key, **request)
        return steady(self.client, key, pages, self.moved) if self.activates else pages

    def _is_range_done(self) -> bool:
        """Whether the whole requested range has been read."""
        end = self.settings.end
        if self.has_time_range and end and end > self.client.present:
            present = rfc3339(self.client.present)
            self.logger.warning("%s", errors.sync.range_cut(self.name, rfc3339(end), present))
            return False
        return self.outcome.is_complete

    def _records_of(self, slice_: Any, pages: Iterator[Rows]) -> Iterator[Record]:
        """Records of one slice; a failed slice is left out and the next one follows."""
        try:
            for page in pages:
                self.outcome.has_pages = True
                self._stream_version = self.refresh.version if self._is_versioned else None
                written = 0
                for raw in self.typed_rows(page, self.read):
                    if (row := self.record(raw, slice_)) is not None:
                        written += 1
                        yield row
                self.proof.rows += written
                self.sync_run.progress.page(self.name, written)
        except errors.FatalError:
            raise
        except errors.TapError as error:
            self.outcome.miss(error)

    def within(self, raw: dict[str, Any], name: str) -> dict[str, Any]:
        """An object inside a row; empty if it is missing or unreadable (which is counted)."""
        if not isinstance(raw.get(name), dict) and raw.get(name) not in (None, "", []):
            self.outcome.unreadable.add(name, self.read.id_of(raw))
        return within(raw, name)

    def with_ids(
        self, rows: Iterable[dict[str, Any]], of: str, name: str = "id"
    ) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Rows with their ids; a row without an id is counted as lost."""
        for row in rows:
            if (found := identifier(row, name)) is None:
                self.outcome.lose_row(f"{of}.{name}")
            else:
                yield found, row

    def _present(self, slice_: Any) -> Iterator[Rows | Split[Any]]:
        """The pages of a slice; none after a 404, which is confirmed at the end of the run."""
        try:
            yield from self.pages(checked(slice_))
        except errors.NotFoundError as gone:
            if not self.skip_missing_parents:
                raise
            self.proof.not_found.append((slice_, gone.request))

    # Bookmarks move once per slice, not per record, and never by the local clock.

    @property
    def _keeps_bookmark(self) -> bool:
        """Mirrors keep a bookmark with either method, so that an incremental sync can follow."""
        return self.is_mirror or self.replication_method == REPLICATION_INCREMENTAL

    def bookmark(self, state: dict[str, Any]) -> int | None:
        """A state's bookmark in unix seconds; None on the first run and for other streams.

        Raises:
            TapError: The state holds something else.
        """
        value = state.get("replication_key_value") if self._keeps_bookmark else None
        try:
            moment = None if value is None else parse(value)
        except (TypeError, ValueError):
            raise errors.inputs.bad_bookmark(self.name) from None
        if moment is not None and self.client.is_future(moment):
            raise errors.inputs.future_bookmark(self.name, rfc3339(moment))
        return moment

    def advance(self, moment: int, **facts: Any) -> None:
        """Move the bookmark forward, at most to the present, and write the state."""
        if not self._keeps_bookmark:
            return
        moment = min(moment, self.client.present)
        current = self.bookmark(self.stream_state)
        if current is None or moment > current:
            facts["replication_key"] = self.replication_key
            facts["replication_key_value"] = rfc3339(moment)
        self.remember(**facts)

    def remember(self, **facts: Any) -> None:
        """Store what the next run needs, and write the state."""
        self.stream_state.update(facts)
        self.write_state()
