"""Looking at streams without reading them whole."""

from __future__ import annotations

import threading
from collections import deque
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tap_customerio import errors
from tap_customerio.api.client import Client, T
from tap_customerio.api.values import within
from tap_customerio.streams.folders import FolderStream
from tap_customerio.streams.slices import checked
from tap_customerio.windows import LONGEST_PERIOD, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from tap_customerio.api.responses import Page
    from tap_customerio.api.steady import Listing
    from tap_customerio.settings import Settings
    from tap_customerio.streams.base import CustomerioStream, Rows

_TRIES = 3


class Glimpse(Client):
    """A client that asks for small pages, and for no more than the first of any list."""

    give_up_after = 30.0

    def __init__(self, settings: Settings, *, rows: int = 100, follow: bool = False) -> None:
        """Ask for at most so many rows a page, and for all pages only if told to follow."""
        super().__init__(settings)
        self._rows = rows
        self._follow = follow
        self._cut: set[str] = set()
        self._asked = threading.local()

    def pages(
        self,
        path: str,
        key: str,
        *,
        method: str = "GET",
        params: dict[str, Any] | None = None,
        body: Any = None,
    ) -> Iterator[Page]:
        """The first page of a list, or all."""
        self._note(path)
        params = dict(params or {})
        if params.get("limit"):
            params["limit"] = min(params["limit"], self._rows)
        pages = super().pages(path, key, method=method, params=params, body=body)
        for page in pages:
            if page.more:
                self._cut.add(path)
            yield page
            if not self._follow:
                return

    def listing(self, path: str, key: str, **question: Any) -> Listing:
        """The rows of a list's first page, or all, read once however many ask for them."""
        self._note(path)
        return super().listing(path, key, **question)

    def shared(self, kind: type[T], make: Callable[[], T]) -> T:  # noqa: ARG002
        """One for each who asks: what is looked at has no fellow readers."""
        return make()

    def begin(self) -> None:
        """Forget what this thread has asked for."""
        self._asked.paths = set()

    def has_cut(self) -> bool:
        """Whether anything that this thread has asked for since it began goes on."""
        return bool(self._asked.paths & self._cut)

    def _note(self, path: str) -> None:
        if not hasattr(self._asked, "paths"):
            self.begin()
        self._asked.paths.add(path)


class RowCount(NamedTuple):
    """How many rows there are, or, if `more`, at least are."""

    rows: int
    more: bool


def count_rows(stream: CustomerioStream, client: Glimpse) -> RowCount:
    """Ask for one page of a stream, and count.

    Raises:
        TapError: When it may not be read; `NotFoundError` when the API knows no such thing.
    """
    if isinstance(stream, FolderStream):
        return _look_at_folder(stream, client)
    client.begin()
    slices = newest_first(stream)
    for _, page in pages_of(stream, islice(slices, _TRIES)):
        rows = len(list(page))
        return RowCount(rows, more=bool(list(islice(slices, 1))) or client.has_cut())
    return RowCount(0, more=False)


def pages_of(stream: CustomerioStream, slices: Iterable[Any]) -> Iterator[tuple[Any, Rows]]:
    """Each page with its slice; without slices deleted since they were listed.

    Raises:
        NotFoundError: When all of them are, so that it may well be the list itself that is missing.
    """
    asked, vanished = 0, []
    for asked, slice_ in enumerate(slices, start=1):  # noqa: B007 - the number of the last
        if (gone := (yield from _pages(stream, slice_))) is not None:
            vanished.append(gone)
    if asked and asked == len(vanished):
        raise vanished[-1]


def _pages(
    stream: CustomerioStream, slice_: Any
) -> Generator[tuple[Any, Rows], None, errors.NotFoundError | None]:
    try:
        for page in cast("Iterator[Rows]", stream.pages(slice_)):  # too few to be split
            yield slice_, page
    except errors.NotFoundError as gone:
        return gone
    return None


def newest_first(stream: CustomerioStream) -> Iterator[Any]:
    """A stream's slices; where they are windows of time, the newest first and wide ones."""
    slices = map(checked, stream.slices())
    head = list(islice(slices, 1))
    if not head or not isinstance(head[0], Window):
        yield from chain(head, slices)
        return
    [last] = deque(chain(head, slices), maxlen=1)
    end = last.end
    while end > head[0].start:
        window = Window(max(head[0].start, end - LONGEST_PERIOD), end)
        yield window
        end = window.start


def _look_at_folder(stream: FolderStream, client: Glimpse) -> RowCount:
    answer = client.fetch("GET", stream.path, params={"page": 1, "limit": 10_000})
    rows = len(answer.rows(stream.records_key))
    total = within(within({"meta": answer.get("meta")}, "meta"), "pagination").get("total")
    return RowCount(max(rows, total if isinstance(total, int) else 0), more=False)
