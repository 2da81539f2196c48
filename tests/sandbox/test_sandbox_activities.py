"""The activity log: newest first by arrival, for thirty days."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from time import perf_counter
from typing import Any

import pytest
from sandbox.sandbox_caller import DAY, SINCE, Caller, calling, token

from tap_customerio.sandbox import Clock, Sandbox, Workspace

NOW = SINCE + 50 * DAY + 40_000
HOUR = 3600
PATH = "/v1/activities"
WORKSPACE = Workspace(per_day=150)
ALL = list(WORKSPACE.activities(SINCE, NOW + 1, now=NOW))
KEPT = list(WORKSPACE.activities(NOW - 30 * DAY, NOW + 1, now=NOW))
GONE = "dead"

Rows = list[dict[str, Any]]


def read(api: Caller, **query: object) -> Rows:
    """The rows of all pages."""
    return api.rows(PATH, "activities", limit=100, **query)


def arrived(row: dict[str, Any]) -> int:
    """The time in a row's id, at which it arrived."""
    letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    number = 0
    for letter in row["id"][:10]:
        number = number * 32 + letters.index(letter)
    return number // 1000


def cio_id(row: dict[str, Any]) -> str:
    """The person of a row, if any."""
    return str((row["customer_identifiers"] or {}).get("cio_id", ""))


def test_the_newest_come_first_for_thirty_days(api: Caller) -> None:
    rows = read(api)
    assert rows == KEPT[::-1]
    assert len(KEPT) < len(ALL)
    assert all(a >= b for a, b in pairwise(map(arrived, rows)))
    assert arrived(rows[-1]) >= NOW - 30 * DAY


def test_pages_have_10_rows_by_default_and_100_at_most(api: Caller) -> None:
    assert len(api.json(PATH)["activities"]) == 10
    assert len(api.json(PATH, limit=101)["activities"]) == 100


def test_the_last_page_has_an_empty_next_even_if_it_is_full(api: Caller) -> None:
    pages = api.pages(PATH, "activities", limit=100)
    assert all(len(page) == 100 for page in pages[:-1])
    assert 0 < len(pages[-1]) <= 100
    only = api.json(PATH, limit=2, type="profile_delete", customer_id="nobody")
    assert only == {"activities": [], "next": ""}
    deleted = [row for row in KEPT if row["type"] == "profile_delete"]
    body = api.json(PATH, limit=len(deleted), type="profile_delete")
    assert (len(body["activities"]), body["next"]) == (len(deleted), "")


def test_page_tokens_are_long_numbers_and_others_are_rejected(api: Caller) -> None:
    start = api.json(PATH)["next"]
    assert len(start) == 18
    assert start.isdecimal()
    for wrong in ("nonsense", "12", token("0:1"), f"8{start[1:]}"):
        assert api.get(PATH, start=wrong).status_code == 400
    assert api.json(PATH, start="900000000000000000") == {"activities": [], "next": ""}
    assert api.json(PATH, start="900000000000009999") == api.json(PATH)


def test_arrivals_between_two_pages_do_not_move_the_second() -> None:
    clock = Clock(NOW)
    with Sandbox(WORKSPACE, clock=clock) as sandbox, calling(sandbox) as api:
        first = api.json(PATH, limit=20)
        clock.advance(DAY)
        assert api.json(PATH, limit=20)["activities"] != first["activities"]
        second = api.json(PATH, limit=20, start=first["next"])
    assert first["activities"] + second["activities"] == KEPT[:-41:-1]


def test_the_number_of_activities_a_day_is_configurable() -> None:
    assert len(ALL) == pytest.approx(40 * 50, rel=0.1)
    busy = Workspace(per_day=150, activities_per_day=2000)
    assert len(list(busy.activities(SINCE, SINCE + DAY, now=NOW))) == pytest.approx(2000, rel=0.25)
    none = Workspace(per_day=10, activities_per_day=0)
    assert not list(none.activities(SINCE, NOW, now=NOW))


def test_a_page_of_a_busy_log_is_quick() -> None:
    sandbox = Sandbox(Workspace(activities_per_day=5000), clock=Clock(NOW))
    with sandbox, calling(sandbox) as api:
        api.json(PATH, limit=100)
        began = perf_counter()
        api.json(PATH, limit=100)
        assert perf_counter() - began < 0.1


def test_activities_are_reproducible() -> None:
    start = NOW - 3 * DAY
    rows = list(WORKSPACE.activities(start, start + DAY, now=NOW))
    assert rows == list(Workspace(per_day=150).activities(start, start + DAY, now=NOW + DAY))
    assert all(start <= arrived(row) < start + DAY for row in rows)
    until = arrived(rows[5])
    assert list(WORKSPACE.activities(start, start + DAY, now=until - 1)) == [
        row for row in rows if arrived(row) < until
    ]


def test_ids_are_unique_and_look_like_ulids() -> None:
    assert len({row["id"] for row in ALL}) == len(ALL)
    assert {len(row["id"]) for row in ALL} == {26}


