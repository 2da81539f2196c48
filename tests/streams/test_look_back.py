"""Counts grow for months: a later sync rereads metrics_lookback_days."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import NOW, config_for, few_senders, run_tap

from tap_customerio.windows import DAY, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_customerio.sandbox import Sandbox


def test_a_second_run_rereads_the_look_back(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    box = make_sandbox(workspace=few_senders())
    first = run_tap(config_for(box), streams=["metrics"])
    box.clock.advance(DAY)
    config = config_for(box, metrics_lookback_days=10)
    second = run_tap(config, streams=["metrics"], state=first.states[-1])
    oldest = min(row["period_start"] for row in second.records["metrics"])
    assert rfc3339(NOW - 11 * DAY) < oldest < rfc3339(NOW - 8 * DAY)
    assert second.bookmark("metrics") == rfc3339(NOW + DAY)
