"""Charts as SVG, without scripts."""

from __future__ import annotations

import json
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple
from unicodedata import east_asian_width

import vl_convert

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from tap_customerio.report.marts import Period

    Spec = dict[str, Any]

INK, GRID = "#333333", "#dddddd"
DARK = {
    INK: "#e6e6e6",
    GRID: "#44484d",
    "#0067a3": "#5bb8f0",
    "#a84300": "#f2a15c",
    "#00704a": "#4fcf9f",
    "#7a3fb0": "#c7a4f5",
    "#6b5d00": "#d9c84a",
    "#a0205a": "#ff8fbe",
}
"""Colours in the SVG (light theme), and their replacements in the dark theme."""

COLORS = [color for color in DARK if color not in {INK, GRID}]
DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [12, 3]]
WIDE, NARROW = 680, 312
_TICKS = 110
_LINE, _GAP = 14, 12
_LINES = 6
_LETTER = 7
_FILL = "\N{WORD JOINER}"  # fills the second cell of wide characters
_LABELS = 0.42
_FORMATS = {"day": "%d %b", "week": "%d %b", "month": "%b %Y"}
_YEAR = 366
_CONFIG = {
    "aria": False,
    "background": "transparent",
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "gridColor": GRID,
        "domainColor": INK,
        "tickColor": INK,
        "titleFontWeight": "normal",
    },
    "legend": {
        "labelColor": INK,
        "labelFontSize": 12,
        "symbolStrokeWidth": 2.5,
        "symbolSize": 300,
        "symbolType": "stroke",
    },
}


class Point(NamedTuple):
    """A value on a line."""

    day: date
    series: str
    value: int


class Bar(NamedTuple):
    """A bar, or an estimate with an interval."""

    label: str
    value: float
    text: str
    low: float = 0
    high: float = 0


