"""The requests for deliveries, simulated with the windows of the stream."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from tap_customerio.windows import Window, WindowPlan

if TYPE_CHECKING:
    from tap_customerio.estimates.deliveries import Curve

_PAGE = 1000


def simulated(curve: Curve, whole: Window, ahead: int) -> tuple[int, int]:
    """Slices and requests; `ahead` windows are cut before results can adjust their width."""
    plan = WindowPlan(*whole)
    waiting: deque[Window] = deque()
    slices = requests = 0
    for window in plan:
        waiting.append(window)
        if len(waiting) >= ahead:
            more = _read(plan, curve, waiting.popleft())
            slices, requests = slices + more[0], requests + more[1]
    for window in waiting:
        more = _read(plan, curve, window)
        slices, requests = slices + more[0], requests + more[1]
    return slices, requests


def _read(plan: WindowPlan, curve: Curve, window: Window) -> tuple[int, int]:
    """Slices and requests of one window, with the splits of the stream."""
    rows = curve.within(window)
    pages = max(1, math.ceil(round(rows) / _PAGE))
    for number in range(1, pages):
        oldest = max(curve.back_from(window.end, number * _PAGE), window.start)
        if rest := plan.rest(window, oldest, number):
            parts = [_read(plan, curve, slice_) for slice_ in rest if slice_.width]
            return 1 + sum(part[0] for part in parts), number + sum(part[1] for part in parts)
    plan.learn(window, round(rows))
    return 1, pages
