"""Streams of things that lie in folders."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

from tap_customerio.reader import identifier, within
from tap_customerio.streams.base import CustomerioStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_customerio.client import Client
    from tap_customerio.streams.base import Rows


class FolderStream(CustomerioStream):
    """Things that lie in folders, listed on numbered pages.

    Whether such a list goes down into folders is not known for sure: where nothing in it lies in
    one, each folder is asked too.
    """

    path: ClassVar[str]
    records_key: ClassVar[str]
    folders: ClassVar[type[FolderStream] | None] = None

    def pages(self, piece: None) -> Iterator[Rows]:  # noqa: ARG002
        """All of them."""
        yield self.listing(self.client)

    @classmethod
    def listing(cls, client: Client) -> list[dict[str, Any]]:
        """All rows, read once per run."""
        return client.once(cls.path, lambda: list(cls._walk(client)))

    @classmethod
    def _walk(cls, client: Client) -> Iterator[dict[str, Any]]:
        top = list(cls._numbered(client))
        yield from top
        if any(row.get("parent_folder_id") for row in top):
            return
        waiting = [identifier(row) for row in (cls.folders.listing(client) if cls.folders else top)]
        seen = {identifier(row) for row in top}
        asked: set[object] = {None}
        if cls.folders and None in waiting:
            yield {}  # stands for what lies in a folder that cannot be asked, as a row without key
        while waiting:
            folder = waiting.pop()
            if folder in asked:
                continue
            asked.add(folder)
            rows = [
                (identifier(row), row) for row in cls._numbered(client, parent_folder_id=folder)
            ]
            yield from (row for found, row in rows if found is None or found not in seen)
            ids = [found for found, _ in rows]
            waiting += [] if cls.folders else ids
            seen |= {*ids}

    @classmethod
    def _numbered(cls, client: Client, **folder: Any) -> Iterator[dict[str, Any]]:
        """Pages are numbered from 1; one that is not full is the last."""
        direct = {"direct_descendants_only": "true"} if folder else {}
        seen: set[object] = set()
        for number in count(1):
            params = {"page": number, "limit": 10_000, **folder, **direct}
            page, answer = client.page(cls.path, cls.records_key, seen, params=params)
            rows = list(page)
            yield from rows
            pagination = within({"meta": answer.get("meta")}, "meta")
            limit = within(pagination, "pagination").get("limit", 1)
            if not rows or not isinstance(limit, int) or len(rows) < limit:
                return
