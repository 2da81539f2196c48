"""Figures about journeys, tests, the audience, and completeness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.report.charts import COLORS, Bar, Point, bars, intervals, lines, shares
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
CHOICES = ("agree", "refuse", "no choice")
_CAMPAIGNS = 10
_VARIANTS = 20
_TOPICS = 20
_MONTHS = 24
_RATES = {"opened": "open_rate", "clicked": "click_rate", "converted": "conversion_rate"}

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
_SEGMENTS = """
    with last as (
        select
            workspace, segment_id, people,
            row_number() over (partition by workspace, segment_id order by day desc) as place
        from {schema}.customerio__segment_growth
        where day >= {start} and day < {end}
    ),
    largest as (
        select workspace, segment_id, people as people_last
        from last where place = 1
        order by people desc, 1, 2
        limit 6
    )
    select growth.workspace, growth.segment_id, growth.segment_name, growth.day, growth.people
    from {schema}.customerio__segment_growth as growth
    inner join largest
        on growth.workspace = largest.workspace and growth.segment_id = largest.segment_id
    where day >= {start} and day < {end}
    order by largest.people_last desc, 1, 2, day
"""
_CONSENTS = """
    select
        workspace, scope, subject, max(subject_name), count(*) as people,
        sum(case when is_choice and is_allowed then 1 else 0 end),
        sum(case when is_choice and not is_allowed then 1 else 0 end)
    from {schema}.customerio__consents
    where scope in ('everything', 'topic')
    group by 1, 2, 3
    order by 1, 2, people desc, 3
"""
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


def segments(marts: Marts) -> Figure:
    """Growth of the largest segments."""
    last: dict[tuple[object, ...], Point] = {}
    names: dict[tuple[str, int], str] = {}
    for workspace, number, name, day, people in marts.query(_SEGMENTS):
        text = label(name, f"segment {number}", marts.shown_workspace(workspace))
        key = (workspace, number)
        text = names.setdefault(key, distinct(text, names.values(), number))
        bucket = marts.period.bucket(day)
        last[text, bucket] = Point(bucket, text, people)
    series = [*names.values()]
    unit = marts.period.unit
    note = f"People at the last count of each {unit}; the {len(COLORS)} largest segments."
    points = [*last.values()]
    if not points:
        body = NOTHING
    elif len({point.day for point in points}) == 1:  # no growth yet
        body = bars([Bar(point.series, point.value, count(point.value)) for point in points])
    else:
        body = lines(points, series, marts.period, "people")
    title = f"People in the largest segments by {marts.period.unit}"
    return Figure(title, "customerio__segment_growth", note, body)


def consents(marts: Marts) -> Figure:
    """Current consents."""
    rows = marts.query(_CONSENTS)[:_TOPICS]
    shown: list[tuple[str, tuple[float, ...]]] = []
    cells: list[tuple[str, ...]] = []
    for workspace, scope, subject, name, people, *chosen in rows:
        agree, refuse = map(int, chosen)
        fallback = "all messages" if scope == "everything" else subject
        text = label(name, fallback, marts.shown_workspace(workspace))
        text = distinct(text, {cell[0] for cell in cells}, subject)
        cells.append((text, *map(count, (people, agree, refuse, people - agree - refuse))))
        shown.append((text, (agree / people, refuse / people, 1 - (agree + refuse) / people)))
    heads = ("topic", "people", *CHOICES)
    note = (
        "Of everyone with a profile. No choice: the topic's default applies, or for all messages, "
        "the person never unsubscribed. As of the last load, regardless of the dates."
    )
    nothing = '<p class="none">Nothing was loaded.</p>'
    body = shares(shown, CHOICES) + table(heads, cells) if rows else nothing
    return Figure(
        "Share of people who agree, refuse, or made no choice, by topic",
        "customerio__consents",
        note,
        body,
    )


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
