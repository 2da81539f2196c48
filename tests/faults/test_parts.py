"""Odd rows that other requests depend on: they are named, and everything else is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW, Output, config_for, few_senders, new_sandbox, run_tap
from hostile import Edited

from tap_customerio.windows import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("fast_retries")

FOLDER = {"name": "odd", "created": 1, "updated": 1}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    since = parse("2026-03-09")
    few = few_senders(since=since, per_day=12, people=10, objects_per_type=4)
    with new_sandbox(workspace=few) as sandbox:
        yield sandbox


@pytest.fixture
def read(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Output]:
    """Reads streams while the responses of a path are edited."""
    app = box.middleware.app

    def run(*streams: str, edited: dict[str, Callable[[Any], Any]], **options: Any) -> Output:
        changed = app
        for path, edit in edited.items():
            changed = Edited(path, edit).around(changed)
        monkeypatch.setattr(box.middleware, "app", changed)
        settings = {"start_date": "2026-03-01", "metrics_resolution": "weeks"}
        return run_tap(
            config_for(box, **settings, **options.pop("settings", {})), streams=streams, **options
        )

    return run


def records_and_expected(
    output: Output, fault_free: Output, stream: str, field: str, value: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The records, and the expected ones: those of the fault-free run without the odd one."""
    wanted = [record for record in fault_free.records[stream] if record[field] != value]
    assert len(wanted) < len(fault_free.records[stream])
    return output.records[stream], wanted


@pytest.mark.slow
def test_an_action_with_a_null_id_loses_its_metrics_only(
    read: Callable[..., Output], caplog: pytest.LogCaptureFixture
) -> None:
    lost: list[int] = []

    def edit(response: Any) -> None:
        campaign = response["campaigns"][0]
        action = next(action for action in campaign["actions"] if action["type"] == "email")
        lost[:] = [campaign["id"], action["id"]]
        action["id"] = None

    fault_free = read("action_metrics", "campaigns", edited={})
    edited = {"GET /v1/campaigns": edit}
    output = read("action_metrics", "campaigns", edited=edited, fails=True)
    found, wanted = records_and_expected(output, fault_free, "action_metrics", "part_id", lost[1])
    assert found == wanted
    assert output.ids("campaigns") == fault_free.ids("campaigns")
    assert output.problem.startswith("Incomplete: action_metrics could")
    assert f"campaigns.actions[].id: 1 ({lost[0]})" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["segment_usage", "segment_counts", "segment_memberships"])
def test_a_parent_without_an_id_loses_its_children_only(
    read: Callable[..., Output], caplog: pytest.LogCaptureFixture, stream: str
) -> None:
    lost: list[int] = []

    def edit(response: Any) -> None:
        lost.append(response["segments"][1]["id"])
        response["segments"][1]["id"] = None

    fault_free = read(stream, edited={})
    output = read(stream, edited={"GET /v1/segments": edit}, fails=True)
    found, wanted = records_and_expected(output, fault_free, stream, "segment_id", lost[0])
    assert found == wanted
    assert "segments.id: 1" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["metrics", "link_metrics", "journey_metrics"])
def test_a_sender_without_an_id_loses_its_counts_only(
    read: Callable[..., Output], caplog: pytest.LogCaptureFixture, stream: str
) -> None:
    lost: list[int] = []

    def edit(response: Any) -> None:
        lost.append(response["campaigns"][0].pop("id"))

    fault_free = read(stream, edited={})
    output = read(stream, edited={"GET /v1/campaigns": edit}, fails=True)
    gone = [
        record
        for record in fault_free.records[stream]
        if record.get("source_type", "campaign") == "campaign"
        and record.get("source_id", record.get("campaign_id")) == lost[0]
    ]
    assert gone
    assert output.records[stream] == [r for r in fault_free.records[stream] if r not in gone]
    assert "campaigns.id: 1" in caplog.text


PEOPLE = ("customers", "customer_relationships", "subscription_preferences")


