"""Campaigns, newsletters, broadcasts, transactional messages: full lists, then changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from harness import NOW, config_for, run_tap

from tap_customerio.windows import HOUR, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_customerio.sandbox import Sandbox

LISTS = {
    "campaigns": ("campaigns", "updated"),
    "newsletters": ("newsletters", "updated"),
    "broadcasts": ("broadcasts", "updated"),
    "transactional_messages": ("transactional", "updated_at"),
}
each_list = pytest.mark.parametrize("stream", LISTS)


def rows(sandbox: Sandbox, stream: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = getattr(sandbox.workspace, LISTS[stream][0])(sandbox.clock.now())
    return found


@each_list
def test_the_first_sync_reads_the_full_list(sandbox: Sandbox, stream: str) -> None:
    output = run_tap(config_for(sandbox, start_date="2026-03-31"), streams=[stream])
    assert sorted(output.ids(stream)) == sorted(row["id"] for row in rows(sandbox, stream))
    newest = max(row[LISTS[stream][1]] for row in rows(sandbox, stream))
    assert output.bookmark(stream) == rfc3339(newest)


@pytest.mark.slow
@each_list
def test_an_incremental_sync_sends_changes_with_an_hour_of_overlap(
    make_sandbox: Callable[..., Sandbox], stream: str
) -> None:
    box = make_sandbox()
    first = run_tap(config_for(box), streams=[stream])  # a full list, the default
    collection, key = LISTS[stream]
    edited = min(rows(box, stream), key=lambda row: row[key])["id"]
    box.clock.advance(2 * HOUR)
    box.workspace.edit(collection, edited, at=int(NOW) + HOUR)
    state = first.states[-1]
    second = run_tap(config_for(box), streams=[stream], state=state, incremental=[stream])
    margin = parse(first.bookmark(stream)) - HOUR
    expected = {row["id"] for row in rows(box, stream) if row[key] >= margin}
    assert edited in expected
    assert set(second.ids(stream)) == expected
    assert second.bookmark(stream) == rfc3339(int(NOW) + HOUR)


@each_list
def test_every_field_of_a_response_is_in_the_record(
    sandbox: Sandbox, stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    output = run_tap(config_for(sandbox), streams=[stream])
    assert "left out" not in caplog.text
    records = {record["id"]: record for record in output.records[stream]}
    for row in rows(sandbox, stream):
        for name, value in row.items():
            if isinstance(value, str | bool) or name == "id":
                assert records[row["id"]][name] == value
    validator = jsonschema.Draft7Validator(
        output.schemas[stream], format_checker=jsonschema.FormatChecker()
    )
    for record in records.values():
        validator.validate(record)


def test_null_lists_become_empty_and_unset_stamps_null(sandbox: Sandbox) -> None:
    output = run_tap(config_for(sandbox), streams=["campaigns"])
    raw = {row["id"]: row for row in rows(sandbox, "campaigns")}
    assert any(row["tags"] is None for row in raw.values())
    assert any(row["scheduled_start"] == 0 for row in raw.values())
    for record in output.records["campaigns"]:
        assert record["tags"] == (raw[record["id"]]["tags"] or [])
        if not raw[record["id"]]["scheduled_start"]:
            assert record["scheduled_start"] is None


def test_an_end_date_keeps_the_bookmark_back(sandbox: Sandbox) -> None:
    output = run_tap(config_for(sandbox, end_date="2026-02-15"), streams=["newsletters"])
    assert output.bookmark("newsletters") == "2026-02-15T00:00:00Z"


def test_fields_missing_in_the_catalog_are_named_once(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"campaigns": [{"id": 1, "mood": "good"}, {"id": 2, "mood": "bad"}]}
    sandbox.fail(status=200, body=body, path="/v1/campaigns")
    with caplog.at_level("INFO"):
        output = run_tap(config_for(sandbox), streams=["campaigns"])
    assert caplog.text.count("mood") == 1
    assert "mood" not in output.records["campaigns"][0]


def test_a_row_without_a_stamp_is_always_emitted(sandbox: Sandbox) -> None:
    sandbox.fail(status=200, body={"campaigns": [{"id": 1}]}, path="/v1/campaigns")
    state = {"bookmarks": {"campaigns": {"replication_key_value": "2026-03-01T00:00:00Z"}}}
    output = run_tap(config_for(sandbox), streams=["campaigns"], state=state)
    assert output.ids("campaigns") == [1]
