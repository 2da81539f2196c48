"""The clock of the sandbox."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import pytest

from tap_customerio.sandbox import Clock


def test_a_clock_without_a_time_follows_the_real_one() -> None:
    assert Clock().now() == pytest.approx(time.time(), abs=1)


def test_a_clock_with_a_time_stands_still() -> None:
    clock = Clock(1000.5)
    assert clock.now() == clock.now() == 1000.5


def test_clocks_can_be_moved() -> None:
    standing, running = Clock(1000), Clock()
    standing.advance(30)
    running.advance(3600)
    assert standing.now() == 1030
    assert running.now() == pytest.approx(time.time() + 3600, abs=1)


def test_the_date_is_now_in_whole_seconds() -> None:
    text = Clock(1_767_225_600.9).http_date()
    assert text == "Thu, 01 Jan 2026 00:00:00 GMT"
    assert parsedate_to_datetime(text).timestamp() == 1_767_225_600
