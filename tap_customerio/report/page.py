"""The page: figures in one self-contained file."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

from tap_customerio.privacy.html_report import document
from tap_customerio.report.charts import COLORS, DARK, DASHES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_customerio.report.marts import Period

NOTHING = '<p class="none">Nothing in these dates.</p>'
_STYLE = """
:root { color-scheme: light; --ink: #222; --soft: #555; --page: #fff; --line: #ddd; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  max-width: 720px; margin: 2em auto; padding: 0 20px; overflow-wrap: anywhere; }
h1, h2 { line-height: 1.2; } h2 { font-size: 1.15em; margin: 0; }
figure { margin: 2.5em 0; } figcaption p, .none, footer { color: var(--soft); margin: .2em 0 .8em; }
svg { display: block; max-width: 100%; height: auto; } svg[data-size=narrow] { display: none; }
dl.totals { display: grid; grid-template-columns: repeat(auto-fit, minmax(9em, 1fr)); gap: 1em;
  align-items: end; }
dl.totals dt { color: var(--soft); } dl.totals dd { margin: 0; font-size: 1.6em; }
ol.small { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 1em;
  list-style: none; padding: 0; font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
td { font-variant-numeric: tabular-nums; }
th, td { text-align: right; vertical-align: top; padding: .3em .5em;
  border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
th:first-child, td:first-child { text-align: left; min-width: 8em; }
td:first-child { overflow-wrap: anywhere; }
@media screen and (max-width: 719px) {
  svg[data-size=wide] { display: none; } svg[data-size=narrow] { display: block; }
  thead { position: absolute; left: -999em; }
  table, tbody, tr, td { display: block; }
  tr { padding: .4em 0; border-bottom: 1px solid var(--line); }
  td { border: 0; padding: .05em 0; text-align: left; } td:first-child { font-weight: bold; }
  td:not(:first-child) { display: inline-block; margin-right: 1em; }
  td:not(:first-child)::before { content: attr(data-label) ": "; color: var(--soft); }
}
@media print {
  body { max-width: none; margin: 0; font-size: 10pt; }
  figcaption, h2 { break-after: avoid; } figcaption, svg, tr, li { break-inside: avoid; }
  thead { display: table-header-group; }
}
"""
_DARK = """
:root { color-scheme: dark; --ink: #e6e6e6; --soft: #b0b5ba; --page: #17191c; --line: #44484d; }
"""
_PEOPLE = (
    "Opens and clicks are of people, not of mail programs or link scanners, unless the models were "
    "built with customerio_human_only: false."
)
_FOOTER = (
    "<footer><p>Made by tap-customerio report. Shows sums, no rows of people. Domains of few "
    "people are added up, and e-mail addresses in names are masked; other personal data that "
    "someone wrote into the name of a sender, segment or topic is shown.</p></footer>"
)


class Figure(NamedTuple):
    """A figure with a title, its source, and its content."""

    title: str
    model: str
    note: str
    body: str


def page(
    period: Period,
    totals: Iterable[tuple[str, str]],
    figures: Iterable[Figure],
    notes: Sequence[str],
) -> str:
    """The whole page."""
    last = period.end.fromordinal(period.end.toordinal() - 1)
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in totals)
    parts = [
        "<h1>Customer.io report</h1>",
        f"<p>{period.start} to {last}, days in UTC. {_PEOPLE}</p>",
        f'<dl class="totals">{cells}</dl>',
        *(f"<p>{escape(note)}</p>" for note in notes),
        *map(_figure, figures),
        _FOOTER,
    ]
    return document("Customer.io report", parts, _style())


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; on small screens each row is a block of headings and values."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "\n".join(
        "<tr>"
        + "".join(
            f'<td data-label="{escape(name)}">{escape(value)}</td>'
            for name, value in zip(heads, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"


def legend(series: Sequence[str]) -> str:
    """The colours of series, for small multiples."""
    marks = zip(series, COLORS, DASHES, strict=False)
    return "".join(
        f'<svg width="24" height="10" style="display:inline"><path d="M0,5H22" stroke="{color}" '
        f'stroke-width="3" stroke-dasharray="{",".join(map(str, dashes))}"/></svg> {escape(name)} '
        for name, color, dashes in marks
    )


def _figure(figure: Figure) -> str:
    source = f"From <code>{figure.model}</code>."
    return (
        f"<figure><figcaption><h2>{escape(figure.title)}</h2>\n"
        f"<p>{escape(figure.note)} {source}</p></figcaption>\n{figure.body}</figure>"
    )


def _style() -> str:
    """The style sheet; dark colours apply only to screens, not to paper."""
    colors = "".join(
        f'[fill="{light}"] {{ fill: {dark}; }} [stroke="{light}"] {{ stroke: {dark}; }}\n'
        for light, dark in DARK.items()
    )
    return f"{_STYLE}@media screen and (prefers-color-scheme: dark) {{\n{_DARK}\n{colors}}}\n"
