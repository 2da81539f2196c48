"""Load into DuckDB from a faulty API: no table loses a row that the API still has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from e2e.processes import Pipe, State, tap_command
from harness import config_for, few_senders, new_sandbox, run_tap

from tap_customerio.sandbox.server.shifting import Shift

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from e2e.warehouse import Warehouse

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.e2e

STREAMS = ("campaigns", "customers", "esp_suppressions", "segment_memberships")
DOMAIN = "mail.example.org"
SETTINGS = {
    "customers_filter": {"attribute": {"field": "region", "operator": "exists"}},
    "customers_sync": "full",
    "refresh_hours": 0,
    "esp_suppression_domains": [DOMAIN],
    "requests_per_second": 1000,
}
PAGED = [
    Shift("/v1/customers", "identifiers", {1: [0]}, 20),
    Shift("/v1/segments/1/membership", "identifiers", {1: [0]}, 20),
    Shift(f"/v1/esp/domains/{DOMAIN}/suppression/bounces", "suppressions", {1: [0]}, 2),
]

"""Lists whose first row disappears after their first page is read."""

NO_PERSON = {"identifiers": None, "ids": None, "next": ""}


def hide_lists(box: Sandbox) -> None:
    """Make lists empty or missing although nothing is deleted."""
    box.fail(status=200, times=2, body=NO_PERSON, path="/v1/customers")
    box.fail(status=200, times=9, body={"campaigns": None}, path="/v1/campaigns")
    box.fail(status=404, times=99, path="/v1/segments/*/membership")
    box.fail(status=404, times=99, path=f"/v1/esp/domains/{DOMAIN}/*")


def test_tables_keep_rows_that_the_api_still_has(
    make_warehouse: Callable[..., Warehouse],
    target_command: Callable[..., list[str]],
    tmp_path: Path,
) -> None:
    warehouse = make_warehouse("duckdb", tmp_path)
    target = target_command(warehouse, tmp_path)
    with new_sandbox(workspace=few_senders(people=120)) as box:

        def load(state: State | None) -> tuple[int, State, dict[str, Any]]:
            box.clock.advance(60)  # otherwise both reads have the same version
            tap = tap_command(box, tmp_path, streams=STREAMS, state=state, **SETTINGS)
            with Pipe(tap, target, tmp_path) as pipe:
                code, _ = pipe.wait()
            return code, pipe.states()[-1], warehouse.keys(STREAMS)

        code, state, whole = load(None)
        assert code == 0
        assert all(len(rows) > 1 for rows in whole.values())

        hide_lists(box)
        code, state, kept = load(state)
        assert code == 1
        assert kept == whole

        box.middleware.failures.clear()
        for shift in PAGED:
            box.shift(shift)
        code, state, kept = load(state)
        assert code == 0
        output = run_tap(config_for(box, **SETTINGS), streams=STREAMS)
        for stream in STREAMS:
            names = output.keys[stream]
            truth = {tuple(row[name] for name in names) for row in output.records[stream]}
            assert truth <= kept[stream].keys(), stream
            assert truth < whole[stream].keys() or stream == "campaigns", stream
        _, _, left = load(state)
        gone = {stream: whole[stream].keys() - left[stream].keys() for stream in STREAMS}
        assert {s for s, keys in gone.items() if keys} == set(STREAMS) - {"campaigns"}
