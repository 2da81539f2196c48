"""People and their data in a workspace with changes."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import reduce
from typing import TYPE_CHECKING, Any

import pytest
from sandbox.sandbox_caller import DAY, EVERYONE, SINCE, Caller, calling

from tap_customerio.sandbox import Behaviours, Clock, Sandbox, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = SINCE + 50 * DAY + 40_000
CHURN = 0.02
HALF_A_YEAR = SINCE + 180 * DAY
LOG = "/v1/activities"
IDENTIFIERS = {"cio_id", "id", "email"}

Row = dict[str, Any]


def changing(**settings: Any) -> Workspace:
    """Some 600 people; every day one in fifty changes."""
    return Workspace(**{"per_day": 40, "people": 600, "churn": CHURN, **settings})


WORKSPACE = changing()


def people(now: float, workspace: Workspace = WORKSPACE) -> dict[str, Row]:
    """All profiles by permanent id."""
    return {person["identifiers"]["cio_id"]: person for person in workspace.everyone(now)}


def arrived(row: Row) -> int:
    """The time in an entry's id, at which it arrived."""
    letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    digits = (letters.index(letter) for letter in row["id"][:10])
    return reduce(lambda number, digit: number * 32 + digit, digits, 0) // 1000


def happened(start: int, end: int, kind: str, workspace: Workspace = WORKSPACE) -> list[Row]:
    """Entries of one type, as of their arrival."""
    return [row for row in workspace.activities(start, end, now=end) if row["type"] == kind]


def concerned(rows: list[Row]) -> set[str]:
    """The people in some entries."""
    return {row["customer_identifiers"]["cio_id"] for row in rows}


def cio_id(row: Row) -> str:
    """The person of an entry."""
    return str(row["customer_identifiers"]["cio_id"])


def person(row: Row, now: float) -> Row:
    """The profile of an entry's person at a time."""
    profile = WORKSPACE.find("cio_id", cio_id(row), now)
    assert profile
    return profile


def test_no_one_changes_by_default() -> None:
    still = Workspace(per_day=10, people=100)
    then = people(SINCE, still)
    assert then.items() <= people(HALF_A_YEAR, still).items()
    kinds = {row["type"] for row in still.activities(SINCE, HALF_A_YEAR, now=HALF_A_YEAR)}
    assert not kinds & {"profile_create", "profile_merge", "device_change"}


@pytest.mark.slow
def test_the_same_seed_makes_the_same_changes() -> None:
    step, leap = changing(), changing()
    for day in range(0, 60, 7):
        people(SINCE + day * DAY, step)
    assert people(NOW, step) == people(NOW, leap) == people(NOW)
    assert people(SINCE + DAY, leap) == people(SINCE + DAY, step)
    assert people(NOW, changing(seed=2)) != people(NOW)


def test_the_number_of_changes_is_configurable() -> None:
    kinds = Counter(row["type"] for row in WORKSPACE.activities(SINCE, NOW, now=NOW))
    names = ("attribute_change", "device_change", "profile_delete", "profile_merge")
    logged = {name: kinds[name] for name in names}
    assert sum(logged.values()) == pytest.approx(600 * CHURN * 50, rel=0.2)
    assert all(logged.values())
    assert logged["attribute_change"] > sum(logged.values()) / 2
    twice = changing(churn=2 * CHURN)
    assert len(happened(SINCE, NOW, "attribute_change", twice)) == pytest.approx(
        2 * logged["attribute_change"], rel=0.2
    )


def test_the_population_stays_about_the_same_size() -> None:
    for now in (SINCE, NOW, HALF_A_YEAR):
        assert WORKSPACE.count_people(now) == len(people(now)) == pytest.approx(600, rel=0.15)
    stayed = people(SINCE).keys() & people(HALF_A_YEAR).keys()
    assert 100 < len(stayed) < 500


