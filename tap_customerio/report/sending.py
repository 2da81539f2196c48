"""Figures about deliveries, senders, and outcomes."""

from __future__ import annotations

import re
from collections import defaultdict
from html import escape
from typing import TYPE_CHECKING

from tap_customerio.report.charts import Bar, Point, bars, lines, small_lines
from tap_customerio.report.page import NOTHING, Figure, legend, table
from tap_customerio.report.texts import all_distinct, count, label, percent, rate
from tap_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_customerio.report.marts import Marts, Row

STATES = ("sent", "opened", "clicked")
_RANKED = 20
_DRAWN = 12
_DOMAINS = 15
_FEW_PEOPLE = 10
_DOMAIN = re.compile(r"[\w-]+(\.[\w-]+)+")

_BY_DAY = """
    select day, sum(sent), sum(opened), sum(clicked)
    from {schema}.customerio__sender_daily
    where day_of = 'event' and day >= {start} and day < {end}
    group by day
"""
_RANKING = """
    select
        daily.workspace, daily.source_type, daily.source_id, max(senders.source_name),
        sum(daily.sent) as sent, sum(daily.delivered), sum(daily.opened), sum(daily.clicked),
        sum(daily.converted), sum(daily.unsubscribed)
    from {schema}.customerio__sender_daily as daily
    left join {schema}.customerio__senders as senders
        on daily.workspace = senders.workspace
        and daily.source_type = senders.source_type
        and daily.source_id = senders.source_id
    where day_of = 'sending' and day >= {start} and day < {end}
    group by 1, 2, 3
    order by sent desc, 1, 2, 3
"""
_SMALL = """
    select daily.workspace, daily.source_type, daily.source_id, day, sent, opened, clicked
    from {schema}.customerio__sender_daily as daily
    inner join (
        select workspace, source_type, source_id
        from {schema}.customerio__sender_daily
        where day_of = 'sending' and day >= {start} and day < {end}
        group by 1, 2, 3
        order by sum(sent) desc, 1, 2, 3
        limit 12
    ) as first
        on daily.workspace = first.workspace
        and daily.source_type = first.source_type
        and daily.source_id = first.source_id
    where day_of = 'sending' and day >= {start} and day < {end}
"""
_BY_DOMAIN = """
    select
        recipient_domain, count(distinct cio_id), count(sent_at) as sent, count(delivered_at),
        count(bounced_at), count(spammed_at)
    from {schema}.customerio__deliveries
    where recipient_domain is not null and not is_draft
        and created_at >= {start} and created_at < {end}
    group by 1
    order by sent desc, 1
"""
_TOTALS = """
    select
        count(sent_at),
        count(case when channel = 'email' then sent_at end),
        count(case when channel = 'email' then first_open_at end),
        count(case when channel = 'email' then first_click_at end),
        count(case when not is_settled then sent_at end),
        min(case when not is_settled then created_at end)
    from {schema}.customerio__deliveries
    where source_id is not null and not is_draft
        and created_at >= {start} and created_at < {end}
"""


def totals(marts: Marts) -> tuple[list[tuple[str, str]], list[str]]:
    """The totals at the top, and notes about them."""
    [(sent, mails, opened, clicked, unsettled, since)] = marts.query(_TOTALS)
    cells = [
        ("Deliveries sent", count(sent)),
        ("E-mails opened by people", rate(opened, mails)),
        ("E-mails clicked by people", rate(clicked, mails)),
        ("Sent, not settled yet", count(unsettled)),
    ]
    if since is None:
        return cells, []
    note = (
        f"Deliveries created on {since:%Y-%m-%d} and later are not settled: late opens and clicks "
        "may still change their counts. From customerio__deliveries."
    )
    return cells, [note]


def over_time(marts: Marts) -> Figure:
    """Deliveries, opens and clicks by day of the event."""
    period = marts.period
    sums: dict[tuple[str, object], int] = defaultdict(int)
    rows = marts.query(_BY_DAY)
    for day, *counts in rows:
        for state, number in zip(STATES, counts, strict=True):
            sums[state, period.bucket(day)] += int(number or 0)
    points = [Point(day, name, sums[name, day]) for day in period.buckets() for name in STATES]
    note = f"Deliveries, by the {period.unit} in which each was sent, first opened, first clicked."
    if period.unit != "day":
        note += f" The first and last {period.unit} may be incomplete."
    title = f"Deliveries sent, opened and clicked by {period.unit}"
    body = lines(points, STATES, period, "deliveries") if rows else NOTHING
    return Figure(title, "customerio__sender_daily", note, body)


