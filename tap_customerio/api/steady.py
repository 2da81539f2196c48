"""Lists whose page tokens are positions, and that may move while they are read.

When a row leaves, all rows after it move up, and the first row of the next page is skipped. So each
page is asked for again after the one that follows it: what has moved into it is then seen. When a
row enters before the place that is being read, all later rows move down and come twice. The row may
come from a page that is still to be read, and then it is not seen at all: the list counts as moved.
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
    """Rows of a list; `moved` if it did not stand still, so that some may be missing."""

    def __init__(self, rows: Iterable[Any] = (), *, moved: bool = False) -> None:
        super().__init__(rows)
        self.moved = moved

    @classmethod
    def of(cls, source: PageSource, key: str, pages: Iterable[Page]) -> Listing:
        """All rows of the pages; a row twice, perhaps, if it moved."""
        found = cls()
        for page in steady(source, key, pages, found.move):
            found.extend(page)
        return found

    def move(self) -> None:
        """Note that it moved."""
        self.moved = True


class _Place:
    """A page as it was when it was read: where, and the names and contents of its rows."""

    def __init__(self, page: Page) -> None:
        self.asked, self.more = page.asked, page.more
        self.names = page.names()
        self.rows = page.contents()

    def repeats(self, before: _Place) -> bool:
        """Whether rows of an earlier page have moved down into this one."""
        return not set(self.names).isdisjoint(before.names)

    def bridges(self, before: _Place, following: _Place) -> bool:
        """Whether it reaches from the rows of one page to those of the next, without a gap."""
        names = set(self.names)
        if names.isdisjoint(before.names):
            return False
        return following.names[0] in names if following.names else not self.more


def steady(
    source: PageSource, key: str, pages: Iterable[Page], moved: Callable[[], None]
) -> Iterator[Page]:
    """Pages of a list, and what moved into them; calls `moved` if it never stands still."""
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
    """Through one list; what its last pages had is not given on again."""

    def __init__(self, source: PageSource, key: str, moved: Callable[[], None]) -> None:
        self._source, self._key, self._moved = source, key, moved
        self._recent: deque[set[int]] = deque(maxlen=2)  # rows of the last places

    def settle(self, before: _Place, place: _Place) -> Generator[Page, None, _Place]:
        """Make sure that no row moved from the second place to the first unseen; the second place.

        Gives pages of what has not been seen there.
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
        question = place.asked
        page, _ = self._source.page(
            question.path,
            self._key,
            set(),
            method=question.method,
            params=question.params,
            body=question.body,
        )
        return page
