"""People added, changed, merged and removed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sandbox.sandbox_caller import DAY, EVERYONE, SINCE, Caller, calling

from tap_customerio.sandbox import Clock, Sandbox, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = SINCE + 20 * DAY
PROFILES = "/v1/customers/attributes"
LOG = "/v1/activities"


@pytest.fixture
def api() -> Iterator[Caller]:
    """A workspace with some 50 people."""
    workspace = Workspace(per_day=40, people=50)
    sandbox = Sandbox(workspace, clock=Clock(NOW), requests_per_second=None)
    with sandbox, calling(sandbox) as caller:
        yield caller


def profile(api: Caller, text: str | None, kind: str = "cio_id") -> dict[str, Any] | None:
    """The profile of a person, if any."""
    found = api.post(PROFILES, {"ids": [text]}, id_type=kind).json()["customers"]
    return found[0] if found else None


def entries(api: Caller, cio_id: str | None) -> list[str]:
    """The entries of a person in the log, newest first."""
    rows = api.rows(LOG, "activities", customer_id=f"cio_{cio_id}", id_type="cio_id")
    return [row["type"] for row in rows]


def test_an_unknown_identifier_creates_a_person(api: Caller) -> None:
    workspace, count = api.sandbox.workspace, api.sandbox.workspace.count_people(NOW)
    named = {"id": "ada@example.com", "email": "Größe+1@example.com"}
    cio_id = workspace.people_admin.identify(named, at=NOW, attributes={"plan": "pro"})
    person = profile(api, cio_id)
    assert person is not None
    assert person["identifiers"] == {"cio_id": cio_id, **named}
    assert person["attributes"].items() >= {"plan": "pro", **named}.items()
    assert person["unsubscribed"] is False
    assert profile(api, "größe+1@example.COM", "email") == person
    assert profile(api, "ada@example.com", "id") == person
    assert profile(api, "ada@example.com", "email") is None
    assert entries(api, cio_id) == ["profile_create"]
    assert workspace.count_people(NOW) == count + 1
    names = api.post("/v1/customers", EVERYONE, limit=1000).json()["identifiers"]
    assert names[-1] == person["identifiers"]
    assert len(names) == count + 1
    members = api.json("/v1/segments/1/membership")["identifiers"]
    assert members[-1] == person["identifiers"]


def test_a_known_identifier_changes_its_person(api: Caller) -> None:
    people_admin = api.sandbox.workspace.people_admin
    before = profile(api, "u-7", "id")
    assert before is not None
    cio_id = people_admin.identify({"id": "u-7"}, at=NOW, attributes={"plan": "gold"})
    after = profile(api, "u-7", "id")
    assert after is not None
    assert cio_id == before["identifiers"]["cio_id"] == after["identifiers"]["cio_id"]
    assert after["attributes"] == {**before["attributes"], "plan": "gold"}
    logged = entries(api, cio_id)
    assert logged[0] == "attribute_change"
    assert people_admin.identify({"id": "u-7"}, at=NOW) == cio_id
    assert entries(api, cio_id) == logged


def test_a_person_is_found_by_a_new_address(api: Caller) -> None:
    people_admin = api.sandbox.workspace.people_admin
    old = profile(api, "u-7", "id")
    assert old is not None
    people_admin.change(old["identifiers"]["cio_id"], {"email": "New@example.com"}, at=NOW)
    new = profile(api, "new@example.com", "email")
    assert new is not None
    assert new["identifiers"] == {**old["identifiers"], "email": "New@example.com"}
    assert profile(api, old["identifiers"]["email"], "email") is None
    with pytest.raises(KeyError):
        people_admin.change("30e0ffff", {"plan": "pro"}, at=NOW)


def test_future_changes_happen_when_the_clock_reaches_them(api: Caller) -> None:
    people_admin = api.sandbox.workspace.people_admin
    cio_id = people_admin.identify({"id": "later"}, at=NOW + 100)
    assert profile(api, cio_id) is None
    api.sandbox.clock.advance(99)
    assert (profile(api, cio_id), entries(api, cio_id)) == (None, [])
    api.sandbox.clock.advance(1)
    assert profile(api, cio_id)
    assert entries(api, cio_id) == ["profile_create"]


def test_merged_people_are_one(api: Caller) -> None:
    people_admin = api.sandbox.workspace.people_admin
    winner = people_admin.identify({"id": "w"}, at=NOW, attributes={"a": "1"})
    loser = people_admin.identify({"id": "l"}, at=NOW, attributes={"a": "2", "b": "3"})
    assert winner
    assert loser
    people_admin.merge(winner, loser, at=NOW)
    assert profile(api, loser) is None
    kept = profile(api, winner)
    assert kept is not None
    assert kept["attributes"].items() >= {"id": "w", "a": "1", "b": "3"}.items()
    assert entries(api, winner)[0] == "profile_merge"


def test_deleted_people_are_gone_and_may_return_as_others(api: Caller) -> None:
    people_admin = api.sandbox.workspace.people_admin
    old = profile(api, "u-7", "id")
    assert old is not None
    names = old["identifiers"]
    before = entries(api, names["cio_id"])
    people_admin.delete("id", "u-7", at=NOW)
    assert profile(api, "u-7", "id") is profile(api, names["cio_id"]) is None
    assert entries(api, names["cio_id"]) == ["profile_delete", *before]
    rows = api.rows(LOG, "activities", customer_id=f"cio_{names['cio_id']}", id_type="cio_id")
    assert all(row["customer_identifiers"] == {"cio_id": names["cio_id"]} for row in rows)
    people_admin.delete("id", "u-7", at=NOW)
    assert entries(api, names["cio_id"]) == ["profile_delete", *before]
    new = people_admin.identify({"id": "u-7", "email": names["email"]}, at=NOW)
    assert new != names["cio_id"]
    again = profile(api, "u-7", "id")
    assert again == profile(api, names["email"], "email")
    assert again is not None
    assert again["identifiers"] == {**names, "cio_id": new}
    assert "plan" not in again["attributes"]


def test_a_late_event_recreates_deleted_people_but_not_suppressed_ones() -> None:
    workspace, clock = Workspace(per_day=5, people=50, late_event=60), Clock(NOW)
    with Sandbox(workspace, clock=clock) as sandbox, calling(sandbox) as api:
        for number in (7, 8):
            assert profile(api, f"u-{number}", "id")
        workspace.people_admin.delete("id", "u-7", at=NOW)
        workspace.people_admin.suppress("id", "u-8", at=NOW)
        clock.advance(59)
        assert profile(api, "u-7", "id") is profile(api, "u-8", "id") is None
        clock.advance(1)
        assert profile(api, "u-7", "id")
        assert profile(api, "u-8", "id") is None


def test_suppressed_identifiers_are_ignored_until_they_are_unsuppressed(api: Caller) -> None:
    people_admin = api.sandbox.workspace.people_admin
    old = profile(api, "u-7", "id")
    assert old is not None
    named = {"id": "u-7", "email": old["identifiers"]["email"]}
    scheduled = people_admin.identify({"id": "elsewhere"}, at=NOW + 50)
    people_admin.suppress("id", "elsewhere", at=NOW)
    people_admin.suppress("email", named["email"].upper(), at=NOW)
    for kind, text in named.items():
        assert people_admin.identify({kind: text}, at=NOW) is None
    people_admin.unsuppress("id", "u-7")
    assert people_admin.identify(named, at=NOW) not in {None, old["identifiers"]["cio_id"]}
    api.sandbox.clock.advance(60)
    assert profile(api, scheduled) is None


def test_an_identifier_without_a_person_can_be_blocked(api: Caller) -> None:
    people_admin = api.sandbox.workspace.people_admin
    people_admin.suppress("email", "nobody@example.com", at=NOW)
    assert people_admin.identify({"email": "Nobody@example.com"}, at=NOW) is None
    people_admin.unsuppress("email", "nobody@example.com")
    assert people_admin.identify({"email": "Nobody@example.com"}, at=NOW)


def test_no_data_names_a_suppressed_person(api: Caller) -> None:
    workspace = api.sandbox.workspace
    sent = [r for r in workspace.deliveries(SINCE, NOW, now=NOW) if r["customer_id"] == "u-7"]
    person = profile(api, "u-7", "id")
    assert sent
    assert person is not None
    cio_id = person["identifiers"]["cio_id"]
    assert cio_id in str(api.rows(LOG, "activities", limit=100))
    length = len(api.rows(LOG, "activities", limit=100))
    workspace.people_admin.suppress("id", "u-7", at=NOW)
    rows = api.rows(LOG, "activities", limit=100)
    assert len(rows) == length + 1
    assert cio_id not in str(rows)
    assert (rows[0]["type"], rows[0]["customer_identifiers"]) == ("profile_delete", None)
    assert entries(api, cio_id) == []
    by_id = {row["id"]: row for row in api.rows("/v1/messages", "messages", limit=1000)}
    for row in sent:
        assert by_id[row["id"]] == {
            **row,
            "metrics": by_id[row["id"]]["metrics"],
            "deduplicate_id": by_id[row["id"]]["deduplicate_id"],
            **dict.fromkeys(("customer_id", "customer_identifiers", "recipient", "subject")),
            "forgotten": True,
        }


def test_deletions_do_not_change_deliveries(api: Caller) -> None:
    before = api.rows("/v1/messages", "messages", limit=1000)
    api.sandbox.workspace.people_admin.delete("id", "u-7", at=NOW)
    assert api.rows("/v1/messages", "messages", limit=1000) == before


def test_counts_match_deliveries_after_people_are_removed(api: Caller) -> None:
    workspace, later = api.sandbox.workspace, NOW + 2 * DAY
    for number in range(40):
        workspace.metric_counts("campaign", 1, NOW, later, NOW + DAY)
        workspace.people_admin.delete("id", f"u-{number}", at=NOW)
    rows = workspace.deliveries(NOW, later, now=later)
    undelivered = sum(r["campaign_id"] == 1 and "undeliverable" in r["metrics"] for r in rows)
    counts = workspace.metric_counts("campaign", 1, NOW, later, later)
    assert counts["undeliverable"] == undelivered


def test_manual_changes_replace_automatic_ones() -> None:
    workspace = Workspace(per_day=5, people=200, churn=0.3)
    rows = list(workspace.activities(NOW, NOW + DAY, now=NOW + DAY))
    there = {person["identifiers"]["cio_id"] for person in workspace.everyone(NOW)}
    changed = {
        row["customer_identifiers"]["cio_id"] for row in rows if row["type"] == "attribute_change"
    }
    cio_id = min(changed & there)
    workspace.people_admin.delete("cio_id", cio_id, at=NOW)
    left = list(workspace.activities(NOW, NOW + DAY, now=NOW + DAY))
    logged = [r["type"] for r in left if (r["customer_identifiers"] or {}).get("cio_id") == cio_id]
    assert "profile_delete" in logged
    assert "attribute_change" not in logged
    assert workspace.find("cio_id", cio_id, NOW + DAY) is None
    assert workspace.count_people(NOW + DAY) == len(list(workspace.everyone(NOW + DAY)))


def test_several_people_may_share_an_address_that_does_not_identify_them() -> None:
    workspace = Workspace(per_day=5, people=50, identified_by=["id"])
    with Sandbox(workspace, clock=Clock(NOW)) as sandbox, calling(sandbox) as api:
        shared = {"email": "Family+home@example.com"}
        ids = ["mother", "father", "family+home@example.com"]
        made = [workspace.people_admin.identify({"id": one, **shared}, at=NOW) for one in ids]
        assert len(set(made)) == 3
        found = api.json("/v1/customers", email="family+HOME@example.com")["results"]
        # If addresses do not identify people, responses name people without them.
        assert found == [{"cio_id": c, "id": i} for c, i in zip(made, ids, strict=True)]
        for path in (f"{PROFILES}?id_type=email",):
            assert api.post(path, {"ids": [shared["email"]]}).status_code == 400
        for what in ("attributes", "segments", "messages", "activities"):
            response = api.get(f"/v1/customers/mother/{what}", id_type="email")
            assert response.status_code == 400
        person = profile(api, made[0])
        assert person is not None
        assert person["attributes"]["email"] == shared["email"]
        assert person["identifiers"].keys() == {"cio_id", "id"}


def test_phones_find_people_only_if_they_identify_them() -> None:
    workspace = Workspace(per_day=5, people=50, identified_by=["id", "email", "phone"])
    with Sandbox(workspace, clock=Clock(NOW)) as sandbox, calling(sandbox) as api:
        known = next(p for p in workspace.everyone(NOW) if "phone" in p["attributes"])
        assert profile(api, known["attributes"]["phone"], "phone") == known
        cio_id = workspace.people_admin.identify({"phone": "+358401234567"}, at=NOW)
        person = profile(api, "+358401234567", "phone")
        assert person is not None
        assert person["identifiers"] == {"cio_id": cio_id, "id": None, "email": None}


@pytest.mark.parametrize("kinds", [[], ["email"], ["id", "name"]])
def test_own_ids_always_identify_people_and_few_other_attributes_can(kinds: list[str]) -> None:
    with pytest.raises(ValueError, match="identified by"):
        Workspace(identified_by=kinds)