def senders(marts: Marts) -> Figure:
    """The largest senders, with their outcomes."""
    rows = [(*row[:4], *(int(number or 0) for number in row[4:])) for row in marts.query(_RANKING)]
    heads = (
        "sender",
        "type",
        "sent",
        "delivered",
        "opened",
        "clicked",
        "converted",
        "unsubscribed",
    )
    first = rows[:_RANKED]
    names = all_distinct((name_of(marts, row), row[2]) for row in first)
    cells = [
        (name, row[1], count(row[4]), *(rate(part, row[4]) for part in row[5:]))
        for name, row in zip(names, first, strict=True)
    ]
    note = (
        "Deliveries by the day they were created; shares are of those sent. Not every "
        "channel reports arrival, opens and clicks."
    )
    if any(row[1] == "unknown" for row in first):
        note += " Of unknown type are campaigns or broadcasts: load both lists to tell them apart."
    if len(rows) > _RANKED:
        rest = sum(row[4] for row in rows[_RANKED:])
        note += f" {counted(len(rows) - _RANKED, 'more sender')} sent "
        note += f"{counted(rest, 'delivery', 'deliveries')}."
    body = _multiples(marts, rows[:_DRAWN], names) + table(heads, cells) if rows else NOTHING
    return Figure("Senders by deliveries sent", "customerio__sender_daily", note, body)


def name_of(marts: Marts, row: Row) -> str:
    """Name of a sender, by workspace, type, id and name."""
    workspace, kind, number, name, *_ = row
    return label(name, f"{kind} {number}", marts.shown_workspace(workspace))


def domains(marts: Marts) -> Figure:
    """Deliverability by domain; a domain with few people could identify them."""
    rows = marts.query(_BY_DOMAIN)
    named = [row for row in rows if row[1] >= _FEW_PEOPLE and _DOMAIN.fullmatch(row[0])][:_DOMAINS]
    rest = [row for row in rows if row not in named]
    texts = [(name, *numbers) for name, _, *numbers in named]
    if rest:
        sums = [sum(row[place] for row in rest) for place in range(2, 6)]
        others = counted(len(rest), "other domain")
        texts.append((others, *sums))
    heads = ("domain", "sent", "delivered", "bounced", "marked as spam")
    cells = [(row[0], count(row[1]), *(rate(part, row[1]) for part in row[2:])) for row in texts]
    shown = [Bar(row[0], row[2] / row[1], percent(row[2] / row[1])) for row in texts if row[1]]
    note = (
        f"E-mails sent, by the recipient's domain; shares are of those sent. Domains with fewer "
        f"than {_FEW_PEOPLE} people are added up."
    )
    body = (bars(shown) if shown else "") + table(heads, cells) if rows else NOTHING
    return Figure("Share of e-mails delivered by domain", "customerio__deliveries", note, body)


def _multiples(marts: Marts, rows: Sequence[Row], names: Sequence[str]) -> str:
    """One small chart per sender, each with its own scale."""
    period = marts.period
    sums: dict[Row, int] = defaultdict(int)
    for *sender, day, sent, opened, clicked in marts.query(_SMALL):
        for state, number in zip(STATES, (sent, opened, clicked), strict=True):
            sums[(*sender, state, period.bucket(day))] += int(number or 0)
    parts = []
    for row, name in zip(rows, names, strict=False):
        points = [
            Point(day, state, sums[(*row[:3], state, day)])
            for day in period.buckets()
            for state in STATES
        ]
        most = max(point.value for point in points)
        parts.append(
            f"<li>{small_lines(points, STATES, period)}{escape(name)}<br>"
            f"at most {count(most)} a {period.unit}</li>"
        )
    return f'<p class="legend">{legend(STATES)}</p><ol class="small">{"".join(parts)}</ol>'