@pytest.mark.slow
@pytest.mark.parametrize("day", range(0, 40, 4))
def test_the_log_names_everyone_who_changed(day: int) -> None:
    start, end = SINCE + day * DAY, SINCE + (day + 4) * DAY
    before, after = people(start), people(end)
    rows = list(WORKSPACE.activities(start + 1, end + 1, now=end))
    named = defaultdict(set)
    for row in rows:
        if row["customer_identifiers"]:
            named[row["type"]].add(row["customer_identifiers"]["cio_id"])
    assert after.keys() - before.keys() <= named["profile_create"]
    gone = before.keys() - after.keys()
    assert gone & named["profile_delete"]
    # The log does not name people who were merged into others.
    assert len(gone - named["profile_delete"]) <= sum(
        row["type"] == "profile_merge" for row in rows
    )
    changed = {one for one in before.keys() & after.keys() if before[one] != after[one]}
    logged = named["attribute_change"] | named["device_change"] | named["profile_merge"]
    assert changed
    assert changed <= logged


def test_changes_match_the_log() -> None:
    rows = happened(SINCE, NOW, "attribute_change")
    assert {name for row in rows for name in row["data"]} == {
        "plan", "seats", "region", "unsubscribed", "email",
        "_cio_subscription_preferences_computed",
    }  # fmt: skip
    for row in rows[:150]:
        ((name, change),) = row["data"].items()
        before, after = person(row, row["timestamp"] - 1), person(row, row["timestamp"])
        assert change == {"from": before["attributes"].get(name), "to": after["attributes"][name]}
        assert change["from"] != change["to"]
        stamp = 0 if name.startswith("_cio") else row["timestamp"]
        assert after["timestamps"][name] == stamp


def test_another_address_is_another_identifier(api: Caller) -> None:
    row = happened(NOW - 20 * DAY, NOW, "attribute_change")
    moved = next(r for r in row if "email" in r["data"] and cio_id(r) in people(NOW))
    profile = person(moved, NOW)
    email = profile["identifiers"]["email"]
    assert profile["attributes"]["email"] == email
    assert email.startswith("renamed")
    found = api.post("/v1/customers/attributes", {"ids": [email]}, id_type="email").json()
    assert found == {"customers": [profile]}
    old = moved["data"]["email"]["from"]
    found = api.post("/v1/customers/attributes", {"ids": [old]}, id_type="email").json()
    assert found == {"customers": []}


def test_new_devices_are_logged() -> None:
    row = happened(SINCE, NOW, "device_change")[3]
    before, after = person(row, row["timestamp"] - 1), person(row, row["timestamp"])
    added = after["devices"][-1]
    assert added["last_used"] == row["timestamp"]
    assert added not in (before["devices"] or [])


def test_new_people_are_logged() -> None:
    created = concerned(happened(NOW - 10 * DAY, NOW, "profile_create"))
    came = people(NOW).keys() - people(NOW - 10 * DAY).keys()
    assert came
    assert came <= created


@pytest.mark.slow
def test_merged_people_are_gone_and_the_other_one_has_their_attributes() -> None:
    gains = 0
    for row in happened(SINCE, SINCE + 20 * DAY, "profile_merge"):
        before, after = people(row["timestamp"] - 1), people(row["timestamp"])
        assert len(before.keys() - after.keys()) == 1
        (loser,) = before.keys() - after.keys()
        winner, kept = before[cio_id(row)]["attributes"], after[cio_id(row)]["attributes"]
        lost = {k: v for k, v in before[loser]["attributes"].items() if k not in IDENTIFIERS}
        assert kept == {**lost, **winner}
        assert after[cio_id(row)]["identifiers"] == before[cio_id(row)]["identifiers"]
        assert row["data"] == {}
        gains += kept != winner
    assert gains


