"""The queries for counts and deliveries; they tolerate columns that an older tap did not write."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.windows import BEGINNING

if TYPE_CHECKING:
    from tap_customerio.warehouse import Warehouse

    Rows = list[tuple[Any, ...]]

UNKNOWN = "unknown"
"""Type of a sender that is a campaign or a broadcast."""
SLOT = 900
"""Seconds by which deliveries are grouped; offsets of time zones are multiples of it."""
_SLACK = timedelta(days=2)

_COUNTED = """
    select source_type, source_id, resolution, timezone, period_start, sent, is_partial
    from {metrics}
    where source_type is not null and source_id is not null and timezone is not null
        and resolution in ('hours', 'days', 'weeks', 'months')
"""
_OF_TYPE = "select source_id from {metrics} where source_type = '{kind}'"
_LOADED = """
    select
        coalesce(source_type, case
            when nullif(newsletter_id, 0) is not null then 'newsletter'
            when nullif(transactional_message_id, 0) is not null then 'transactional'
            when nullif(broadcast_id, 0) is not null then 'broadcast'
            when campaign_id in ({broadcasts}) and campaign_id in ({campaigns}) then '{unknown}'
            when campaign_id in ({broadcasts}) then 'broadcast'
            when campaign_id in ({campaigns}) then 'campaign'
            when nullif(source_id, 0) is not null then '{unknown}'
            when nullif(campaign_id, 0) is not null then 'campaign'
        end),
        coalesce(
            nullif(source_id, 0), nullif(newsletter_id, 0), nullif(transactional_message_id, 0),
            nullif(broadcast_id, 0), nullif(campaign_id, 0)
        ),
        cast(floor(extract(epoch from created) / {slot}) as bigint),
        count(metrics ->> 'sent')
    from {messages}
    group by 1, 2, 3
"""
"""Senders are derived as in int_customerio__messages of the dbt package."""
_AMBIGUOUS = "({broadcasts}) intersect ({campaigns})"
_CREATED = "select min(created), max(created) from {messages}"
_NEWEST = """
    select max(case when updated > created and updated < {future} then updated else created end)
    from {messages}
    union all
    select max(period_start) from {metrics}
"""
_IMPOSSIBLE = "select (select count(*) from {every}) - (select count(*) from {messages})"
_MAY_LACK = {
    "source_type": "varchar",
    **dict.fromkeys(
        (
            *("source_id", "newsletter_id", "transactional_message_id", "broadcast_id"),
            "campaign_id",
        ),
        "bigint",
    ),
    "updated": "timestamp",
}
"""Columns of messages that an older tap did not write, or that were not selected."""


class DeliveryTables:
    """Queries of messages and metrics; campaigns and broadcasts tell what a campaign_id names."""

    def __init__(self, warehouse: Warehouse) -> None:
        """Look which tables and columns exist.

        Raises:
            TapError: One of messages and metrics was not loaded.
        """
        self._warehouse = warehouse
        lacking = {"messages", "metrics"} - warehouse.tables()
        if len(lacking) == 1:
            raise errors.commands.stream_not_loaded(warehouse.schema, lacking.pop())
        future = (datetime.now(timezone.utc) + _SLACK).date()
        every = warehouse.rows_of("messages", _MAY_LACK)
        metrics = _possible(warehouse.rows_of("metrics"), "period_start", future)
        self._parts = {
            "every": every,
            "messages": _possible(every, "created", future),
            "metrics": metrics,
            "unknown": UNKNOWN,
            "slot": str(SLOT),
            "future": f"date '{future}'",
        }
        for table, kind in (("broadcasts", "broadcast"), ("campaigns", "campaign")):
            ids = _OF_TYPE.format(metrics=metrics, kind=kind)
            if "id" in warehouse.columns(table):
                ids += f" union all select id from {warehouse.rows_of(table)}"  # noqa: S608
            self._parts[table] = ids

    def counts(self) -> Rows:
        """Customer.io's counts: sender, resolution, time zone, start, sent, is_partial."""
        return self._query(_COUNTED)

    def deliveries(self) -> Rows:
        """Sent deliveries by sender and number of `SLOT`s since 1970."""
        return self._query(_LOADED)

    def created(self) -> tuple[datetime | None, datetime | None]:
        """When the first and the last delivery were created."""
        [(first, last)] = self._query(_CREATED)
        return first, last

    def newest(self) -> list[datetime]:
        """The last change of a delivery, and the start of the last count."""
        return [moment for (moment,) in self._query(_NEWEST) if moment]

    def ambiguous(self) -> set[int]:
        """Ids of both a campaign and a broadcast."""
        return {number for (number,) in self._query(_AMBIGUOUS)}

    def impossible(self) -> int:
        """The number of deliveries with an impossible time, which no other query returns."""
        [(number,)] = self._query(_IMPOSSIBLE)
        return int(number)

    def _query(self, sql: str) -> Rows:
        return self._warehouse.query(sql, **self._parts)


def _possible(rows: str, column: str, future: date) -> str:
    """Rows with a possible time; one impossible time would make all others look old or missing."""
    beginning = datetime.fromtimestamp(BEGINNING, timezone.utc).date()
    condition = f"{column} >= date '{beginning}' and {column} < date '{future}'"
    return f"(select * from {rows} where {condition}) as possible"  # noqa: S608
