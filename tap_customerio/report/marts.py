"""The dbt models of a warehouse, within the dates of a report."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_customerio import errors
from tap_customerio.windows import BEGINNING

if TYPE_CHECKING:
    from tap_customerio.warehouse import Warehouse

    Row = tuple[Any, ...]

NEEDED = ("customerio__deliveries", "customerio__senders", "customerio__sender_daily")
_MOST_DAYS = 100
_MOST_WEEKS = 500
_DAY = timedelta(days=1)
_EARLIEST = datetime.fromtimestamp(BEGINNING, timezone.utc).date()
_DAYS = "select min(day), max(day) from {schema}.customerio__sender_daily"
_WORKSPACES = "select count(distinct workspace) from {schema}.customerio__senders"


class Period(NamedTuple):
    """The dates of a report; the end is exclusive."""

    start: date
    end: date

    @property
    def unit(self) -> str:
        """The bucket width for at most about a hundred points per line."""
        days = (self.end - self.start).days
        if days <= _MOST_DAYS:
            return "day"
        return "week" if days <= _MOST_WEEKS else "month"

    def bucket(self, day: date) -> date:
        """First day of the bucket that holds a day."""
        if self.unit == "month":
            return day.replace(day=1)
        return day - timedelta(days=day.weekday()) if self.unit == "week" else day

    def buckets(self) -> list[date]:
        """All buckets, including empty ones."""
        days = (self.end - self.start).days
        return sorted({self.bucket(self.start + number * _DAY) for number in range(days)})


class Marts:
    """Queries of the models."""

    def __init__(
        self, warehouse: Warehouse, start: date | None = None, end: date | None = None
    ) -> None:
        """Find the models, and default dates.

        Raises:
            TapError: The models do not exist.
        """
        self._warehouse = warehouse
        self._models = warehouse.tables()
        missing = [model for model in NEEDED if model not in self._models]
        if missing:
            raise errors.commands.no_models(warehouse.schema, missing)
        [(first, last)] = warehouse.query(_DAYS)
        [(workspaces,)] = warehouse.query(_WORKSPACES)
        self._several = workspaces > 1
        today = datetime.now(timezone.utc).date()
        begin = start or max(_EARLIEST, min(first or today, (end or today) - _DAY))
        self.period = Period(begin, end or max(min(last or today, today), begin) + _DAY)

    def shown_workspace(self, workspace: str) -> str | None:
        """The workspace's name, if there are several."""
        return workspace if self._several else None

    def has(self, model: str) -> bool:
        """Whether a model exists."""
        return model in self._models

    def query(self, sql: str) -> list[Row]:
        """Rows of a query; {start} and {end} in it stand for the dates."""
        start, end = self.period
        rows = self._warehouse.query(sql, start=start, end=end)
        return [tuple(map(_plain, row)) for row in rows]


def _plain(value: Any) -> Any:
    """A plain number: PostgreSQL returns decimals for sums and quotients of integers."""
    return float(value) if isinstance(value, Decimal) else value
