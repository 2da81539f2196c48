"""The three kinds of pagination in the App API."""

from __future__ import annotations

import threading
from itertools import count, islice
from typing import TYPE_CHECKING, Any, Protocol

from tap_customerio import errors
from tap_customerio.api.values import within

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tap_customerio.api.responses import Page, ParsedResponse

EMPTY_PAGES = 1000
"""Maximum number of consecutive pages without rows."""


class PageLimit:
    """A limit on rows and pages per list; remembers the lists that are longer."""

    def __init__(self, rows: int, pages: int | None) -> None:
        """Maximum rows per page and pages per list; None for no limit."""
        self._rows, self._pages = rows, pages
        self._long: set[str] = set()
        self._thread = threading.local()

    def begin(self) -> None:
        """Forget this thread's requests."""
        self._thread.paths = set()

    def has_cut(self) -> bool:
        """Whether a list that this thread has read since `begin` has more than one page."""
        return bool(self._thread.paths & self._long)

    def note(self, path: str) -> None:
        """Remember that this thread reads a list."""
        if not hasattr(self._thread, "paths"):
            self.begin()
        self._thread.paths.add(path)

    def params(self, params: dict[str, Any] | None) -> dict[str, Any]:
        """Request parameters with a smaller page size."""
        limit = (params or {}).get("limit")
        return {**(params or {}), **({"limit": min(limit, self._rows)} if limit else {})}

    def first(self, path: str, pages: Iterator[Page]) -> Iterator[Page]:
        """Yield the pages of a list within the limit."""
        self.note(path)
        for page in islice(pages, self._pages):
            if page.more:
                self._long.add(path)
            yield page


class PageSource(Protocol):
    """Reads single pages; a `Client`."""

    def page(  # noqa: PLR0913 - as `Client.page`
        self,
        path: str,
        key: str,
        seen: set[object],
        *,
        method: str = "GET",
        params: dict[str, Any] | None = None,
        body: Any = None,
    ) -> tuple[Page, ParsedResponse]:
        """Return one page of a list, and its response."""


def by_token(source: PageSource, path: str, key: str, **request: Any) -> Iterator[Page]:
    """Follow the page tokens in `next`; `request` is method, params and body of page one.

    Raises:
        TapError: Also when pages or tokens repeat, or never end.
    """
    seen: set[object] = set()
    params, empty = dict(request.pop("params", None) or {}), 0
    while True:
        page, response = source.page(path, key, seen, params=params, **request)
        yield page
        if not page.more:
            return
        empty = empty + 1 if page.empty else 0
        if empty >= EMPTY_PAGES:
            raise errors.api.cursor_loop(response.request)
        params["start"] = response.get("next")


def by_number(source: PageSource, path: str, key: str, params: dict[str, Any]) -> Iterator[Page]:
    """Request `page` 1, 2, 3 …; a partial page is the last."""
    seen: set[object] = set()
    for number in count(1):
        page, response = source.page(path, key, seen, params={"page": number, **params})
        rows = len(page.names())
        yield page
        if not rows or rows < _limit(response):
            return


def by_offset(
    source: PageSource, path: str, key: str, *, limit: int, overlap: int
) -> Generator[Page, None, bool]:
    """Increase `offset` so that each page overlaps the one before.

    Returns whether all pages overlapped, so that no row moved unseen.
    """
    seen: set[object] = set()
    before: list[int] = []
    offset = 0
    while True:
        page, _ = source.page(path, key, seen, params={"limit": limit, "offset": offset})
        names = page.names()
        yield page
        if before and not (names and names[0] in before[-overlap:]):
            return False  # a row was inserted before it, perhaps from a page that is still to come
        if len(names) < limit:
            return True
        before, offset = names, offset + limit - overlap


def _limit(response: ParsedResponse) -> int:
    """The page size stated in a response, or 1."""
    pagination = within(within({"meta": response.get("meta")}, "meta"), "pagination")
    limit = pagination.get("limit", 1)
    return limit if isinstance(limit, int) else 0
