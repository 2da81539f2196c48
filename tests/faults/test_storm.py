"""A thousand faults in one run over all streams lose and change no record.

A page that is requested again in doubt may repeat a row, which a target upserts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW, config_for, few_senders, new_sandbox, run_tap

from tap_customerio.sandbox import Faults
from tap_customerio.sandbox.faults.fault_kinds import HARMLESS, TRANSIENT

if TYPE_CHECKING:
    from harness import Output

pytestmark = pytest.mark.slow

WANTED = 1000


def records(output: Output) -> dict[str, set[str]]:
    return {name: set(map(repr, records)) for name, records in output.records.items()}


def bookmarks(output: Output) -> dict[str, Any]:
    """The bookmark of each stream, without lists that were read twice."""
    known = output.states[-1]["bookmarks"].items()
    return {name: facts.get("replication_key_value") for name, facts in known}


@pytest.mark.usefixtures("fast_retries")
def test_a_thousand_faults_lose_no_record(
    record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = few_senders(per_day=15, people=40, objects_per_type=4)
    faults = Faults(*TRANSIENT, *HARMLESS, rate=1, in_a_row=3)
    with new_sandbox(now=NOW, workspace=workspace) as box:
        fault_free = run_tap(config_for(box))
    with new_sandbox(now=NOW, workspace=workspace, faults=faults) as box:
        # Otherwise the rate, which every 429 halves, would take most of the test's time.
        stormy = run_tap(config_for(box, requests_per_second=100_000))
    survived = faults.injected.total()
    record_property("injected faults survived", survived)
    with capsys.disabled():
        print(f"\n{survived} injected faults survived: {dict(faults.injected)}")  # noqa: T201
    assert records(stormy) == records(fault_free)
    assert bookmarks(stormy) == bookmarks(fault_free)
    assert stormy.states[-1]["workspace"] == fault_free.states[-1]["workspace"]
    assert survived >= WANTED
