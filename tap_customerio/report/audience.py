"""Figures about segments and consents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.report.charts import COLORS, Bar, Point, bars, lines, shares
from tap_customerio.report.page import NOTHING, Figure, table
from tap_customerio.report.texts import count, distinct, label

if TYPE_CHECKING:
    from tap_customerio.report.marts import Marts

CHOICES = ("agree", "refuse", "no choice")
_TOPICS = 20

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
    every = marts.query(_CONSENTS)
    with_choices = {row[0] for row in every if row[1] == "topic" and (row[5] or row[6])}
    known = [row for row in every if row[1] != "topic" or row[0] in with_choices]
    rows = known[:_TOPICS]
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
    if len(known) < len(every):
        note += " Topics without any choice are left out: subscription_preferences has the choices."
    nothing = '<p class="none">Nothing was loaded.</p>'
    body = shares(shown, CHOICES) + table(heads, cells) if rows else nothing
    return Figure(
        "Share of people who agree, refuse, or made no choice, by topic",
        "customerio__consents",
        note,
        body,
    )