@pytest.mark.slow
@pytest.mark.parametrize("missing", [True, False])
def test_people_that_the_search_names_only_by_id_are_looked_up(
    read: Callable[..., Output], caplog: pytest.LogCaptureFixture, *, missing: bool
) -> None:
    nameless: list[str] = []

    def edit(response: Any) -> None:
        people = response.pop("identifiers")
        nameless[:] = [person["cio_id"] for person in people if not person.get("id")]
        if not missing:
            response["identifiers"] = None

    fault_free = read(*PEOPLE, edited={})
    output = read(*PEOPLE, edited={"POST /v1/customers": edit}, fails=None)
    assert bool(output.problem) == bool(nameless)
    for stream in PEOPLE:
        wanted = {repr(row) for row in fault_free.records[stream] if row["cio_id"] not in nameless}
        assert {repr(row) for row in output.records[stream]} == wanted
        assert wanted
    if nameless:
        assert caplog.text.count(f"cio_id: {len(nameless)}") == len(PEOPLE)


@pytest.mark.slow
def test_a_person_without_cio_id_is_looked_up_by_another_identifier_or_lost(
    read: Callable[..., Output], caplog: pytest.LogCaptureFixture
) -> None:
    lost: list[str] = []

    def edit(response: Any) -> None:
        by_id = [p for p in response["identifiers"] if p.get("id")]
        by_id[0]["cio_id"] = ""
        by_email = next(p for p in response["identifiers"] if p.get("email") and p not in by_id[:2])
        by_email.update(cio_id=None, id="")
        lost[:] = [by_id[1]["cio_id"]]
        by_id[1].update(cio_id=None, id=None, email=None)

    fault_free = read("customers", edited={})
    output = read("customers", edited={"POST /v1/customers": edit}, fails=True)
    assert {*output.ids("customers")} == {*fault_free.ids("customers")} - {*lost}
    assert "cio_id: 1. The book" in caplog.text


@pytest.mark.slow
def test_an_object_without_its_permanent_id_is_lost(
    read: Callable[..., Output], caplog: pytest.LogCaptureFixture
) -> None:
    lost: list[str] = []

    def edit(response: Any) -> None:
        if response["identifiers"]:
            lost.append(response["identifiers"][0].pop("cio_object_id"))

    streams = "objects", "object_relationships"
    fault_free = read(*streams, edited={})
    output = read(*streams, edited={"POST /v1/objects": edit}, fails=True)
    for stream in streams:
        wanted = [r for r in fault_free.records[stream] if r["cio_object_id"] not in lost]
        assert output.records[stream] == wanted
    assert f"objects.cio_object_id: {len(lost)}" in caplog.text


def test_an_object_with_unreadable_identifiers_keeps_its_other_fields(
    read: Callable[..., Output], caplog: pytest.LogCaptureFixture
) -> None:
    found: list[str] = []

    def edit(response: Any) -> None:
        found.append(response["object"]["identifiers"]["cio_object_id"])
        response["object"]["identifiers"] = "none"

    output = read("objects", edited={"GET /v1/objects/1/*/attributes": edit})
    odd = [row for row in output.records["objects"] if row["object_id"] is None]
    assert sorted(row["cio_object_id"] for row in odd) == sorted(found)
    assert all(row["attributes"] for row in odd)
    assert f"identifiers: {len(found)} (1/ob" in caplog.text


def test_rows_of_a_collection_may_have_any_type(read: Callable[..., Output]) -> None:
    stream = "collection_contents"
    fault_free = read(stream, edited={})
    first, second, *_ = dict.fromkeys(fault_free.ids(stream))
    rows = ["text", 7, None, True, [1, {"a": 2}], {"a": 1}]
    edited: dict[str, Callable[[Any], Any]] = {
        f"GET /v1/collections/{first}/content": lambda _: rows,
        f"GET /v1/collections/{second}/content": lambda _: {"a": {"b": [1]}},
    }
    output = read("collection_contents", edited=edited)
    found = [
        (row["row_number"], row["data"], row["value"])
        for row in output.records["collection_contents"]
        if row["collection_id"] == first
    ]
    texts = ["text", "7", None, "true", '[1,{"a":2}]', None]
    assert found == [
        (number, {"a": 1} if number == 5 else None, text) for number, text in enumerate(texts)
    ]
    [only] = [r for r in output.records["collection_contents"] if r["collection_id"] == second]
    assert (only["data"], only["value"]) == ({"a": {"b": [1]}}, None)
    others = [
        r
        for r in fault_free.records["collection_contents"]
        if r["collection_id"] not in (first, second)
    ]
    assert others
    assert all(row in output.records["collection_contents"] for row in others)


