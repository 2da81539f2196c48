"""Base classes: a list that is read in full, and a list for each row of a parent list."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from tap_customerio.api.client import quoted
from tap_customerio.api.values import seconds
from tap_customerio.streams.base import CustomerioStream
from tap_customerio.streams.schema import array_of, integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers.types import Record

    from tap_customerio.api.client import Client
    from tap_customerio.api.responses import ParsedResponse
    from tap_customerio.streams.base import Rows


USED_BY = array_of(
    integer(""),
    campaigns="Ids of the campaigns that use it.",
    draft_newsletters="Ids of the newsletters that use it and are not sent yet.",
    sent_newsletters="Ids of the newsletters that used it.",
)
"""Users of a segment or a sender identity."""


class Paged(NamedTuple):
    """A parent's rows are a paged list under this key."""

    key: str


class Single(NamedTuple):
    """A parent has one row: the object under this key."""

    expect: str


class Whole(NamedTuple):
    """A parent has one row: the whole response, which must have a member `expect`."""

    expect: str | None = None


class ListStream(CustomerioStream):
    """A list that the API always returns whole."""

    path: ClassVar[str]
    records_key: ClassVar[str]
    page_size: ClassVar[int | None] = None

    def pages(self, slice_: None) -> Iterable[Rows]:  # noqa: ARG002
        """The list, read once for all streams that need it."""
        yield self.listed(self.listing(self.client))

    @classmethod
    def listing(cls, client: Client) -> list[dict[str, Any]]:
        """All rows of the list, read once per run."""
        return client.listing(cls.path, cls.records_key, params={"limit": cls.page_size})

    @classmethod
    def changed_at(cls, row: dict[str, Any]) -> int:
        """When a row last changed, by its timestamps; unknown counts as just now."""
        number, _, stamp = str(row.get("deduplicate_id") or "").partition(":")
        stamps = [seconds({"id": stamp}, "id")] if number else []
        stamps.append(seconds(row, vars(cls).get("replication_key") or ""))
        return max(filter(None, stamps), default=sys.maxsize)


class ChildStream(CustomerioStream):
    """One list per row of a parent list; a parent deleted during the run has no rows."""

    skip_missing_parents = True
    reads_changes = True
    parent: ClassVar[type[ListStream]]
    path: ClassVar[str]
    shape: ClassVar[Paged | Single | Whole]
    parent_key: ClassVar[str]
    page_size: ClassVar[int | None] = None

    def slices(self) -> dict[Any, None]:
        """The parents' ids."""
        return self._ids(self._parents())

    def changed(self, since: int) -> dict[Any, None] | None:
        """The ids of the parents that changed, by their timestamps."""
        rows = [
            row for row in self._parents() if self.parent.changed_at(row) >= since - self.margin
        ]
        return self._ids(rows)

    def pages(self, slice_: Any) -> Iterator[Rows]:
        """Yield one parent's rows, page by page."""
        path = f"{self.parent.path}/{quoted(slice_)}/{self.path}"
        if isinstance(self.shape, Paged):
            params = {"limit": self.page_size}
            yield from self.steady(path, self.shape.key, params=params)
        else:
            yield self.rows(self.client.fetch("GET", path, expect=self.shape.expect))

    def rows(self, response: ParsedResponse) -> Rows:
        """The one row of a response that is not a list."""
        one = (
            response.object(self.shape.expect)
            if isinstance(self.shape, Single)
            else response.whole()
        )
        return [one]

    def record(self, raw: dict[str, Any], slice_: Any) -> Record | None:
        """Return the row with its parent's id."""
        return super().record({**raw, self.parent_key: slice_}, slice_)

    def _parents(self) -> list[dict[str, Any]]:
        return self.listed(self.parent.listing(self.client))

    def _ids(self, rows: Iterable[dict[str, Any]]) -> dict[Any, None]:
        return dict.fromkeys(number for number, _ in self.with_ids(rows, self.parent.name))