def test_the_log_names_deleted_people_only_by_permanent_id(api: Caller) -> None:
    there = people(NOW)
    rows = api.rows(LOG, "activities", limit=100)
    assert rows == list(WORKSPACE.activities(NOW - 30 * DAY, NOW + 1, now=NOW))[::-1]
    gone = [r for r in rows if r["customer_identifiers"] and cio_id(r) not in there]
    assert {"profile_delete", "attribute_change"} < {row["type"] for row in gone}
    for row in rows:
        if row in gone:
            assert (row["customer_id"], row["customer_identifiers"].keys()) == (None, {"cio_id"})
        elif row["customer_identifiers"]:
            assert row["customer_identifiers"].keys() >= {"cio_id", "email"}
    assert api.rows(LOG, "activities", limit=100, deleted="true") == rows


def test_entries_about_deleted_people_may_require_a_filter() -> None:
    behaviours = Behaviours(hides_deleted=True)
    sandbox = Sandbox(WORKSPACE, clock=Clock(NOW), behaviours=behaviours, requests_per_second=None)
    with sandbox, calling(sandbox) as api:
        every = api.rows(LOG, "activities", limit=100, deleted="true")
        some = api.rows(LOG, "activities", limit=100)
        assert api.rows(LOG, "activities", type="profile_delete") == []
    there = people(NOW)
    assert every == list(WORKSPACE.activities(NOW - 30 * DAY, NOW + 1, now=NOW))[::-1]
    assert some == [r for r in every if not r["customer_identifiers"] or cio_id(r) in there]
    assert len(some) < len(every)


def test_deleted_people_are_found_nowhere(api: Caller) -> None:
    gone = next(p for c, p in people(SINCE).items() if c not in people(NOW) and "id" in p)
    names = gone["identifiers"]
    for kind in ("cio_id", "id"):
        found = api.post("/v1/customers/attributes", {"ids": [names[kind]]}, id_type=kind)
        assert found.json() == {"customers": []}
        assert api.get(f"/v1/customers/{names[kind]}/segments", id_type=kind).status_code == 404
    for segment in WORKSPACE.segments(NOW):
        path = f"/v1/segments/{segment['id']}/membership"
        members = api.json(path, limit=30_000)["identifiers"] or []
        assert names["cio_id"] not in {member["cio_id"] for member in members}
    assert names["cio_id"] not in {r["cio_id"] for r in WORKSPACE.opt_outs(NOW)}


def test_the_search_finds_current_people(api: Caller) -> None:
    found, start = [], ""
    while True:
        query = {"start": start} if start else {}
        body = api.post("/v1/customers", EVERYONE, limit=100, **query).json()
        assert 0 < len(body["identifiers"]) <= 100
        found += body["identifiers"]
        start = body["next"]
        if not start:
            break
    assert found == [person["identifiers"] for person in people(NOW).values()]
    plan = {"filter": {"attribute": {"field": "plan", "operator": "eq", "value": "team"}}}
    body = api.post("/v1/customers", plan, limit=1000).json()
    team = [p["identifiers"] for p in people(NOW).values() if p["attributes"]["plan"] == "team"]
    assert body["identifiers"] == team


def test_no_one_is_skipped_when_others_leave_between_two_pages() -> None:
    clock = Clock(SINCE + 10 * DAY)
    with Sandbox(WORKSPACE, clock=clock) as sandbox, calling(sandbox) as api:
        first = api.post("/v1/customers", EVERYONE, limit=300).json()
        clock.advance(5 * DAY)
        rest = api.post("/v1/customers", EVERYONE, limit=1000, start=first["next"]).json()
    seen = {name["cio_id"] for name in first["identifiers"] + rest["identifiers"]}
    assert people(SINCE + 15 * DAY).keys() <= seen


def test_deliveries_go_to_existing_people_and_keep_their_ids_until_merged() -> None:
    early, late = (list(WORKSPACE.deliveries(SINCE, NOW, now=now)) for now in (NOW, HALF_A_YEAR))
    names = [[row["customer_identifiers"] for row in rows] for rows in (early, late)]
    moved = [(old, new) for old, new in zip(*names, strict=True) if old != new]
    assert 0 < len(moved) < len(early) / 4
    stayed = people(HALF_A_YEAR).keys()
    for old, new in moved:
        assert old["cio_id"] != new["cio_id"]
        assert old["cio_id"] not in stayed
    assert [row["recipient"] for row in early] == [row["recipient"] for row in late]
    for row in early[::20]:
        if row["customer_identifiers"]:
            assert row["customer_identifiers"] == person(row, row["created"])["identifiers"]