@pytest.mark.slow
def test_a_delivery_without_a_time_holds_the_bookmark_until_it_can_be_read(
    read: Callable[..., Output], caplog: pytest.LogCaptureFixture
) -> None:
    lost: list[tuple[str, int]] = []

    def edit(response: Any) -> None:
        for row in response["messages"] or ():
            if not lost and row["created"] > parse("2026-03-10"):
                lost.append((row["id"], row["created"]))
            if lost and row["id"] == lost[0][0]:
                row["created"] = "just now"

    fault_free = read("messages", edited={})
    output = read("messages", edited={"GET /v1/messages": edit}, fails=True)
    assert {*output.ids("messages")} == {*fault_free.ids("messages")} - {lost[0][0]}
    assert parse(output.bookmark("messages")) <= lost[0][1]
    assert f"created: 1 ({lost[0][0]})" in caplog.text
    after = read("messages", edited={}, state=output.states[-1])
    assert lost[0][0] in after.ids("messages")
    assert after.bookmark("messages") == fault_free.bookmark("messages")


def test_the_content_of_a_folder_without_an_id_is_named(
    read: Callable[..., Output], caplog: pytest.LogCaptureFixture
) -> None:
    def edit(response: Any) -> None:
        response["folders"].append(dict(FOLDER))

    def without_folders(response: Any) -> None:
        for asset in response["assets"]:
            asset["parent_folder_id"] = None

    edited = {"GET /v1/assets/folders": edit, "GET /v1/assets": without_folders}
    output = read("assets", edited=edited, fails=True)
    assert output.records["assets"]
    assert "id: 1" in caplog.text


def test_unreadable_counts_lose_their_sender_or_column_only(
    read: Callable[..., Output], caplog: pytest.LogCaptureFixture
) -> None:
    def without_series(response: Any) -> None:
        response["metric"]["series"] = "none"

    def odd_column(response: Any) -> None:
        response["metric"]["series"]["sent"] = "none"

    fault_free = read("metrics", edited={})
    numbers = [
        r["source_id"] for r in fault_free.records["metrics"] if r["source_type"] == "campaign"
    ]
    first, second = [*dict.fromkeys(numbers)][:2]
    edited = {
        f"GET /v1/campaigns/{first}/metrics": without_series,
        f"GET /v1/campaigns/{second}/metrics": odd_column,
    }
    output = read("metrics", edited=edited, fails=True)
    assert f"sent: 1 (campaign/{second})" in caplog.text
    assert "'series' that is not a valid object" in caplog.text
    wanted = []
    for row in fault_free.records["metrics"]:
        if row["source_type"] == "campaign" and row["source_id"] == second:
            wanted.append({**row, "sent": None})
        elif row["source_type"] != "campaign" or row["source_id"] != first:
            wanted.append(row)
    assert output.records["metrics"] == wanted


@pytest.mark.slow
def test_a_link_without_an_id_is_lost(
    read: Callable[..., Output], caplog: pytest.LogCaptureFixture
) -> None:
    def edit(response: Any) -> None:
        response["links"][:0] = [{"link": {}, "metric": {}}, 7, {"link": {"id": 99}, "metric": 5}]

    fault_free = read("link_metrics", edited={})
    number = next(
        r["source_id"] for r in fault_free.records["link_metrics"] if r["source_type"] == "campaign"
    )
    output = read(
        "link_metrics", edited={f"GET /v1/campaigns/{number}/metrics/links": edit}, fails=True
    )
    assert output.records["link_metrics"] == fault_free.records["link_metrics"]
    assert f"link_id: 2 (campaign/{number}); series: 1 (campaign/{number}/99)" in caplog.text


def test_a_log_with_odd_identifiers_makes_the_next_sync_read_everyone(
    read: Callable[..., Output],
) -> None:
    def edit(response: Any) -> None:
        who = {"cio_id": {"new": "form"}}
        response["activities"] = [{"id": "a", "timestamp": NOW, "customer_identifiers": who}]
        response["next"] = ""

    settings = {"customers_sync": "changes"}
    fault_free = read("customers", edited={}, settings=settings)
    state = fault_free.states[-1]
    output = read("customers", edited={"GET /v1/activities": edit}, settings=settings, state=state)
    assert {*output.ids("customers")} == {*fault_free.ids("customers")}
