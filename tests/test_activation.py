"""ACTIVATE_VERSION makes a target delete rows: it follows only a verified complete read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import config_for, run_tap, select

from tap_customerio.streams import all_streams
from tap_customerio.windows import rfc3339

if TYPE_CHECKING:
    from tap_customerio.sandbox import Sandbox

ADDING = {"activities", "messages", "metrics", "action_metrics", "link_metrics", "journey_metrics"}
"""Streams with a time range."""


def _without_keys(streams: list[str]) -> dict[str, Any]:
    """A catalog as other tools write it, or edited by hand."""
    catalog = select(streams)
    for stream in catalog["streams"]:
        for name in ("replication_key", "replication_method", "key_properties"):
            stream.pop(name, None)
        for item in stream["metadata"]:
            if not item["breadcrumb"]:
                item["metadata"] = {"selected": item["metadata"]["selected"]}
    return catalog


def test_the_class_decides_whether_a_stream_is_a_mirror() -> None:
    assert {stream_class.name for stream_class in all_streams() if not stream_class.is_mirror} == {
        *ADDING,
        "segment_counts",
    }
    assert not any(
        stream_class.is_mirror for stream_class in all_streams() if stream_class.has_time_range
    )


def test_keys_missing_in_the_catalog_come_from_the_stream(sandbox: Sandbox) -> None:
    streams = ["messages", "metrics", "segment_counts", "segment_memberships", "broadcasts"]
    settings = {"start_date": "2026-03-10", "metrics_resolution": "weeks"}
    whole = run_tap(config_for(sandbox, **settings), streams=streams)
    later = rfc3339(int(sandbox.clock.now()) - 86_400)
    output = run_tap(
        config_for(sandbox, **{**settings, "start_date": later, "refresh_hours": 0}),
        catalog=_without_keys(streams),
        state=whole.states[-1],
    )
    assert output.keys == whole.keys
    assert len(output.records["messages"]) < len(whole.records["messages"])
    assert output.bookmark("messages") == whole.bookmark("messages")
    assert output.activated.isdisjoint({*ADDING, "segment_counts"})
    assert "segment_memberships" in output.activated