MIRRORS: dict[str, Callable[[float], set[str]]] = {
    "opt_outs": lambda now: {row["cio_id"] for row in WORKSPACE.opt_outs(now)},
    "members": lambda now: {row["cio_id"] for row in WORKSPACE.members(3, now)},
    "bounces": lambda now: {row["email"] for row in WORKSPACE.suppressions("bounces", now)},
    "related": lambda now: {
        row["cio_id"] for row in WORKSPACE.object_relationships(1, "acme/0", now)
    },
}


@pytest.mark.parametrize("mirror", MIRRORS)
def test_rows_of_mirrors_come_and_go(mirror: str) -> None:
    read = MIRRORS[mirror]
    there = people(NOW).keys()
    before, after = read(SINCE), read(NOW)
    assert len(after) > len(before) / 2
    assert after - before
    assert before - after
    if mirror != "bounces":
        assert {row.removeprefix("cio_") for row in before - after} & there


def test_mirrors_show_the_current_state(api: Caller) -> None:
    assert api.rows("/v1/optouts", "optouts", limit=7) == WORKSPACE.opt_outs(NOW)
    body = api.json("/v1/segments/3/membership", limit=30_000)
    assert body["identifiers"] == list(WORKSPACE.members(3, NOW))
    assert api.json("/v1/segments/3/customer_count")["count"] == len(body["identifiers"])
    listed = api.json("/v1/esp/suppression/bounces", limit=1000)["suppressions"]
    assert listed == WORKSPACE.suppressions("bounces", NOW)
    assert len({row["email"] for row in listed}) == len(listed)
    path = "/v1/objects/1/acme%2F0/relationships"
    related = [row["identifiers"] for row in api.rows(path, "cio_relationships")]
    assert related == WORKSPACE.object_relationships(1, "acme/0", NOW)


def test_relations_are_the_same_in_both_directions() -> None:
    one = {
        (thing["identifiers"]["object_id"], person["cio_id"])
        for kind in ("1", "2")
        for thing in WORKSPACE.objects(kind)
        for person in WORKSPACE.object_relationships(kind, thing["identifiers"]["object_id"], NOW)
    }
    other = {
        (thing["identifiers"]["object_id"], WORKSPACE.people.name(number, NOW).cio_id)
        for number in WORKSPACE.people.numbers(NOW)
        for thing in WORKSPACE.relationships(number, NOW)
    }
    assert one == other != set()


def test_preferences_follow_the_profile() -> None:
    for number in WORKSPACE.people.numbers(NOW):
        chosen, profile = WORKSPACE.preferences(number, NOW), WORKSPACE.people.profile(number, NOW)
        computed = profile["attributes"]["_cio_subscription_preferences_computed"]
        assert chosen["topics"][0]["subscribed"] == ("true" in computed)
        assert chosen["unsubscribed"] == profile["unsubscribed"]


@pytest.mark.slow
def test_the_log_may_report_changes_hours_later() -> None:
    lag = 6 * 3600
    late = changing(log_lag=lag)
    assert people(NOW, late) == people(NOW)
    kinds = ("attribute_change", "profile_create", "profile_delete", "profile_merge")
    for kind in kinds:
        logged = happened(SINCE, NOW, kind, late)
        in_time = happened(SINCE, NOW, kind)
        assert 0 <= len(in_time) - len(logged) < 10
        lags = [arrived(row) - row["timestamp"] for row in logged]
        assert all(0 <= one < lag for one in lags)
        assert max(lags) > lag / 2
        assert sum(one < 3600 for one in lags) > len(lags) / 2
        times = [(row["timestamp"], row["data"]) for row in logged]
        assert all((row["timestamp"], row["data"]) in times for row in in_time[:-10])
