"""The sender of each delivery: named as in metrics, at the cost of one list of broadcasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW, SINCE, config_for, run_tap, select, sender_of

from tap_customerio.windows import DAY, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness import Output

    from tap_customerio.sandbox import Sandbox

RECENT = rfc3339(NOW - 10 * DAY)


def sources(output: Output) -> dict[str, tuple[str | None, int | None]]:
    """Type and id of the sender by delivery."""
    rows = output.records["messages"]
    return {row["id"]: (row["source_type"], row["source_id"]) for row in rows}


def truth(sandbox: Sandbox, start: float, *, drafts: bool = False) -> dict[str, tuple[str, int]]:
    now, workspace = sandbox.clock.now(), sandbox.workspace
    rows = workspace.deliveries(int(start), int(now), now=now, drafts=drafts)
    return {row["id"]: sender_of(row, workspace) for row in rows}


def lists_of_broadcasts(sandbox: Sandbox) -> int:
    """The number of requests for broadcasts."""
    return sum(call.path == "/v1/broadcasts" for call in sandbox.calls)


def deselecting(*fields: str) -> dict[str, Any]:
    """A catalog of messages without some fields."""
    catalog = select(["messages"])
    [entry] = [one for one in catalog["streams"] if one["tap_stream_id"] == "messages"]
    for item in entry["metadata"]:
        if item["breadcrumb"][1:] in [[field] for field in fields]:
            item["metadata"]["selected"] = False
    return catalog


@pytest.mark.slow
def test_deliveries_name_their_sender_like_metrics(sandbox: Sandbox) -> None:
    start = NOW - 40 * DAY  # metrics reach no further back
    config = config_for(sandbox, start_date=rfc3339(start))
    output = run_tap(config, streams=["broadcasts", "messages", "metrics"])
    assert sources(output) == truth(sandbox, start)
    named = {(row["source_type"], row["source_id"]) for row in output.records["metrics"]}
    assert {*sources(output).values()} <= named
    assert {kind for kind, _ in named} == {"campaign", "newsletter", "broadcast", "transactional"}
    as_campaigns = [
        row
        for row in output.records["messages"]
        if row["source_type"] == "broadcast" and row["campaign_id"]
    ]
    assert as_campaigns, "the API may name a broadcast as a campaign"
    assert lists_of_broadcasts(sandbox) == 1


def test_messages_alone_request_one_list_and_none_if_no_field_needs_it(sandbox: Sandbox) -> None:
    config = config_for(sandbox, start_date=RECENT)
    assert sources(run_tap(config, streams=["messages"])) == truth(sandbox, NOW - 10 * DAY)
    assert lists_of_broadcasts(sandbox) == 1
    sandbox.forget()
    output = run_tap(config, catalog=deselecting("source_type"))
    assert not any("source_type" in row for row in output.records["messages"])
    assert all(row["source_id"] for row in output.records["messages"])
    assert lists_of_broadcasts(sandbox) == 0


def test_without_the_list_only_its_information_is_missing(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.fail(status=403, path="/v1/broadcasts")
    output = run_tap(config_for(sandbox, start_date=rfc3339(SINCE)), streams=["messages"])
    expected = truth(sandbox, SINCE)
    for row in output.records["messages"]:
        source_type, source_id = expected[row["id"]]
        assert row["source_id"] == source_id
        assert row["source_type"] == (None if row["campaign_id"] else source_type)
    assert len(sources(output)) == len(expected)
    assert caplog.text.count("source_type of messages stays null") == 1
    assert "GET /v1/broadcasts (status 403)" in caplog.text


def test_backfills_drafts_and_rescans_have_it_too(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    box = make_sandbox()
    settings = {"start_date": RECENT, "include_drafts": True}
    past = {**settings, "end_date": rfc3339(NOW - DAY)}
    backfilled = sources(run_tap(config_for(box, **past), streams=["messages"]))
    first = run_tap(config_for(box, **settings), streams=["messages"])
    box.clock.advance(3 * DAY)
    again = sources(
        run_tap(config_for(box, **settings), streams=["messages"], state=first.states[-1])
    )
    expected = truth(box, NOW - 10 * DAY) | truth(box, NOW - 10 * DAY, drafts=True)
    assert backfilled
    assert backfilled.items() <= expected.items()
    assert again.keys() & sources(first).keys(), "nothing was read again"
    assert again.items() <= expected.items()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"campaign_id": "12"}, ("campaign", 12)),
        ({"campaign_id": 3, "newsletter_id": 0}, ("campaign", 3)),
        ({"campaign_id": 3, "newsletter_id": 7}, ("newsletter", 7)),
        ({"campaign_id": [3]}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_ids_may_be_odd(
    sandbox: Sandbox, named: dict[str, Any], expected: tuple[str | None, int | None]
) -> None:
    row = {"id": "one", "created": int(NOW) - 100, **named}
    sandbox.fail(status=200, body={"messages": [row], "next": ""}, path="/v1/messages")
    config = config_for(sandbox, start_date=rfc3339(NOW - DAY), end_date=rfc3339(NOW))
    assert sources(run_tap(config, streams=["messages"]))["one"] == expected
