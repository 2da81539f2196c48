"""Reads samples of streams."""

from __future__ import annotations

from collections import deque
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tap_customerio import errors
from tap_customerio.api.client import Client
from tap_customerio.api.pagination import PageLimit
from tap_customerio.api.values import count_of, within
from tap_customerio.streams.folders import FolderStream
from tap_customerio.streams.slices import checked
from tap_customerio.windows import LONGEST_PERIOD, Window

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from tap_customerio.settings import Settings
    from tap_customerio.streams.base import CustomerioStream, Rows

_TRIES = 3


class SamplingClient(Client):
    """A client that reads only part of each list, and gives up sooner."""

    give_up_after = 30.0

    def __init__(self, settings: Settings, *, rows: int = 100, pages: int | None = 1) -> None:
        """Set the maximum rows per page and pages per list."""
        self.limit = PageLimit(rows, pages)
        super().__init__(settings, page_limit=self.limit)


class RowCount(NamedTuple):
    """The number of rows, or a lower bound if `more`."""

    rows: int
    more: bool


def count_rows(stream: CustomerioStream, client: SamplingClient) -> RowCount:
    """Request one page of a stream, and count its rows.

    Raises:
        TapError: The stream cannot be read; `NotFoundError` if the API does not know it.
    """
    if isinstance(stream, FolderStream):
        return _count_folder_rows(stream, client)
    client.limit.begin()
    slices = newest_first(stream)
    for _, page in pages_of(stream, islice(slices, _TRIES)):
        rows = len(list(page))
        return RowCount(rows, more=bool(list(islice(slices, 1))) or client.limit.has_cut())
    return RowCount(0, more=False)


def pages_of(stream: CustomerioStream, slices: Iterable[Any]) -> Iterator[tuple[Any, Rows]]:
    """Yield each page with its slice; skips slices deleted since they were listed.

    Raises:
        NotFoundError: All slices are missing, so the list itself may be.
    """
    tried, vanished = 0, []
    for tried, slice_ in enumerate(slices, start=1):  # noqa: B007 - used after the loop
        if (gone := (yield from _pages(stream, slice_))) is not None:
            vanished.append(gone)
    if tried and tried == len(vanished):
        raise vanished[-1]


def _pages(
    stream: CustomerioStream, slice_: Any
) -> Generator[tuple[Any, Rows], None, errors.NotFoundError | None]:
    try:
        for page in cast("Iterator[Rows]", stream.pages(slice_)):  # too few pages for a split
            yield slice_, page
    except errors.NotFoundError as gone:
        return gone
    return None


def newest_first(stream: CustomerioStream) -> Iterator[Any]:
    """A stream's slices; time windows are wide and come newest first."""
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


def _count_folder_rows(stream: FolderStream, client: SamplingClient) -> RowCount:
    response = client.fetch("GET", stream.path, params={"page": 1, "limit": 10_000})
    rows = len(response.rows(stream.records_key))
    total = within(within({"meta": response.get("meta")}, "meta"), "pagination").get("total")
    return RowCount(max(rows, count_of(total) or 0), more=False)
