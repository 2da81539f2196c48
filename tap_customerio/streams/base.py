"""What all streams share: slices through the engine, records through the schema, bookmarks."""

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
    from collections.abc import Callable, Iterator

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
    """A stream as slices of work, their pages, and a record for each row."""

    name: str
    schema: ClassVar[Schema]
    primary_keys: ClassVar[tuple[str, ...]] = ("id",)

    # The API filters next to nothing by change, lists are not sorted, and stamps are whole seconds.
    margin = HOUR

    # Whether a slice stands for something that may be deleted between being listed and being read.
    skip_missing_parents: ClassVar[bool] = False

    # Whether a full read holds all there is, so that a row it lacks has been deleted. Streams with
    # a time range, and those that add dated rows, never do.
    is_mirror: ClassVar[bool] = True

    # Whether it goes through everyone whom the people search finds.
    reads_all_people: ClassVar[bool] = False

    # Whether most syncs read only what may have changed, and others read everything.
    reads_changes: ClassVar[bool] = False

    # Settings that restrict what a full read holds.
    restricted_by: ClassVar[tuple[str, ...]] = ()

    # Whether it is one long chain of pages, each of which names the next.
    sequential: ClassVar[bool] = False

    # Whether start_date and end_date restrict it.
    has_time_range: ClassVar[bool] = False

    def __init__(self, tap: Tap, sync_run: SyncRun) -> None:
        super().__init__(tap, sync_run)
        self.proof = Proof(self)
        self.refresh = Refresh(self)
        self._fresh: Client | None = None
        self.last: dict[str, Any] = {}  # the stream's state as the run found it
        self._since: int | None = None
        self._newest = 0

    @cached_property
    def read(self) -> Reader:
        """Makes records of rows; compiled for streams that are read, since it takes its time."""
        full = self.replication_method == REPLICATION_FULL_TABLE
        return Reader(
            self.name,
            self.schema,
            self.outcome,
            bookmark=None if full else self.replication_key,
            deselected=deselected(self.mask),
            computed=self.computed,
        )

    @classmethod
    def title(cls) -> str:
        """Name and content of the stream, as a sentence for people: its docstring's first."""
        return (cls.__doc__ or "").split("\n\n")[0]

    @classmethod
    def about(cls) -> str:
        """What the stream holds: the title, after the name."""
        return cls.title().partition(": ")[2]

    @property
    def client(self) -> Client:
        """The App API, shared by all streams, unless something is to be asked again."""
        return self._fresh or self.sync_run.client

    @property
    def is_alone(self) -> bool:
        """Whether no other stream reads along: in a test, or when something is asked again."""
        return self.ABORT_AT_RECORD_COUNT is not None or self._fresh is not None

    @property
    def settings(self) -> Settings:
        """The checked settings."""
        return self.sync_run.settings

    def slices(self) -> Iterable[Any]:
        """What to ask for, oldest first; one slice unless the stream says otherwise.

        In place of slices that cannot be named stands the problem.
        """
        return (None,)

    def changed(self, since: int) -> Iterable[Any] | None:
        """The slices that may have changed since a time; None if that cannot be known."""
        raise NotImplementedError

    @property
    def full_every(self) -> float:
        """Seconds between two full reads; 0 if every sync reads everything."""
        return self.settings.refresh_hours * HOUR if self.reads_changes else 0

    def pages(self, slice_: Any) -> Iterable[Rows | Split[Any]]:
        """Read one slice, page by page, or split it; runs on a worker thread."""
        raise NotImplementedError

    def shortfall(self) -> str | None:
        """What of the range asked for the API does not give, or may not, in a sentence."""

    def record(self, raw: dict[str, Any], slice_: Any) -> Record | None:  # noqa: ARG002
        """One output record for a row; None if only changes are wanted, and it has not changed."""
        changed = seconds(raw, self.replication_key) if self.replication_key else None
        if changed:
            self._newest = max(self._newest, changed)
            if self._since is not None and changed < self._since:
                return None
        return self.read(raw)

    def finish(self, slice_: Any) -> None:
        """All records of a slice have been written."""

    def finish_all(self) -> None:
        """All records have been written; the bookmark is the newest change within the range."""
        if self._newest:
            self.advance(min(self._newest, self.settings.end or self._newest))

    def get_records(self, context: Context | None) -> Iterator[Record]:  # noqa: ARG002
        """Give all records; a problem of this stream alone is reported, and the others go on."""
        try:
            yield from self._run()
        except BaseException as error:
            if not isinstance(error, errors.TapError) or isinstance(error, errors.FatalError):
                self.sync_run.stop()
                raise
            self.outcome.failed = True
            self.logger.error("Stream %s failed: %s", self.name, error)  # noqa: TRY400 - a sentence
        if self.read.dropped:
            self.logger.info("Fields not in the schema, left out: %s", sorted(self.read.dropped))
        self.outcome.report_values(self.name, self.logger)
        if summary := self.outcome.summary():
            self.logger.error("Stream %s is incomplete: %s", self.name, summary)
        self.write_state()

    @property
    def replication_method(self) -> str:
        """What the catalog chooses; by default only streams with a time range are incremental.

        Lists come whole anyway. Their update stamps, by which they can be filtered, do not move
        with every change, and say nothing of what was deleted or restored.
        """
        if self.replication_key is None:
            return REPLICATION_FULL_TABLE
        default = REPLICATION_FULL_TABLE if self.is_mirror else REPLICATION_INCREMENTAL
        return self.forced_replication_method or default

    @property
    def activates(self) -> bool:
        """Whether this sync may end in ACTIVATE_VERSION, if the read proves what is gone."""
        return self._is_versioned and not self.refresh.is_partial

    @property
    def _is_versioned(self) -> bool:
        """Whether records carry a version: a target drops all others once it is activated."""
        return (
            self.is_mirror
            and self.replication_method == REPLICATION_FULL_TABLE
            and self.config.get("emit_activate_version_messages", True)
            and self.get_batch_config(self.config) is None  # whose files carry no version
        )

    def queue(self) -> StreamQueue[Any, Rows]:
        """The stream's work; called before any is done, for the state may not be read meanwhile.

        Raises:
            TapError: When the state holds something else than a bookmark.
        """
        self.last = dict(self.tap_state.get("bookmarks", {}).get(self.name, {}))
        self.outcome, self.proof, self.refresh = ReadOutcome(), Proof(self), Refresh(self)
        vars(self).pop("read", None)  # it counts for the outcome of its own run
        if self.settings.end is not None:
            self.outcome.doubts.append(END)
        if self.ABORT_AT_RECORD_COUNT is not None:
            self.outcome.doubts.append(TEST)
        self._unmapped.clear()
        self._since = None
        bookmark = self.bookmark(self.last)
        if bookmark is not None and self.replication_method == REPLICATION_INCREMENTAL:
            self._since = bookmark - self.margin
        slices = self.refresh.slices if self.reads_changes else self.slices
        return self._queue(slices, self._present, sequential=self.sequential)

    def _queue(self, slices: Any, read: Any, *, sequential: bool = False) -> StreamQueue[Any, Any]:
        around = partial(self.client.acting, self.name)
        return StreamQueue(slices, read, sequential=sequential, around=around)

    def write_schema(self) -> None:
        """Let the target know the schema, and nothing else."""
        self._write_schema_message()

    def _run(self) -> Iterator[Record]:
        """Read all slices; twice, if the first read looks wrong, so that no target deletes rows."""
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
        """Read all slices once more, with nothing remembered of the first time."""
        first, self._fresh = self.proof.rows, self.sync_run.client.afresh()
        try:
            queue = self._queue(self.slices, self._present)
            yield from self._read_through(self.sync_run.engine_for(queue), queue)
        finally:
            self._fresh = None
        self.proof.judge_second_read(first)

    def _read_through(
        self, engine: Engine[Any, Rows], queue: StreamQueue[Any, Rows]
    ) -> Iterator[Record]:
        """Run the slices through the engine; code after a yield runs once it has been written."""
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

    def aside(self, work: Callable[[], T]) -> T:
        """Ask for something beside the slices, with no list remembered, on a worker thread."""
        self._fresh = self.sync_run.client.afresh()
        try:
            queue = self._queue(lambda: (None,), lambda _: ([work()],))
            jobs = self.sync_run.engine_for(queue).jobs(queue)
            [found] = [found for _, pages in jobs for page in pages for found in page]
        finally:
            self._fresh = None
        return cast("T", found)

    def existing(self, slices: list[Any]) -> Callable[[Any], bool]:  # noqa: ARG002
        """Tells which of these slices belong to something that still exists."""
        return {checked(slice_) for slice_ in self.slices()}.__contains__

    def count_otherwise(self) -> int | None:
        """How many rows there are, as another part of the API counts them; None if none does."""

    def moved(self) -> None:
        """A list did not stand still while it was read."""
        self.outcome.doubts.append("a list moved while it was read")

    def listed(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows of a shared list; doubts if it did not stand still."""
        if isinstance(rows, Listing) and rows.moved:
            self.moved()
        return rows

    def steady(self, path: str, key: str, **question: Any) -> Iterator[Page]:
        """The pages of a list that ought to stand still, if rows may be deleted that it lacks."""
        pages = self.client.pages(path, key, **question)
        return steady(self.client, key, pages, self.moved) if self.activates else pages

    def _is_range_done(self) -> bool:
        """Whether nothing of the range asked for is left to read, now or later."""
        end = self.settings.end
        if self.has_time_range and end and end > self.client.present:
            present = rfc3339(self.client.present)
            self.logger.warning("%s", errors.sync.range_cut(self.name, rfc3339(end), present))
            return False
        return self.outcome.is_complete

    def _records_of(self, slice_: Any, pages: Iterator[Rows]) -> Iterator[Record]:
        """Records of one slice; if it fails it is left out, and the next slice goes on."""
        try:
            for page in pages:
                self.outcome.has_pages = True
                self._stream_version = self.refresh.version if self._is_versioned else None
                written = 0
                for raw in self.typed_rows(page):
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
        """An object inside a row; empty if it is not set, or cannot be read, which is counted."""
        if not isinstance(raw.get(name), dict) and raw.get(name) not in (None, "", []):
            self.outcome.unreadable.add(name, self.read.id_of(raw))
        return within(raw, name)

    def with_ids(
        self, rows: Iterable[dict[str, Any]], of: str, name: str = "id"
    ) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Rows with their ids; what belongs to one without cannot be asked for, and is lost."""
        for row in rows:
            if (found := identifier(row, name)) is None:
                self.outcome.lose_row(f"{of}.{name}")
            else:
                yield found, row

    def _present(self, slice_: Any) -> Iterator[Rows | Split[Any]]:
        """The pages of a slice; none of one that is not found, which is to be confirmed."""
        try:
            yield from self.pages(checked(slice_))
        except errors.NotFoundError as gone:
            if not self.skip_missing_parents:
                raise
            self.proof.not_found.append((slice_, gone.request))

    # Bookmarks move per slice, not per record, and never by the local clock.

    @property
    def _keeps_bookmark(self) -> bool:
        """A mirror does so however it is read, so that an incremental sync can go on from it."""
        return self.is_mirror or self.replication_method == REPLICATION_INCREMENTAL

    def bookmark(self, state: dict[str, Any]) -> int | None:
        """A state's bookmark in unix seconds; None at first, and where none is kept.

        Raises:
            TapError: When the state holds something else.
        """
        if not self._keeps_bookmark:
            return None
        value = state.get("replication_key_value")
        try:
            moment = None if value is None else parse(value)
        except (TypeError, ValueError):
            raise errors.inputs.bad_bookmark(self.name) from None
        if moment is not None and self.client.is_future(moment):
            raise errors.inputs.future_bookmark(self.name, rfc3339(moment))
        return moment

    def advance(self, moment: int, **facts: Any) -> None:
        """Move the bookmark forward, never back nor past the present, and write the state."""
        if not self._keeps_bookmark:
            return
        moment = min(moment, self.client.present)
        current = self.bookmark(self.stream_state)
        if current is None or moment > current:
            facts["replication_key"] = self.replication_key
            facts["replication_key_value"] = rfc3339(moment)
        self.remember(**facts)

    def remember(self, **facts: Any) -> None:
        """Keep what the next run has to know, and write the state."""
        self.stream_state.update(facts)
        self.write_state()