def lines(points: Sequence[Point], series: Sequence[str], period: Period, unit: str) -> str:
    """Counts over time, one line per series."""

    def spec(width: int) -> Spec:
        chart = _lines(points, series, period)
        ticks = _ticks(period.buckets(), width // _TICKS)
        form = _FORMATS[period.unit]
        if period.unit != "month" and (period.end - period.start).days > _YEAR:
            form = "%d %b %Y"
        axis = {"values": ticks, "format": form, "grid": False, "labelFlush": True}
        chart["encoding"]["x"] |= {"axis": {**axis, "labelOverlap": "greedy"}}
        chart["encoding"]["y"] |= {"title": unit, "axis": {"format": ",d", "tickMinStep": 1}}
        legend = {"orient": "top", "title": None, "columns": 3 if width == WIDE else 1}
        legend |= {"labelLimit": width - 60 if width == NARROW else width // 3 - 40}
        for channel in ("color", "strokeDash"):
            chart["encoding"][channel]["legend"] = legend
        return {**chart, "height": 260 if width == WIDE else 220 + 16 * len(series)}

    return _both(spec)


def small_lines(points: Sequence[Point], series: Sequence[str], period: Period) -> str:
    """A small multiple: no axis except the zero line."""
    chart = _lines(points, series, period)
    chart["encoding"]["x"]["axis"] = {"labels": False, "ticks": False, "grid": False}
    chart["encoding"]["y"]["axis"] = None
    for channel in ("color", "strokeDash"):
        chart["encoding"][channel]["legend"] = None
    for channel in ("x", "y"):
        chart["encoding"][channel]["title"] = None
    return _svg({**chart, "width": 150, "height": 70}, "small")


def bars(rows: Sequence[Bar]) -> str:
    """One bar per row, with its text."""

    def spec(width: int) -> Spec:
        text = {"type": "text", "align": "left", "dx": 4, "color": INK, "fontSize": 12}
        most = max([row.value for row in rows], default=0) or 1
        x = {"axis": None, "scale": {"domain": [0, most / (1 - _text_share(rows, width))]}}
        encoding = {"y": _labels(rows, width), "x": {"field": "value", "type": "quantitative", **x}}
        layers: list[Spec] = [
            {"mark": {"type": "bar", "color": COLORS[0], "height": {"band": 0.7}}},
            {"mark": text, "encoding": {"text": {"field": "text"}}},
        ]
        return _layered(rows, encoding, layers, width)

    return _both(spec)


def shares(rows: Sequence[tuple[str, Sequence[float]]], parts: Sequence[str]) -> str:
    """One full bar per row, divided into parts."""
    labels = [Bar(label, 1, "") for label, _ in rows]
    values = [
        {"label": label, "part": part, "place": place, "value": value}
        for label, numbers in rows
        for place, (part, value) in enumerate(zip(parts, numbers, strict=True))
    ]
    color = {
        "field": "part",
        "type": "nominal",
        "scale": {"domain": [*parts], "range": COLORS[: len(parts)]},
        "legend": {"orient": "top", "title": None, "symbolType": "square"},
    }

    def spec(width: int) -> Spec:
        axis = {"format": ".0%", "tickCount": 5 if width == WIDE else 3}
        x = {"field": "value", "type": "quantitative", "title": None, "axis": axis}
        encoding = {
            "y": _labels(labels, width),
            "x": x,
            "color": color,
            "order": {"field": "place"},
        }
        mark = {"type": "bar", "height": {"band": 0.7}, "stroke": None}
        layered = _layered(labels, encoding, [{"mark": mark}], width)
        return {**layered, "data": {"values": values}, "height": layered["height"] + 2 * _LINE}

    return _both(spec)


def intervals(rows: Sequence[Bar], unit: str) -> str:
    """One point per row, with its interval."""

    def spec(width: int) -> Spec:
        x = {"field": "low", "type": "quantitative", "title": unit}
        axis = {"format": ".1~%", "tickCount": 5 if width == WIDE else 3}
        encoding = {"y": _labels(rows, width)}
        point = {"type": "point", "filled": True, "size": 70, "color": COLORS[1], "opacity": 1}
        layers: list[Spec] = [
            {
                "mark": {"type": "rule", "color": COLORS[0], "strokeWidth": 3},
                "encoding": {"x": {**x, "axis": axis}, "x2": {"field": "high"}},
            },
            {"mark": point, "encoding": {"x": {**x, "field": "value"}}},
        ]
        return _layered(rows, encoding, layers, width)

    return _both(spec)


def _lines(points: Sequence[Point], series: Sequence[str], period: Period) -> Spec:
    values = [{"day": str(day), "series": name, "value": value} for day, name, value in points]
    buckets = [str(bucket) for bucket in period.buckets()]
    domain = [buckets[0], buckets[-1]] if len(buckets) > 1 else None
    scale = {"type": "utc", **({"domain": domain} if domain else {})}
    names = {"field": "series", "type": "nominal", "sort": None}
    colors = {"domain": [*series], "range": COLORS[: len(series)]}
    dashes = {"domain": [*series], "range": DASHES[: len(series)]}
    point = (
        {"filled": True, "size": 40}
        if len(buckets) <= 1 or len({p.day for p in points}) <= 1
        else False
    )
    return {
        "data": {"values": values},
        "mark": {"type": "line", "strokeWidth": 2, "point": point},
        "encoding": {
            "x": {"field": "day", "type": "temporal", "title": None, "scale": scale},
            "y": {"field": "value", "type": "quantitative"},
            "color": {**names, "scale": colors},
            "strokeDash": {**names, "scale": dashes},
        },
    }


def _text_share(rows: Sequence[Bar], width: int) -> float:
    """The share of the width reserved for the longest text."""
    longest = max((len(row.text) for row in rows), default=0)
    return min((longest + 1) * _LETTER / (width * (1 - _LABELS)), 0.75)


def _labels(rows: Sequence[Bar], width: int) -> Spec:
    axis: Spec = {"labelLimit": width * _LABELS, "title": None, "ticks": False, "domain": False}
    wrapped = {row.label: _wrapped(row.label, width) for row in rows}
    axis |= {"labelExpr": f"{json.dumps(wrapped)}[datum.value]", "labelLineHeight": _LINE}
    axis["labelOffset"] = {  # Vega centres the first line instead of the whole label
        "condition": [
            {"test": f"{json.dumps(label)} === datum.value", "value": (1 - len(lines)) * _LINE / 2}
            for label, lines in wrapped.items()
        ],
        "value": 0,
    }
    order = [row.label for row in rows]
    return {"field": "label", "type": "nominal", "sort": order, "axis": axis}


def _wrapped(label: str, width: int) -> list[str]:
    """The lines of a label; longer texts are only in the table below."""
    letters = int(width * _LABELS / _LETTER)
    padded = "".join(each + _FILL * (east_asian_width(each) in {"F", "W"}) for each in label)
    lines = wrap(padded, letters, max_lines=_LINES, placeholder=" …")
    return [line.replace(_FILL, "") for line in lines] or [""]


def _layered(rows: Sequence[Bar], encoding: Spec, layers: list[Spec], width: int) -> Spec:
    values = [row._asdict() for row in rows]
    lines = max((len(_wrapped(row.label, width)) for row in rows), default=1)
    height = (_LINE * lines + _GAP) * len(rows) + _LINE + _GAP
    return {"data": {"values": values}, "encoding": encoding, "layer": layers, "height": height}


def _ticks(buckets: Sequence[date], most: int) -> list[str]:
    """Some evenly spread labels."""
    step = -(-len(buckets) // max(most, 1))
    return [str(bucket) for bucket in buckets[::step]]


def _both(spec: Any) -> str:
    """The chart in two widths; the style sheet shows one."""
    return "".join(
        _svg(
            {**spec(width), "width": width, "autosize": {"type": "fit", "contains": "padding"}},
            name,
        )
        for width, name in ((WIDE, "wide"), (NARROW, "narrow"))
    )


def _svg(spec: Spec, name: str) -> str:
    svg = vl_convert.vegalite_to_svg({"config": _CONFIG, "padding": 4, **spec})
    return svg.replace("<svg ", f'<svg aria-hidden="true" data-size="{escape(name)}" ', 1)
