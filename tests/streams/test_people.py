"""Customers: everyone in the search, with any identifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness import NOW, config_for, few_senders, run_tap

from tap_customerio.errors import TapError
from tap_customerio.windows import parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_customerio.sandbox import Sandbox


def test_everyone_arrives_once_with_all_identifiers(sandbox: Sandbox) -> None:
    output = run_tap(config_for(sandbox), streams=["customers"])
    records = {record["cio_id"]: record for record in output.records["customers"]}
    people = {person["identifiers"]["cio_id"]: person for person in sandbox.workspace.everyone(NOW)}
    assert len(records) == len(output.records["customers"])
    assert records.keys() == people.keys()
    for cio_id, person in people.items():
        assert records[cio_id]["id"] == person["identifiers"]["id"]
        assert records[cio_id]["email"] == person["identifiers"]["email"]
        assert records[cio_id]["unsubscribed"] == person["unsubscribed"]
        assert records[cio_id]["attributes"] == person["attributes"]
        assert records[cio_id]["timestamps"] == {
            name: rfc3339(at) if at else None for name, at in person["timestamps"].items()
        }
        assert len(records[cio_id]["devices"]) == len(person["devices"] or [])


def test_the_sandbox_has_people_who_are_hard_to_read(sandbox: Sandbox) -> None:
    people = [person["identifiers"] for person in sandbox.workspace.everyone(NOW)]
    assert any(person["id"] is None for person in people)
    assert any(person["email"] is None for person in people)
    assert any(person["cio_id"].replace("e", "").isdigit() for person in people)


def test_ids_that_look_like_numbers_stay_text(sandbox: Sandbox) -> None:
    output = run_tap(config_for(sandbox), streams=["customers"])
    assert all(isinstance(cio_id, str) for cio_id in output.ids("customers"))
    assert output.schemas["customers"]["properties"]["cio_id"]["type"] == "string"


def test_a_thousand_people_cost_eleven_requests(sandbox: Sandbox) -> None:
    output = run_tap(config_for(sandbox), streams=["customers"])
    people = len(output.records["customers"])
    paths = [call.path for call in sandbox.calls]
    assert paths.count("/v1/customers") == -(-people // 1000)
    assert paths.count("/v1/customers/attributes") == -(-people // 100)


def test_a_filter_reads_only_some_people(sandbox: Sandbox) -> None:
    only = {"attribute": {"field": "region", "operator": "eq", "value": "Asia"}}
    output = run_tap(config_for(sandbox, customers_filter=only), streams=["customers"])
    assert {record["attributes"]["region"] for record in output.records["customers"]} == {"Asia"}


def test_people_deleted_meanwhile_are_counted_and_reported(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    body = {"identifiers": [{"cio_id": "feed0001", "id": None, "email": None}], "next": ""}
    sandbox.fail(status=200, body=body, path="/v1/customers")
    output = run_tap(config_for(sandbox), streams=["customers"])
    assert output.records["customers"] == []
    assert "1 of 1 people were deleted or merged before they could be read" in caplog.text


def test_profiles_in_the_documented_envelope_are_read_too(sandbox: Sandbox) -> None:
    profile = {"identifiers": {"cio_id": "30e00001"}, "attributes": {}, "unsubscribed": False}
    body = {"customers": [{"customer": profile}]}
    sandbox.fail(status=200, body=body, path="/v1/customers/attributes")
    output = run_tap(config_for(sandbox, concurrency=1), streams=["customers"])
    assert "30e00001" in output.ids("customers")


def test_profiles_without_identifiers_get_them_from_the_attributes(sandbox: Sandbox) -> None:
    profile = {
        "attributes": {"cio_id": "30e00001", "email": "ada@example.org"},
        "unsubscribed": False,
        "devices": None,
    }
    sandbox.fail(status=200, body={"customers": [profile]}, path="/v1/customers/attributes")
    output = run_tap(config_for(sandbox, concurrency=1), streams=["customers"])
    record = output.records["customers"][0]
    assert record["cio_id"] == "30e00001"
    assert record["email"] == "ada@example.org"
    assert record["id"] is None
    assert record["devices"] == []


SEARCHING = ("customers", "customer_relationships", "subscription_preferences")


@pytest.mark.slow
def test_streams_of_all_people_share_one_search(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    few = few_senders(since=parse("2026-03-16"), per_day=2, people=30)
    box = make_sandbox(workspace=few)
    output = run_tap(config_for(box), streams=SEARCHING)
    paths = [call.path for call in box.calls]
    assert paths.count("/v1/customers") == 1
    everyone = {person["identifiers"]["cio_id"] for person in box.workspace.everyone(NOW)}
    for stream in ("customers", "subscription_preferences"):
        assert set(output.ids(stream)) == everyone


def test_a_failing_search_fails_all_its_streams(sandbox: Sandbox) -> None:
    sandbox.fail(status=403, path="/v1/customers")
    with pytest.raises(TapError, match=", ".join(sorted(SEARCHING))):
        run_tap(config_for(sandbox), streams=SEARCHING)


def test_a_rejected_filter_is_named(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    config = config_for(sandbox, customers_filter={"attribute": {"field": "plan"}})
    with pytest.raises(TapError, match="Incomplete: customers"):
        run_tap(config, streams=["customers"])
    assert "refused customers_filter with status 400" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attribute", "cio_id_set", "expected"),
    [
        ("1698000000", 1_700_000_000, "2023-10-22T18:40:00Z"),
        ("2023-10-22T18:40:00Z", None, "2023-10-22T18:40:00Z"),
        ("last spring", 1_700_000_000, "2023-11-14T22:13:20Z"),
        (None, 1_700_000_000, "2023-11-14T22:13:20Z"),
        ("last spring", None, None),
        ("", 0, None),
    ],
)
def test_people_have_their_creation_time(
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    attribute: str | None,
    cio_id_set: int | None,
    expected: str | None,
) -> None:
    profile = {
        "attributes": {"cio_id": "30e00001", "created_at": attribute},
        "timestamps": {"cio_id": cio_id_set},
    }
    sandbox.fail(status=200, body={"customers": [profile]}, path="/v1/customers/attributes")
    output = run_tap(config_for(sandbox, concurrency=1), streams=["customers"])
    assert output.records["customers"][0]["created_at"] == expected
    assert "cannot be read" not in caplog.text
