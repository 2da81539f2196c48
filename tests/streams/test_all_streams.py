"""Every stream: complete, valid, and independent of failures of others."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from harness import NOW, SINCE, Output, config_for, few_senders, new_sandbox, run_tap, sender_of

from tap_customerio.sandbox import Behaviours, Workspace
from tap_customerio.sandbox.world.workspace_lists import PLAIN
from tap_customerio.streams import all_streams
from tap_customerio.windows import DAY, HOUR, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox
    from tap_customerio.streams.base import CustomerioStream

pytestmark = pytest.mark.slow

Keys = "Iterable[tuple[Any, ...]]"
START = parse("2026-03-16")
SUPPRESSIONS = ("bounces", "blocks", "spam_reports", "invalid_emails")
FILES = (
    *("assets", "asset_folders"),
    *("design_studio_emails", "design_studio_components", "design_studio_folders"),
)


def _ids(rows: Iterable[dict[str, Any]], name: str = "id") -> Iterator[tuple[Any, ...]]:
    return ((row[name],) for row in rows)


def _actions(space: Workspace, collection: str) -> Iterator[tuple[Any, ...]]:
    for sender in space.ids(collection, NOW):
        yield from ((sender, int(row["id"])) for row in space.actions(collection, sender, NOW))


def _contents(space: Workspace, collection: str) -> Iterator[tuple[Any, ...]]:
    for sender in space.ids(collection, NOW):
        yield from ((sender, row["id"]) for row in space.contents(collection, sender, NOW))


def _objects(space: Workspace) -> Iterator[tuple[int, str, str]]:
    for kind in space.object_types():
        for row in space.objects(kind["id"]):
            names = row["identifiers"]
            yield int(kind["id"]), names["cio_object_id"], names["object_id"]


def _collection_rows(space: Workspace) -> Iterator[tuple[Any, ...]]:
    for collection in space.collections(NOW):
        content = space.collection_content(collection["id"])
        size = len(content) if isinstance(content, list) else 1
        yield from ((collection["id"], number) for number in range(size))


def _plain(stream: type[CustomerioStream]) -> Callable[[Workspace], Any]:
    [key] = stream.primary_keys
    return lambda space: _ids(space.plain(stream.name, NOW), key)


TRUTH: dict[str, Callable[[Workspace], Any]] = {
    **{stream.name: _plain(stream) for stream in all_streams() if stream.name in PLAIN},
    "activities": lambda space: _ids(space.activities(NOW - 30 * DAY, NOW + 1, now=NOW)),
    "broadcast_actions": lambda space: _actions(space, "broadcasts"),
    "broadcast_triggers": lambda space: (
        (sender, row["id"])
        for sender in space.ids("broadcasts", NOW)
        for row in space.triggers(sender, NOW)
    ),
    "broadcasts": lambda space: _ids(space.broadcasts(NOW)),
    "campaign_actions": lambda space: _actions(space, "campaigns"),
    "campaigns": lambda space: _ids(space.campaigns(NOW)),
    "collection_contents": _collection_rows,
    "customers": lambda space: ((p["identifiers"]["cio_id"],) for p in space.everyone(NOW)),
    "esp_suppressions": lambda space: (
        (kind, "*", row["email"]) for kind in SUPPRESSIONS for row in space.suppressions(kind, NOW)
    ),
    "messages": lambda space: _ids(space.deliveries(START, NOW, now=NOW)),
    "newsletter_test_groups": lambda space: (
        (sender, row["id"])
        for sender in space.ids("newsletters", NOW)
        for row in space.test_groups(sender)
    ),
    "newsletter_variants": lambda space: _contents(space, "newsletters"),
    "newsletters": lambda space: _ids(space.newsletters(NOW)),
    "object_relationships": lambda space: (
        (kind, cio_id, person["cio_id"])
        for kind, cio_id, own_id in _objects(space)
        for person in space.object_relationships(kind, own_id, NOW)
    ),
    "object_types": lambda space: ((int(row["id"]),) for row in space.object_types()),
    "objects": lambda space: (names[:2] for names in _objects(space)),
    "opt_outs": lambda space: (
        (row["cio_id"].removeprefix("cio_"),) for row in space.opt_outs(NOW)
    ),
    "segment_counts": lambda space: ((row["id"], rfc3339(NOW)) for row in space.segments(NOW)),
    "segment_memberships": lambda space: (
        (row["id"], person["cio_id"])
        for row in space.segments(NOW)
        for person in space.members(row["id"], NOW)
    ),
    "segment_usage": lambda space: _ids(space.segments(NOW)),
    "segments": lambda space: _ids(space.segments(NOW)),
    "sender_identities": lambda space: _ids(space.sender_identities()),
    "sender_usage": lambda space: _ids(space.sender_identities()),
    "subscription_channels": lambda space: _ids(space.subscription_channels()),
    "subscription_preferences": lambda space: (
        (person["identifiers"]["cio_id"],) for person in space.everyone(NOW)
    ),
    "subscription_topics": lambda space: _ids(space.subscription_topics()),
    "transactional_messages": lambda space: _ids(space.transactional(NOW)),
    "transactional_variants": lambda space: _contents(space, "transactional"),
    **{
        name: lambda space, name=name: _ids(space.files(name))  # type: ignore[misc]
        for name in FILES
    },
}
COUNTED = {"action_metrics", "journey_metrics", "link_metrics", "metrics"}
ELSEWHERE = {"customer_relationships", "ip_addresses", "workspaces"}
STREAMS = sorted(stream_class.name for stream_class in all_streams())


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    """A sandbox with two batches of people, as profiles are read by the hundred."""
    space = Workspace(
        since=START, per_day=12, people=105, campaigns=4, newsletters=4, objects_per_type=6
    )
    with new_sandbox(workspace=space) as box:
        yield box


@pytest.fixture(scope="module")
def everything(shared_sandbox: Sandbox) -> Output:
    """One run of all streams."""
    return run_tap(config_for(shared_sandbox))


def test_every_stream_is_checked_somewhere() -> None:
    assert TRUTH.keys() | COUNTED | ELSEWHERE == set(STREAMS)


@pytest.mark.parametrize("stream", sorted(TRUTH))
def test_a_stream_contains_exactly_the_rows_of_the_sandbox(
    everything: Output, shared_sandbox: Sandbox, stream: str
) -> None:
    keys = [
        tuple(row[key] for key in everything.keys[stream]) for row in everything.records[stream]
    ]
    truth = [tuple(key) for key in TRUTH[stream](shared_sandbox.workspace)]
    assert sorted(map(repr, keys)) == sorted(map(repr, truth))
    assert keys


@pytest.mark.parametrize("stream", sorted(ELSEWHERE))
def test_the_remaining_streams_have_rows(everything: Output, stream: str) -> None:
    assert everything.records[stream]


@pytest.mark.parametrize("stream", STREAMS)
def test_records_fit_their_schema_and_keys_are_unique(everything: Output, stream: str) -> None:
    validator = jsonschema.Draft7Validator(
        everything.schemas[stream], format_checker=jsonschema.FormatChecker()
    )
    for record in everything.records[stream]:
        validator.validate(record)
    keys = [
        tuple(row[key] for key in everything.keys[stream]) for row in everything.records[stream]
    ]
    assert len(set(keys)) == len(keys)


def test_counts_of_actions_add_up_to_those_of_their_campaigns(everything: Output) -> None:
    def created(stream: str) -> int:
        rows = everything.records[stream]
        return sum(row["created"] or 0 for row in rows if row["source_type"] == "campaign")

    assert created("action_metrics") == created("metrics") > 0


def test_clicks_of_links_match_the_deliveries(everything: Output, shared_sandbox: Sandbox) -> None:
    clicked: dict[tuple[str, int, str], int] = {}
    for row in everything.records["link_metrics"]:
        key = (row["source_type"], row["source_id"], row["link_id"])
        clicked[key] = clicked.get(key, 0) + row["clicked"]
    assert clicked
    since, workspace = START, shared_sandbox.workspace
    for (kind, sender, link), count in clicked.items():
        known = [
            row
            for row in workspace.deliveries(since - DAY, NOW, now=NOW)
            if sender_of(row, workspace) == (kind, sender) and f"link:{link}" in row["metrics"]
        ]
        assert 0 < count <= len(known)


def test_journeys_are_all_counted(everything: Output, shared_sandbox: Sandbox) -> None:
    for campaign in shared_sandbox.workspace.campaigns(NOW):
        rows = [
            row
            for row in everything.records["journey_metrics"]
            if row["campaign_id"] == campaign["id"]
        ]
        truth = shared_sandbox.workspace.journey_counts(campaign["id"], 0, NOW + 1, NOW)
        assert sum(row["started"] or 0 for row in rows) == truth["started"]


def test_expensive_large_and_secret_streams_are_off_by_default() -> None:
    off = {
        stream_class.name for stream_class in all_streams() if not stream_class.selected_by_default
    }
    assert off == {
        *("campaign_actions", "broadcast_actions", "newsletter_variants", "transactional_variants"),
        *("collection_contents", "customer_relationships", "subscription_preferences"),
        "reporting_webhooks",
    }


def test_a_child_does_not_need_a_selected_parent(sandbox: Sandbox) -> None:
    output = run_tap(config_for(sandbox), streams=["segment_memberships"])
    assert output.records.keys() == {"segment_memberships"}


def test_a_forbidden_stream_and_one_outside_the_plan_fail_alone_and_the_run_fails(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    behaviours = Behaviours(
        without=frozenset({"/v1/optouts"}), lacking=frozenset({"/v1/collections"})
    )
    space = few_senders(per_day=3, people=15, objects_per_type=2)
    box = make_sandbox(workspace=space, behaviours=behaviours)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config_for(box, start_date=rfc3339(NOW - 9 * DAY))))
    run = subprocess.run(
        [sys.executable, "-m", "tap_customerio", "--config", str(path)],
        capture_output=True,
        check=False,
    )
    output, log = Output.of(run.stdout.splitlines()), run.stderr.decode()
    assert run.returncode == 1
    assert "Stream opt_outs failed: " in log
    assert "Stream collections failed: " in log
    assert "Incomplete: collections, opt_outs could not be read" in log
    assert "Traceback" not in log
    assert output.records["workspaces"]
    assert output.bookmark("messages") == rfc3339(NOW)
    assert "replication_key_value" not in output.states[-1]["bookmarks"]["collections"]


@pytest.mark.parametrize("behaviours", [Behaviours(), Behaviours(lists_root_only=True)])
@pytest.mark.parametrize("stream", FILES)
def test_files_in_folders_are_found_with_and_without_recursion(
    make_sandbox: Callable[..., Sandbox], behaviours: Behaviours, stream: str
) -> None:
    box = make_sandbox(behaviours=behaviours)
    output = run_tap(config_for(box), streams=[stream])
    truth = [row["id"] for row in box.workspace.files(stream)]
    assert sorted(map(str, output.ids(stream))) == sorted(map(str, truth))


def test_a_folder_within_itself_is_no_endless_loop(sandbox: Sandbox) -> None:
    body = {
        "folders": [{"id": 1, "name": "self", "parent_folder_id": None}],
        "meta": {"pagination": {"page": 1, "limit": 10_000, "total": 1}},
    }
    sandbox.fail(status=200, times=4, body=body, path="/v1/assets/folders")
    output = run_tap(config_for(sandbox), streams=["asset_folders"])
    sandbox.middleware.failures.clear()
    assert output.ids("asset_folders") == [1]
    assert len([call for call in sandbox.calls if call.path == "/v1/assets/folders"]) == 2


def test_webhooks_lose_paths_and_credentials(sandbox: Sandbox) -> None:
    output = run_tap(config_for(sandbox), streams=["reporting_webhooks"])
    truth = sandbox.workspace.reporting_webhooks()
    assert any("@" in row["endpoint"] for row in truth)
    for record in output.records["reporting_webhooks"]:
        assert "@" not in record["endpoint"]
        assert record["endpoint"].count("/") == 2


def test_activities_are_read_again_for_one_day(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    space = Workspace(since=SINCE, per_day=5, people=50, activities_per_day=300)
    box = make_sandbox(workspace=space)
    config = config_for(box, start_date=rfc3339(NOW - 5 * DAY))
    first = run_tap(config, streams=["activities"])
    assert first.bookmark("activities") == rfc3339(NOW)
    box.clock.advance(6 * HOUR)
    box.forget()
    second = run_tap(config, streams=["activities"], state=first.states[-1])
    now = NOW + 6 * HOUR
    again = {row["id"] for row in space.activities(NOW - DAY, now, now=now)}
    assert again <= set(second.ids("activities"))
    assert len(box.calls) <= 7


def test_suppressions_can_be_read_by_domain(sandbox: Sandbox) -> None:
    whole = run_tap(config_for(sandbox), streams=["esp_suppressions"])
    config = config_for(sandbox, esp_suppression_domains=["mail.example.org"])
    named = run_tap(config, streams=["esp_suppressions"])
    assert {row["domain"] for row in whole.records["esp_suppressions"]} == {"*"}
    truth = sum(
        len(sandbox.workspace.suppressions(kind, NOW, "mail.example.org")) for kind in SUPPRESSIONS
    )
    assert len(named.records["esp_suppressions"]) == truth


def test_an_offset_that_does_not_advance_is_an_error(
    make_sandbox: Callable[..., Sandbox], caplog: pytest.LogCaptureFixture
) -> None:
    box = make_sandbox()
    rows = [{"email": f"{number}@example.org"} for number in range(1000)]
    box.fail(status=200, times=9, body={"suppressions": rows}, path="/v1/esp/suppression/bounces")
    with pytest.raises(Exception, match="Incomplete: esp_suppressions"):
        run_tap(config_for(box), streams=["esp_suppressions"])
    assert "page token twice" in caplog.text


def test_hostile_ids_stay_within_their_path(sandbox: Sandbox) -> None:
    body = {"segments": [{"id": "../../v1/campaigns?x=", "updated_at": 1}]}
    sandbox.fail(status=200, body=body, path="/v1/segments")
    run_tap(config_for(sandbox), streams=["segment_usage"])
    assert all("campaigns" not in call.path.split("/")[2] for call in sandbox.calls)
