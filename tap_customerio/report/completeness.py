"""The figure about the completeness of the loaded data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.report.page import NOTHING, Figure, table
from tap_customerio.report.texts import count

if TYPE_CHECKING:
    from tap_customerio.report.marts import Marts

_MONTHS = 24

_LOADED = """
    select
        extract(year from day), extract(month from day), sum(counted_sent),
        sum(case when is_covered then loaded_sent else 0 end),
        sum(case when status = 'missing' then missing_sent else 0 end),
        sum(case when is_covered then 0 else loaded_sent end)
    from {schema}.customerio__reconciliation
    where period_end > {start} and period_start < {end}
    group by 1, 2
    order by 1 desc, 2 desc
"""


def loaded(marts: Marts) -> Figure:
    """Completeness of the loaded data."""
    rows = marts.query(_LOADED)
    cells = [
        (f"{int(year)}-{int(month):02}", *(count(int(number or 0)) for number in numbers))
        for year, month, *numbers in rows[:_MONTHS]
    ]
    heads = ("month", "sent by Customer.io", "loaded", "missing", "loaded, not covered")
    note = (
        "Deliveries sent. Missing are those that were not loaded, without a reason such as age; "
        "'tap-customerio verify' names senders and days. Not covered are those that Customer.io "
        "does not count, such as older ones. The two columns of loaded deliveries add up to the "
        "deliveries sent at the top, except that a day, week or month that reaches beyond the "
        "report's dates counts whole."
    )
    if len(rows) > _MONTHS:
        note += f" The last {_MONTHS} of {count(len(rows))} months."
    body = table(heads, cells) if rows else NOTHING
    title = "Deliveries counted by Customer.io, and loaded, by month"
    return Figure(title, "customerio__reconciliation", note, body)
