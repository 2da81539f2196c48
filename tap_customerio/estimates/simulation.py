"""The requests for deliveries, simulated with the windows of the stream."""

from __future__ import annotations

import math
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING

from tap_customerio.windows import LONGEST_PERIOD, Window, WindowPlan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_customerio.estimates.deliveries import Curve

_PAGE = 1000
_MOST_SLICES = 2_000
"""Slices to simulate, enough for twenty million deliveries; the rest is computed from its rows."""


def simulated(curve: Curve, whole: Window, ahead: int) -> tuple[int, int]:
    """Slices and requests; `ahead` windows are cut before results can adjust their width."""
    reader = _Reader(curve, whole)
    waiting: deque[Window] = deque()
    for window in reader.plan:
        waiting.append(window)
        if len(waiting) >= ahead:
            reader.read(waiting.popleft())
        if reader.slices >= _MOST_SLICES:
            waiting.append(Window(window.end, whole.end))
            break
    for window in waiting:
        reader.read(window)
    return reader.slices, reader.requests


class _Reader:
    """Counts the slices and requests of windows, with the splits of the stream."""

    def __init__(self, curve: Curve, whole: Window) -> None:
        self.plan = WindowPlan(*whole)
        self.slices = self.requests = 0
        self._curve = curve

    def read(self, window: Window) -> None:
        """Read one window; after many slices, only compute what it takes."""
        rows = round(self._curve.within(window))
        if self.slices >= _MOST_SLICES:
            self._compute(window, rows)
            return
        self.slices += 1
        pages = max(1, math.ceil(rows / _PAGE))
        for number in self._where_to_split(window, pages):
            oldest = max(self._curve.back_from(window.end, number * _PAGE), window.start)
            if rest := self.plan.rest(window, oldest, number):
                self.requests += number
                for slice_ in rest:
                    if slice_.width:
                        self.read(slice_)
                return
        self.plan.learn(window, rows)
        self.requests += pages

    def _where_to_split(self, window: Window, pages: int) -> Iterable[int]:
        """Pages after which the window may be split: not within its newest second."""
        second = self._curve.within(Window(window.end - 1, window.end))
        many = self.plan.pages_many
        first = max(many, math.ceil(second / _PAGE))
        return chain(range(1, min(many, pages)), range(first, min(first + 2, pages)))

    def _compute(self, window: Window, rows: int) -> None:
        """Windows of the wanted size, each with half an empty page."""
        if window.width:
            slices = math.ceil(max(rows / self.plan.rows_wanted, window.width / LONGEST_PERIOD))
            self.slices += slices
            self.requests += max(slices, rows // _PAGE + slices // 2)
