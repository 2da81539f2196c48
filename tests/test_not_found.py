"""A 404 is no deletion: it is accepted only if its parent is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness import config_for, few_senders, run_tap

from tap_customerio.sandbox import Behaviours
from tap_customerio.sandbox.server.shifting import Shift
from tap_customerio.streams import all_streams
from tap_customerio.streams.lists import ChildStream
from tap_customerio.windows import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_customerio.sandbox import Sandbox

SINCE = parse("2026-03-16")
CHILDREN = {
    stream_class.name: f"{stream_class.parent.path}/*/{stream_class.path}"
    for stream_class in all_streams()
    if issubclass(stream_class, ChildStream)
}
PEOPLE = {
    "customer_relationships": "/v1/customers/*/relationships",
    "subscription_preferences": "/v1/customers/*/subscription_preferences",
}
OTHERS = {
    "objects": "/v1/objects/*/attributes",
    "object_relationships": "/v1/objects/*/relationships",
    "metrics": "/v1/*/metrics",
    "action_metrics": "/v1/*/metrics",
    "link_metrics": "/v1/*/metrics/links",
    "journey_metrics": "/v1/*/journey_metrics",
    **PEOPLE,
}
BELOW = {**CHILDREN, **OTHERS}


def test_404s_of_existing_parents_fail_the_stream(make_sandbox: Callable[..., Sandbox]) -> None:
    few = few_senders(per_day=2, people=4, campaigns=2, newsletters=1, objects_per_type=1)
    box = make_sandbox(workspace=few, behaviours=Behaviours(lacking=frozenset(BELOW.values())))
    output = run_tap(config_for(box), streams=BELOW, fails=True)
    assert all(name in output.problem for name in BELOW), output.problem
    assert not output.activated
    assert not output.records
    assert all(not state for state in output.states[-1]["bookmarks"].values())


@pytest.mark.parametrize(
    ("stream", "parents", "key"),
    [
        pytest.param("segment_memberships", "/v1/segments", "segments", marks=pytest.mark.slow),
        ("campaign_actions", "/v1/campaigns", "campaigns"),
        pytest.param("object_relationships", "/v1/objects", "identifiers", marks=pytest.mark.slow),
        pytest.param("metrics", "/v1/campaigns", "campaigns", marks=pytest.mark.slow),
        pytest.param("action_metrics", "/v1/campaigns", "campaigns", marks=pytest.mark.slow),
    ],
)
def test_rows_deleted_since_they_were_listed_are_left_out(
    make_sandbox: Callable[..., Sandbox], stream: str, parents: str, key: str
) -> None:
    box = make_sandbox(workspace=few_senders(per_day=2, people=12, objects_per_type=3))
    before = run_tap(config_for(box), streams=[stream])
    box.shift(Shift(parents, key, {1: [0]}))
    box.fail(status=404, path=BELOW[stream], times=1)
    after = run_tap(config_for(box, concurrency=1), streams=[stream])
    assert 0 < len(after.records[stream]) < len(before.records[stream])
    assert after.activated == before.activated


@pytest.mark.slow
def test_people_deleted_since_they_were_found_are_left_out(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    box = make_sandbox(workspace=few_senders(since=SINCE, per_day=2, people=20))
    box.shift(Shift("/v1/customers/attributes", "customers", {0: range(1000)}))
    for stream, path in PEOPLE.items():
        box.fail(status=404, path=path, times=2)
        assert len(run_tap(config_for(box), streams=[stream]).records[stream]) > 20


@pytest.mark.slow
@pytest.mark.parametrize("stream", PEOPLE)
def test_both_forms_of_a_persons_id_are_tried_and_the_right_one_is_remembered(
    make_sandbox: Callable[..., Sandbox], stream: str
) -> None:
    rows, asked = [], []
    for is_prefixed in (False, True):
        few = few_senders(since=SINCE, per_day=2, people=8)
        box = make_sandbox(workspace=few, behaviours=Behaviours(prefixed_paths=is_prefixed))
        rows.append(run_tap(config_for(box, concurrency=1), streams=[stream]).records[stream])
        asked.append(len(box.calls))
    assert rows[0] == rows[1]
    assert asked[1] == asked[0] + 1