def test_some_happened_up_to_twenty_hours_before_they_arrived() -> None:
    lags = sorted(arrived(row) - row["timestamp"] for row in ALL)
    assert 10 * HOUR < lags[-1] <= 20 * HOUR
    assert 0.02 < sum(lag > HOUR for lag in lags) / len(lags) < 0.3
    assert sum(lag == 0 for lag in lags) > len(lags) / 2
    late = {row["type"] for row in ALL if arrived(row) - row["timestamp"] > 10 * HOUR}
    assert {"event", "page", "screen"} < late


@pytest.mark.slow
def test_some_activities_are_dated_in_the_future() -> None:
    busy = Workspace(per_day=150, activities_per_day=800)
    rows = list(busy.activities(SINCE, SINCE + 12 * DAY, now=NOW))
    ahead = [row["timestamp"] - arrived(row) for row in rows if row["timestamp"] > arrived(row)]
    assert 0 < len(ahead) < len(rows) / 100
    assert max(ahead) < HOUR


def test_every_type_occurs() -> None:
    kinds = {row["type"] for row in ALL}
    assert kinds >= {
        "event", "page", "screen", "attribute_change", "profile_delete", "_o:1:attribute_change",
        "sent_email", "delivered_email", "opened_email", "clicked_email", "sent_push",
    }  # fmt: skip
    keys = {frozenset(row) - {"delivery_type"} for row in ALL}
    common = {"id", "type", "timestamp", "customer_id", "customer_identifiers", "data"}
    assert keys == {
        frozenset(common | extra)
        for extra in (set(), {"name"}, {"url"}, {"delivery_id"})
    }  # fmt: skip
    assert {row["type"] for row in ALL if row["data"] is None} == {"screen"}


def test_activities_of_messages_belong_to_existing_deliveries() -> None:
    deliveries = {row["id"]: row for row in WORKSPACE.deliveries(SINCE - DAY, NOW, now=NOW)}
    about = [row for row in ALL if "delivery_id" in row]
    assert len(about) > len(ALL) / 5
    for row in about:
        delivery = deliveries[row["delivery_id"]]
        state, channel = row["type"].split("_", 1)
        assert channel == delivery["type"]
        assert state in delivery["metrics"]
        assert row["data"] == {
            "delivery_id": delivery["id"],
            state: row["timestamp"],
            **({"ip_address": "192.0.2.10"} if state in {"opened", "clicked"} else {}),
        }
        assert row["customer_id"] == delivery["customer_id"]
        assert delivery["created"] <= row["timestamp"]


def test_people_are_named_without_their_own_id_except_in_attribute_changes() -> None:
    names = {p["identifiers"]["cio_id"]: p["identifiers"] for p in WORKSPACE.everyone(NOW)}
    known = [row for row in ALL if cio_id(row) in names]
    for row in known:
        assert row["customer_identifiers"].items() <= names[cio_id(row)].items()
        assert ("id" in row["customer_identifiers"]) == (row["type"] == "attribute_change")
        assert row["customer_id"] == names[cio_id(row)]["id"]
    assert len(known) > len(ALL) / 2


def test_some_are_about_deleted_people_and_some_about_no_one() -> None:
    names = {person["identifiers"]["cio_id"] for person in WORKSPACE.everyone(NOW)}
    gone = [row for row in ALL if cio_id(row) and cio_id(row) not in names]
    assert all(cio_id(row).startswith(GONE) and row["customer_id"] is None for row in gone)
    kinds = Counter(row["type"] for row in gone)
    assert kinds["profile_delete"] > 0
    assert kinds["event"] > 0
    anonymous = {row["type"] for row in ALL if row["customer_identifiers"] is None}
    assert {"page", "_o:1:attribute_change"} <= anonymous


@pytest.mark.slow
def test_the_log_can_be_filtered_by_type_and_name(api: Caller) -> None:
    for kind in ("event", "profile_delete", "opened_email", "no_such_type"):
        assert read(api, type=kind) == [row for row in KEPT[::-1] if row["type"] == kind]
    named = read(api, name="order_placed")
    assert named == [row for row in KEPT[::-1] if row.get("name") == "order_placed"]
    changed = [row for row in KEPT[::-1] if row["type"] == "attribute_change"]
    assert named
    assert read(api, name="plan") == changed
    assert read(api, name="total") == []


def test_the_filter_for_deleted_people_changes_nothing(api: Caller) -> None:
    assert api.json(PATH, deleted="true") == api.json(PATH, deleted="false") == api.json(PATH)


def test_the_log_can_be_filtered_by_person(api: Caller) -> None:
    row = next(row for row in KEPT if row["customer_id"] and row["customer_identifiers"]["email"])
    own = [other for other in KEPT[::-1] if cio_id(other) == cio_id(row)]
    email = row["customer_identifiers"]["email"]
    assert read(api, customer_id=row["customer_id"]) == own
    assert read(api, customer_id=email, id_type="email") == own
    assert read(api, customer_id=f"cio_{cio_id(row)}", id_type="cio_id") == own
    assert read(api, customer_id=cio_id(row), id_type="cio_id") == []
    assert read(api, customer_id="nobody") == []
    assert api.get(PATH, customer_id="1", id_type="phone").status_code == 400


def test_the_log_of_a_deleted_person_can_be_read(api: Caller) -> None:
    row = next(row for row in KEPT if cio_id(row).startswith(GONE))
    found = read(api, customer_id=f"cio_{cio_id(row)}", id_type="cio_id")
    assert row in found
