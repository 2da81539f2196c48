"""Figures about journeys through campaigns, and A/B tests of newsletters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.report.charts import Bar, bars, intervals
from tap_customerio.report.page import NOTHING, Figure, table
from tap_customerio.report.texts import all_distinct, count, distinct, label, percent, rate

if TYPE_CHECKING:
    from tap_customerio.report.marts import Marts

STEPS = {
    "started": "started",
    "activated": "activated",
    "messaged": "got a message",
    "converted": "converted",
    "finished": "finished",
    "exited_early": "exited early",
    "never_activated": "never activated",
}
_CAMPAIGNS = 10
_VARIANTS = 20

_JOURNEYS = """
    select
        workspace, campaign_id, max(campaign_name), sum(started) as started, sum(activated),
        sum(messaged), sum(converted), sum(finished), sum(exited_early), sum(never_activated)
    from {schema}.customerio__journey_funnel
    where day >= {start} and day < {end}
    group by 1, 2
    order by started desc, 1, 2
"""
_TESTS = """
    select
        tests.workspace, tests.newsletter_id, tests.newsletter_name, tests.test_group, tests.sent,
        tests.decided_by, tests.is_winner, tests.group_id,
        case tests.decided_by when 'opened' then tests.open_rate
            when 'converted' then tests.conversion_rate else tests.click_rate end,
        case tests.decided_by when 'opened' then tests.open_rate_low
            when 'converted' then tests.conversion_rate_low else tests.click_rate_low end,
        case tests.decided_by when 'opened' then tests.open_rate_high
            when 'converted' then tests.conversion_rate_high else tests.click_rate_high end
    from {schema}.customerio__ab_tests as tests
    inner join {schema}.customerio__senders as senders
        on tests.workspace = senders.workspace
        and senders.source_type = 'newsletter'
        and tests.newsletter_id = senders.source_id
    where senders.first_delivery_at >= {start} and senders.first_delivery_at < {end}
        and tests.sent > 0
    order by senders.first_delivery_at desc, 1, 2, tests.group_id
"""


def journeys(marts: Marts) -> Figure:
    """Outcomes of journeys through campaigns."""
    rows = [(*row[:3], *(int(number or 0) for number in row[3:])) for row in marts.query(_JOURNEYS)]
    sums = [sum(row[place] for row in rows) for place in range(3, 3 + len(STEPS))]
    shown = [
        Bar(text, number, f"{count(number)} ({rate(number, sums[0])})")
        for text, number in zip(STEPS.values(), sums, strict=True)
    ]
    heads = ("campaign", *STEPS.values())
    first = rows[:_CAMPAIGNS]
    names = all_distinct(
        (label(row[2], f"campaign {row[1]}", marts.shown_workspace(row[0])), row[1])
        for row in first
    )
    cells = [
        (name, count(row[3]), *(rate(number, row[3]) for number in row[4:]))
        for name, row in zip(names, first, strict=True)
    ]
    note = "Journeys that began in these dates, and the share of them that reached each step."
    if len(rows) > _CAMPAIGNS:
        note += f" Below, the {_CAMPAIGNS} largest of {count(len(rows))} campaigns."
    body = bars(shown) + table(heads, cells) if any(sums) else NOTHING
    return Figure("Journeys through campaigns by step", "customerio__journey_funnel", note, body)


def tests(marts: Marts) -> Figure:
    """Results of newsletter variants."""
    rows = marts.query(_TESTS)
    decided = rows[0][5] if rows else "clicked"
    heads = ("variant", "sent", decided, "95 % interval", "winner")
    shown: list[Bar] = []
    cells: list[tuple[str, ...]] = []
    for workspace, number, name, group, sent, _, won, place, share, low, high in rows[:_VARIANTS]:
        newsletter = label(name, f"newsletter {number}", marts.shown_workspace(workspace))
        text = f"{label(group, 'variant')} of {newsletter}"
        text = distinct(text, {cell[0] for cell in cells}, f"{number}, {place}")
        interval = f"{percent(low)} to {percent(high)}"
        cells.append((text, count(sent), percent(share), interval, "winner" if won else "no"))
        if None not in {share, low, high}:
            shown.append(Bar(text, share, percent(share), low, high))
    note = (
        f"Share of the deliveries sent that people {decided}, with its 95 % confidence interval, "
        "of newsletters first sent in these dates."
    )
    if len(rows) > _VARIANTS:
        note += f" The newest {_VARIANTS} of {count(len(rows))} variants."
    body = intervals(shown, f"share {decided}") + table(heads, cells) if rows else NOTHING
    return Figure(f"A/B tests of newsletters: share {decided}", "customerio__ab_tests", note, body)
