"""Lists that may change while they are read, and whose page tokens are positions.

When a row leaves, later rows move up, and the first row of the next page is skipped. So each page
is requested again after the one that follows it, which shows the rows that moved into it. When a
row enters before the current position, later rows move down and appear twice. That row may come
from a page not yet read, and then it is never seen: the list counts as moved.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from tap_customerio.api.pagination import PageSource
    from tap_customerio.api.responses import Page

_TRIES = 3


class Listing(list[Any]):
    """Rows of a list; `moved` if it changed during the read, so that rows may be missing."""

    def __init__(self, rows: Iterable[Any] = (), *, moved: bool = False) -> None:
        super().__init__(rows)
        self.moved = moved

    @classmethod
    def of(cls, source: PageSource, key: str, pages: Iterable[Page]) -> Listing:
        """All rows of the pages; after a move, rows may appear twice."""
        found = cls()
        for page in steady(source, key, pages, found.move):
            found.extend(page)
        return found

    def move(self) -> None:
        """Record a move."""
        self.moved = True


class _Place:
    """A page at the time of its read: its position, and the ids and contents of its rows."""

    def __init__(self, page: Page) -> None:
        self.spec, self.more = page.spec, page.more
        self.names = page.names()
        self.rows = page.contents()

    def repeats(self, before: _Place) -> bool:
        """Whether rows of an earlier page have moved down into this one."""
        return not set(self.names).isdisjoint(before.names)

    def bridges(self, before: _Place, following: _Place) -> bool:
        """Whether it overlaps two other pages, so that there is no gap between them."""
        names = set(self.names)
        if names.isdisjoint(before.names):
            return False
        return following.names[0] in names if following.names else not self.more


def steady(
    source: PageSource, key: str, pages: Iterable[Page], moved: Callable[[], None]
) -> Iterator[Page]:
    """Yield the pages of a list, and rows that moved; call `moved` if the list keeps changing."""
    walk = _Walk(source, key, moved)
    before: _Place | None = None
    for page in pages:
        place = _Place(page)
        yield page
        if before is not None:
            if place.repeats(before):
                moved()
            place = yield from walk.settle(before, place)
        before = place


class _Walk:
    """State of a walk through one list; rows of its last pages are not yielded again."""

    def __init__(self, source: PageSource, key: str, moved: Callable[[], None]) -> None:
        self._source, self._key, self._moved = source, key, moved
        self._recent: deque[set[int]] = deque(maxlen=2)  # rows of the last positions

    def settle(self, before: _Place, place: _Place) -> Generator[Page, None, _Place]:
        """Check that no row moved unseen from the second position to the first.

        Yields pages of unseen rows; returns the second position.
        """
        own = before.rows | place.rows
        for _ in range(_TRIES):
            page = self._read_again(before)
            again = _Place(page)
            if again.names == before.names:
                break
            page.leave_out(own.union(*self._recent))
            own |= again.rows
            yield page
            if again.bridges(before, place):
                break
            page = self._read_again(place)
            before, place = again, _Place(page)
            page.leave_out(own.union(*self._recent))
            own |= place.rows
            yield page
        else:
            self._moved()
        self._recent.append(own)
        return place

    def _read_again(self, place: _Place) -> Page:
        spec = place.spec
        page, _ = self._source.page(
            spec.path,
            self._key,
            set(),
            method=spec.method,
            params=spec.params,
            body=spec.body,
        )
        return page
