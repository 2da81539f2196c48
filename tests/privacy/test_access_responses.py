"""Responses that are odd, incomplete or missing, and what the report says about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW
from page_words import Words
from privacy_case import PEOPLE

from tap_customerio.sandbox import Behaviours
from tap_customerio.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from privacy_case import PrivacyCase


def test_unreadable_parts_are_listed_and_the_rest_is_included(
    open_case: Callable[..., PrivacyCase],
) -> None:
    paths = ("/v1/customers/*/segments", "/v1/customers/*/relationships")
    case = open_case(
        behaviours=Behaviours(without=frozenset(paths[:1]), lacking=frozenset(paths[1:]))
    )
    case.box.fail(status=400, times=9, path="/v1/customers/*/subscription_preferences")
    screen = case.ask("access", "--email", case.known()["email"])
    assert screen.code == 3
    manifest, [held] = case.read("manifest.json"), case.read("report.json")["people"]
    assert manifest["outcome"] == "incomplete"
    reasons = {each["what"]: each["why"] for each in manifest["not_read"]}
    assert reasons.keys() == {"segments", "relationships", "subscription_preferences"}
    for (what, why), status in zip(sorted(reasons.items()), ("404", "403", "400"), strict=True):
        assert status in why
        assert held[what] is None
    assert held["messages"]
    page = Words((case.folder / "out" / "report.html").read_text()).text
    assert page.count("Could not be read.") == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("attributes", None),
        ("attributes", ["a"]),
        ("unsubscribed", "no"),
        ("devices", {"id": "tok"}),
        ("devices", ["tok"]),
        ("timestamps", []),
    ],
)
def test_a_part_of_a_profile_of_another_shape_is_not_read(
    case: PrivacyCase, part: str, value: Any
) -> None:
    cio_id = case.add(id="ada")
    profile = {**case.box.workspace.find("cio_id", cio_id, NOW), part: value}  # type: ignore[dict-item]
    found = {"customers": [{"identifiers": profile["identifiers"]}]}
    case.box.fail(status=200, body=found, path=PEOPLE)
    case.box.fail(status=200, body={"customers": [profile]}, path=PEOPLE)
    screen = case.ask("access", "--cio-id", cio_id)
    assert screen.code == 3
    report = case.read("report.json")
    # Without a time of creation, messages of more than six months ago may exist.
    wanted = [part, "messages"] if part == "timestamps" else [part]
    assert [each["what"] for each in report["not_read"]] == wanted
    assert "does not have the expected shape" in report["not_read"][0]["why"]
    assert report["people"][0][part] is None


@pytest.mark.slow
@pytest.mark.parametrize("topics", ["all", ["all"]])
def test_preferences_of_another_shape_are_not_read(case: PrivacyCase, topics: Any) -> None:
    cio_id = case.add(id="ada")
    path = "/v1/customers/*/subscription_preferences"
    case.box.fail(status=200, body={"customer": {"topics": topics}}, times=9, path=path)
    assert case.ask("access", "--cio-id", cio_id).code == 3
    assert [each["what"] for each in case.read("report.json")["not_read"]] == [
        "subscription_preferences"
    ]


def test_a_profile_of_another_person_is_not_read(case: PrivacyCase) -> None:
    ada, bob = case.add(id="ada"), case.add(id="bob", email="bob@example.com")
    hers, his = (case.box.workspace.find("cio_id", cio_id, NOW) for cio_id in (ada, bob))
    case.box.fail(status=200, body={"customers": [hers]}, path=PEOPLE)
    case.box.fail(status=200, body={"customers": [his]}, path=PEOPLE)
    assert case.ask("access", "--cio-id", ada).code == 3
    assert "profile" in [each["what"] for each in case.read("report.json")["not_read"]]
    assert "bob@example.com" not in case.all_text()


@pytest.mark.slow
@pytest.mark.parametrize("metrics", ["sent", ["sent"]])
def test_messages_of_another_shape_are_shown_as_they_are(case: PrivacyCase, metrics: Any) -> None:
    cio_id = case.add(id="ada")
    row = {"id": "dg1", "created": NOW - 10, "type": "email", "metrics": metrics}
    path = f"/v1/customers/{cio_id}/messages"
    case.box.fail(status=200, body={"messages": [row], "next": ""}, path=path)
    assert case.ask("access", "--cio-id", cio_id).code == 0
    assert case.read("report.json")["people"][0]["messages"] == [row]
    assert "sent" in Words((case.folder / "out" / "report.html").read_text()).text


def test_a_late_change_of_attributes_is_no_creation_time(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case(behaviours=Behaviours(forgets_old=True))
    cio_id = case.add(id="ada")
    profile = {**case.box.workspace.find("cio_id", cio_id, NOW), "timestamps": {"id": NOW}}  # type: ignore[dict-item]
    case.box.fail(status=200, body={"customers": [profile]}, times=2, path=PEOPLE)
    assert case.ask("access", "--cio-id", cio_id).code == 3
    assert [each["what"] for each in case.read("report.json")["not_read"]] == ["messages"]


@pytest.mark.slow
def test_messages_possibly_limited_to_six_months_are_reported(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case(behaviours=Behaviours(forgets_old=True))
    names = case.known()
    assert case.ask("access", "--cio-id", names["cio_id"]).code == 3
    report = case.read("report.json")
    assert [each["what"] for each in report["not_read"]] == ["messages"]
    assert "No message older than six months is listed" in report["not_read"][0]["why"]
    assert report["people"][0]["messages"]
    newcomer = case.add(id="newcomer")
    assert case.ask("access", "--cio-id", newcomer, to="out/young").code == 0


def test_a_person_without_old_messages_is_complete_if_others_have_some(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case()
    names, edge = case.known(), NOW - 180 * DAY
    sent = case.box.workspace.deliveries(edge, NOW + 1, now=NOW)
    recent = [row for row in sent if row["customer_id"] == names["id"]][::-1]
    path = f"/v1/customers/{names['cio_id']}/messages"
    for rows in (recent, *[[] for _ in range(40)]):
        case.box.fail(status=200, body={"messages": rows, "next": ""}, path=path)
    assert case.ask("access", "--cio-id", names["cio_id"]).code == 0


def test_ignored_date_ranges_are_reported(case: PrivacyCase) -> None:
    names = case.known()
    [row] = [{"id": "dg1", "created": NOW - 10, "type": "email"}]
    path = f"/v1/customers/{names['cio_id']}/messages"
    case.box.fail(status=200, body={"messages": [row], "next": ""}, times=99, path=path)
    assert case.ask("access", "--cio-id", names["cio_id"]).code == 3
    report = case.read("report.json")
    assert "ignored the requested periods" in report["not_read"][0]["why"]
    assert len(report["people"][0]["messages"]) == 1
