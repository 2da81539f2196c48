"""Streams whose rows are in folders: assets and Design Studio."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from tap_customerio.api.pagination import by_number
from tap_customerio.api.steady import Listing, steady
from tap_customerio.api.values import identifier
from tap_customerio.streams.base import CustomerioStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_customerio.api.client import Client
    from tap_customerio.api.responses import Page
    from tap_customerio.streams.base import Rows


class FolderStream(CustomerioStream):
    """Rows in folders, listed on numbered pages.

    The API does not document whether such a list includes subfolders. If no row is in a folder,
    the tap also requests each folder.
    """

    path: ClassVar[str]
    records_key: ClassVar[str]
    folders: ClassVar[type[FolderStream] | None] = None

    def pages(self, slice_: None) -> Iterator[Rows]:  # noqa: ARG002
        """Yield all rows."""
        yield self.listed(self.listing(self.client))

    @classmethod
    def listing(cls, client: Client) -> list[dict[str, Any]]:
        """All rows, read once per run."""
        return client.once(cls.path, lambda: cls._walked(client))

    @classmethod
    def _walked(cls, client: Client) -> Listing:
        found = Listing()
        found.extend(cls._walk(client, found.move))
        return found

    @classmethod
    def _walk(cls, client: Client, moved: Callable[[], None]) -> Iterator[dict[str, Any]]:
        def rows_in(**folder: Any) -> Iterator[dict[str, Any]]:
            pages = cls._numbered(client, **folder)
            return chain.from_iterable(steady(client, cls.records_key, pages, moved))

        top = list(rows_in())
        yield from top
        if any(row.get("parent_folder_id") for row in top):
            return
        waiting = [identifier(row) for row in (cls.folders.listing(client) if cls.folders else top)]
        seen = {identifier(row) for row in top}
        read: set[object] = {None}
        if cls.folders and None in waiting:
            yield {}  # counts as a lost row: the folder is unreadable
        while waiting:
            folder = waiting.pop()
            if folder in read:
                continue
            read.add(folder)
            rows = [(identifier(row), row) for row in rows_in(parent_folder_id=folder)]
            yield from (row for found, row in rows if found is None or found not in seen)
            ids = [found for found, _ in rows]
            waiting += [] if cls.folders else ids
            seen |= {*ids}

    @classmethod
    def _numbered(cls, client: Client, **folder: Any) -> Iterator[Page]:
        """Yield the pages of one folder, or of the whole list."""
        direct = {"direct_descendants_only": "true"} if folder else {}
        params = {"limit": 10_000, **folder, **direct}
        return by_number(client, cls.path, cls.records_key, params)
