"""People: the search, and the profiles."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Any

import pytest
from sandbox.sandbox_caller import DAY, EVERYONE, SINCE, Caller, token

from tap_customerio.sandbox import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = SINCE + 40 * DAY
SEARCH = "/v1/customers"
PROFILES = "/v1/customers/attributes"
WORKSPACE = Workspace(per_day=10)
ALL = list(WORKSPACE.everyone(NOW))

Profile = dict[str, Any]


def attribute(field: str, value: object = None) -> dict[str, Any]:
    """A condition about an attribute."""
    if value is None:
        return {"attribute": {"field": field, "operator": "exists"}}
    return {"attribute": {"field": field, "operator": "eq", "value": value}}


def search(api: Caller, condition: object) -> list[str]:
    """The cio_ids of all people who match a condition."""
    found, start = [], ""
    while True:
        query = {"start": start} if start else {}
        body = api.post(SEARCH, {"filter": condition}, limit=300, **query).json()
        found += [name["cio_id"] for name in body["identifiers"] or ()]
        start = body["next"]
        if not start:
            return found


def those(matches: Callable[[Profile], bool]) -> list[str]:
    """The same, from all profiles."""
    return [person["identifiers"]["cio_id"] for person in ALL if matches(person)]


def test_every_person_has_a_cio_id(api: Caller) -> None:
    found = search(api, EVERYONE["filter"])
    assert found == those(lambda _: True)
    assert len(set(found)) == len(found) == WORKSPACE.count_people(NOW)


def test_pages_have_50_people_by_default_and_1000_at_most(api: Caller) -> None:
    assert len(api.post(SEARCH, EVERYONE).json()["identifiers"]) == 50
    page = api.post(SEARCH, EVERYONE, limit=99_999).json()
    assert len(page["identifiers"]) == len(page["ids"]) == 1000
    assert page["next"] == token("0:1000")


def test_the_last_page_of_people_ends_with_an_empty_next(api: Caller) -> None:
    start = token(f"0:{len(ALL) - 10}")
    assert api.post(SEARCH, EVERYONE, limit=10, start=start).json()["next"] == ""


def test_people_without_an_own_id_have_an_empty_one_in_the_second_list(api: Caller) -> None:
    page = api.post(SEARCH, EVERYONE, limit=1000).json()
    assert page["ids"] == [name["id"] or "" for name in page["identifiers"]]
    assert page["ids"].count("") == pytest.approx(50, abs=10)


def test_empty_lists_of_people_are_null(api: Caller) -> None:
    empty = {"identifiers": None, "ids": None, "next": ""}
    assert api.post(SEARCH, {"filter": attribute("plan", "gold")}).json() == empty


def test_people_can_be_searched_by_attribute(api: Caller) -> None:
    found = search(api, attribute("region", "Oceania"))
    assert found == those(lambda p: p["attributes"]["region"] == "Oceania") != []
    assert search(api, attribute("email")) == those(lambda p: "email" in p["attributes"])
    (one,) = search(api, attribute("id", "u-7"))
    assert one == those(lambda p: p["identifiers"]["id"] == "u-7")[0]
    flagged = those(lambda p: p["attributes"].get("unsubscribed") == "true")
    assert search(api, attribute("unsubscribed", value=True)) == flagged != []


def test_conditions_can_be_combined(api: Caller) -> None:
    pro, asia = attribute("plan", "pro"), attribute("region", "Asia")
    assert search(api, {"and": [pro, {"not": asia}]}) == those(
        lambda p: p["attributes"]["plan"] == "pro" and p["attributes"]["region"] != "Asia"
    )
    assert search(api, {"or": [pro, asia]}) == those(
        lambda p: p["attributes"]["plan"] == "pro" or p["attributes"]["region"] == "Asia"
    )
    assert search(api, {"not": EVERYONE["filter"]}) == []
    assert search(api, {"or": [pro, attribute("cio_id")]}) == those(lambda _: True)


def test_segments_have_all_some_or_no_people(api: Caller) -> None:
    sizes = [len(search(api, {"segment": {"id": number}})) for number in range(1, 10)]
    assert sizes[0] == len(ALL)
    assert all(a > b for a, b in pairwise(sizes))
    assert sizes[-1] == 0


@pytest.mark.parametrize(
    "condition",
    [
        None,
        {},
        [],
        {"and": []},
        {"and": {}},
        {"and": [{}]},
        {"not": [attribute("plan")]},
        {"nor": [attribute("plan")]},
        {"segment": {"id": "1"}},
        {"segment": {"id": True}},
        {"segment": 1},
        {"attribute": {"field": "plan"}},
        {"attribute": {"field": "plan", "operator": "eq"}},
        {"attribute": {"field": "plan", "operator": "ne", "value": "pro"}},
        {"attribute": {"field": "plan", "operator": "eq", "value": ["pro"]}},
        {"attribute": {"field": 1, "operator": "exists"}},
        {**attribute("plan"), **attribute("plan"), "segment": {"id": 1}},
    ],
)
def test_malformed_filters_are_rejected(api: Caller, condition: object) -> None:
    assert api.post(SEARCH, {"filter": condition}).status_code == 400


def test_bodies_that_are_no_objects_are_rejected(api: Caller) -> None:
    url = api.sandbox.url + SEARCH
    assert api.session.post(url, data="{", timeout=10).status_code == 400
    assert api.post(SEARCH, [EVERYONE]).status_code == 400
    assert api.post(PROFILES, ["u-1"]).status_code == 400


def test_tokens_of_other_searches_are_rejected(api: Caller) -> None:
    assert api.post(SEARCH, EVERYONE, start=token("v20:5")).status_code == 400


@pytest.mark.parametrize("kind", ["cio_id", "id", "email"])
def test_profiles_are_found_by_any_identifier(api: Caller, kind: str) -> None:
    known = [p for p in ALL if p["identifiers"][kind] is not None][-100:]
    ids = [person["identifiers"][kind] for person in known]
    found = api.post(PROFILES, {"ids": ids}, id_type=kind).json()["customers"]
    assert sorted(found, key=cio_id) == sorted(known, key=cio_id)


def test_identifiers_are_own_ids_by_default(api: Caller) -> None:
    (person,) = api.post(PROFILES, {"ids": ["u-7"]}).json()["customers"]
    assert person["id"] == person["identifiers"]["id"] == person["attributes"]["id"] == "u-7"


def test_addresses_are_case_insensitive(api: Caller) -> None:
    email = next(p["identifiers"]["email"] for p in ALL if p["identifiers"]["email"])
    found = api.post(PROFILES, {"ids": [email.upper()]}, id_type="email").json()["customers"]
    assert [person["identifiers"]["email"] for person in found] == [email]
    assert api.post(PROFILES, {"ids": ["U-7"]}).json()["customers"] == []


def test_unknown_people_are_silently_omitted(api: Caller) -> None:
    future = cio_id(list(WORKSPACE.everyone(NOW + DAY))[len(ALL)])
    ids = ["30e00001", "ffff0001", "", "30e0", "30e0-001", "30e00x01", future]
    found = api.post(PROFILES, {"ids": ids}, id_type="cio_id").json()["customers"]
    assert [cio_id(person) for person in found] == ["30e00001"]


def test_prefixed_cio_ids_find_no_one(api: Caller) -> None:
    response = api.post(PROFILES, {"ids": ["cio_30e00001"]}, id_type="cio_id")
    assert (response.status_code, response.json()) == (200, {"customers": []})


def test_profiles_come_once_in_a_different_order(api: Caller) -> None:
    ids = [cio_id(person) for person in ALL[:50]]
    found = api.post(PROFILES, {"ids": ids + ids}, id_type="cio_id").json()["customers"]
    answered = [cio_id(person) for person in found]
    assert answered != ids
    assert sorted(answered) == sorted(ids)
    again = api.post(PROFILES, {"ids": ids[::-1]}, id_type="cio_id").json()["customers"]
    assert again == found


@pytest.mark.parametrize("ids", [[], ["u-1"] * 101, "u-1", [1], None])
def test_a_request_names_one_to_a_hundred_identifiers(api: Caller, ids: object) -> None:
    assert api.post(PROFILES, {"ids": ids}).status_code == 400


@pytest.mark.parametrize("kind", ["phone", "name"])
def test_identifier_types_not_in_use_are_rejected(api: Caller, kind: str) -> None:
    assert api.post(PROFILES, {"ids": ["u-1"]}, id_type=kind).status_code == 400


def test_some_cio_ids_look_like_numbers() -> None:
    ids = {cio_id(person) for person in ALL}
    assert {"30e00001", "30000001"} <= ids
    assert float("1e050001") == inf
    assert {"1e050001", "03000001", "00e10001"} <= ids


def test_about_one_in_twenty_has_no_own_id_and_no_address() -> None:
    for kind in ("id", "email"):
        missing = [person for person in ALL if person["identifiers"][kind] is None]
        assert len(missing) == pytest.approx(len(ALL) / 20, rel=0.1)
        assert all(kind not in person["attributes"] for person in missing)
    assert any(p["identifiers"]["id"] is p["identifiers"]["email"] is None for p in ALL)
    assert all(("id" in person) == (person["identifiers"]["id"] is not None) for person in ALL)


def test_some_addresses_have_a_plus_sign_or_letters_beyond_ascii() -> None:
    emails = [p["identifiers"]["email"] for p in ALL if p["identifiers"]["email"]]
    assert all(email.endswith("@example.org") for email in emails)
    assert len(set(emails)) == len(emails)
    assert any("+" in email for email in emails)
    assert any(not email.isascii() for email in emails)


def test_attributes_are_text_and_stamps_are_numbers() -> None:
    for person in ALL:
        attributes, stamps = person["attributes"], person["timestamps"]
        assert all(type(value) is str for value in attributes.values())
        assert attributes.keys() == stamps.keys()
        assert stamps["_cio_subscription_preferences_computed"] == 0
        assert stamps["cio_id"] == int(attributes["created_at"])
        assert person["unsubscribed"] is (attributes.get("unsubscribed") == "true")


def test_devices_may_be_null_or_empty() -> None:
    devices = [person["devices"] for person in ALL]
    assert None in devices
    assert [] in devices
    found = [device for some in devices for device in some or ()]
    assert {device["platform"] for device in found} == {"ios", "android"}
    assert all(type(v) is str for device in found for v in device["attributes"].values())


def test_people_live_in_six_regions_of_different_size() -> None:
    sizes = Counter(person["attributes"]["region"] for person in ALL)
    assert len(sizes) == 6
    assert sizes["Europe"] > sizes["Asia"] > sizes["Oceania"] > 0


def test_one_person_in_a_thousand_joins_every_day() -> None:
    assert WORKSPACE.count_people(SINCE) == 2000
    assert WORKSPACE.count_people(SINCE + 10 * DAY) == 2020
    for moment in (SINCE, NOW - 12_345, NOW):
        there = [p for p in ALL if int(p["attributes"]["created_at"]) <= moment]
        assert list(WORKSPACE.everyone(moment)) == there
        assert WORKSPACE.count_people(moment) == len(there)


def test_the_first_people_did_not_join_after_the_workspace_began() -> None:
    early = 1_577_836_800  # 2020-01-01
    people = Workspace(since=early, people=300).everyone(early)
    assert all(int(person["attributes"]["created_at"]) <= early for person in people)


def test_new_people_are_the_same_in_a_workspace_with_a_later_start() -> None:
    later = Workspace(since=SINCE + 20 * DAY)
    mine = {cio_id(person) for person in later.everyone(NOW)}
    assert mine < {cio_id(person) for person in ALL}


def cio_id(person: Profile) -> str:
    """The cio_id of a person."""
    text: str = person["identifiers"]["cio_id"]
    return text
