"""All figures of the report, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.report import audience, campaigns, completeness, sending
from tap_customerio.report.page import Figure, page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_customerio.report.marts import Marts

_FIGURES: tuple[tuple[str, Callable[[Marts], Figure]], ...] = (
    ("customerio__sender_daily", sending.over_time),
    ("customerio__sender_daily", sending.senders),
    ("customerio__journey_funnel", campaigns.journeys),
    ("customerio__ab_tests", campaigns.tests),
    ("customerio__deliveries", sending.domains),
    ("customerio__segment_growth", audience.segments),
    ("customerio__consents", audience.consents),
    ("customerio__reconciliation", completeness.loaded),
)


def report(marts: Marts) -> str:
    """The report of these models; omits figures of disabled models."""
    cells, notes = sending.totals(marts)
    absent = sorted({model for model, _ in _FIGURES if not marts.has(model)})
    if absent:
        notes.append(f"Not built, and left out: {', '.join(absent)}.")
    return page(marts.period, cells, list(_shown(marts)), notes)


def _shown(marts: Marts) -> Iterator[Figure]:
    for model, figure in _FIGURES:
        if marts.has(model):
            yield figure(marts)
