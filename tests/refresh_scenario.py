"""Syncs of a small workspace whose lists change, and their requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from freshness import HOUR, SyncScenario
from harness import Output, config_for, run_tap

from tap_customerio.streams import all_streams

if TYPE_CHECKING:
    from tap_customerio.sandbox.server.shifting import Shift

STREAMS = sorted(stream.name for stream in all_streams() if stream.selected_by_default)
PER_PARENT = {stream.name for stream in all_streams() if stream.reads_changes}
FEW = ("newsletter_test_groups", "objects", "segment_memberships", "segment_usage")
OBJECT = "ob010003"
PARTIAL = HOUR
"""Time after which a sync reads only what changed."""


def scenario_of(*streams: str, **options: Any) -> SyncScenario:
    """Syncs of some streams of a small workspace."""
    size = {"campaigns": 3, "newsletters": 3, "broadcasts": 2, "transactional": 1}
    settings = options.pop("settings", None)
    options = {"per_day": 10, "people": 20, "objects_per_type": 6, **size, **options}
    return SyncScenario(streams=streams, settings=settings, **options)


def sync_shifted(scenario: SyncScenario, after: float, *shifts: Shift) -> Output:
    """Sync while lists change."""
    scenario.sandbox.clock.advance(after)
    scenario.sandbox.forget()
    for shift in shifts:
        scenario.sandbox.shift(shift)
    scenario.output = run_tap(
        config_for(scenario.sandbox), streams=scenario.streams, state=scenario.state
    )
    scenario.state = scenario.output.states[-1]
    scenario.tables.load(scenario.output.messages)
    return scenario.output


def paths(scenario: SyncScenario) -> list[str]:
    """Requests of the last sync."""
    return [call.path for call in scenario.sandbox.calls]


def bookmark(scenario: SyncScenario, stream: str) -> dict[str, Any]:
    """The state of a stream."""
    mark: dict[str, Any] = (scenario.state or {})["bookmarks"][stream]
    return mark


def versions(output: Output, stream: str) -> set[int]:
    """Versions of the records of a stream."""
    return {
        message["version"]
        for message in output.messages
        if message["type"] == "RECORD" and message["stream"] == stream
    }


def activated(output: Output) -> dict[str, int]:
    """The versions that a sync activates."""
    messages = (m for m in output.messages if m["type"] == "ACTIVATE_VERSION")
    return {message["stream"]: message["version"] for message in messages}
