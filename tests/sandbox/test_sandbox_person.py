"""The data of one person in the API."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from sandbox.sandbox_caller import DAY, SINCE, Caller, calling

from tap_customerio.sandbox import Behaviours, Clock, Sandbox, Workspace

NOW = SINCE + 200 * DAY
WORKSPACE = Workspace(per_day=40, people=60)
PERSON: dict[str, Any] = next(
    p for p in WORKSPACE.everyone(SINCE) if "+" in (p["identifiers"]["email"] or "") and "id" in p
)
NAMES = PERSON["identifiers"]
ESP = "/v1/esp/search_suppression"


def test_people_are_looked_up_by_address(api: Caller) -> None:
    assert api.json("/v1/customers", email=NAMES["email"]) == {"results": [NAMES]}
    assert api.json("/v1/customers", email=NAMES["email"].upper()) == {"results": [NAMES]}
    assert api.json("/v1/customers", email="nobody@example.org") == {"results": None}
    assert api.get("/v1/customers").status_code == 400
    assert api.get("/v1/customers", email="").status_code == 400


def test_an_unencoded_plus_sign_finds_no_one(api: Caller) -> None:
    url = f"{api.sandbox.url}/v1/customers?email={NAMES['email']}"
    response = api.session.get(url, timeout=10)
    assert (response.status_code, response.json()) == (200, {"results": None})


def test_the_profile_of_one_person_has_an_envelope(api: Caller) -> None:
    path = f"/v1/customers/{NAMES['cio_id']}/attributes"
    assert api.json(path, id_type="cio_id") == {"customer": PERSON}
    path = f"/v1/customers/{quote(NAMES['email'])}/attributes"
    assert api.json(path, id_type="email") == {"customer": PERSON}
    assert api.get("/v1/customers/nobody/attributes").status_code == 404


@pytest.mark.slow
def test_messages_of_a_person_match_the_list(api: Caller) -> None:
    path = f"/v1/customers/{NAMES['id']}/messages"
    start = NOW - 183 * DAY
    own = [
        row
        for row in WORKSPACE.deliveries(start, NOW + 1, now=NOW)
        if row["customer_id"] == NAMES["id"]
    ][::-1]
    assert len(own) > 60
    assert api.rows(path, "messages") == own
    assert len(api.json(path)["messages"]) == 50
    assert "next" not in api.json(path, limit=len(own))
    week = {"start_ts": NOW - 60 * DAY, "end_ts": NOW - 30 * DAY}
    some = [row for row in own if week["start_ts"] <= row["created"] <= week["end_ts"]]
    assert api.rows(path, "messages", **week) == some != []
    long_ago = {"start_ts": SINCE, "end_ts": start - 1}
    assert api.rows(path, "messages", **long_ago)
    assert api.json(path, start_ts=1, end_ts=2) == {"messages": []}


def test_activities_of_a_person_match_the_log(api: Caller) -> None:
    path = f"/v1/customers/{NAMES['id']}/activities"
    prefixed = {"customer_id": f"cio_{NAMES['cio_id']}", "id_type": "cio_id"}
    own = api.rows("/v1/activities", "activities", limit=100, **prefixed)
    assert own
    assert api.rows(path, "activities", limit=3) == own
    assert api.json(path)["next"] == "" or len(own) > 10
    kind = own[0]["type"]
    some = [row for row in own if row["type"] == kind]
    assert api.rows(path, "activities", type=kind) == some
    # The person in the query has no effect: the path decides.
    assert api.rows(path, "activities", customer_id="u-1") == own


@pytest.mark.parametrize("what", ["attributes", "messages", "activities"])
def test_missing_people_are_not_found(api: Caller, what: str) -> None:
    for person, kind in (("nobody", "id"), (NAMES["cio_id"], "id"), (NAMES["id"], "email")):
        assert api.get(f"/v1/customers/{person}/{what}", id_type=kind).status_code == 404
    assert api.get(f"/v1/customers/{NAMES['id']}/{what}", id_type="phone").status_code == 400


@pytest.mark.parametrize("is_prefixed", [False, True])
def test_paths_may_require_permanent_ids_with_their_prefix(*, is_prefixed: bool) -> None:
    behaviours = Behaviours(prefixed_paths=is_prefixed)
    sandbox = Sandbox(WORKSPACE, clock=Clock(NOW), behaviours=behaviours)
    with sandbox, calling(sandbox) as api:
        statuses = [
            api.get(f"/v1/customers/{prefix}{NAMES['cio_id']}/attributes", id_type="cio_id")
            for prefix in ("", "cio_")
        ]
    assert [response.status_code for response in statuses] == (
        [404, 200] if is_prefixed else [200, 404]
    )


def test_an_address_can_be_looked_up_in_all_lists_at_once(api: Caller) -> None:
    lists = {k: WORKSPACE.suppressions(k, NOW) for k in ("bounces", "blocks", "spam_reports")}
    everywhere = {row["email"] for row in lists["bounces"]}.intersection(
        *({row["email"] for row in rows} for rows in lists.values())
    )
    email = next(iter(everywhere))
    rows = [row for rows in lists.values() for row in rows if row["email"] == email]
    assert len(rows) == 3
    response = api.json(f"{ESP}/{quote(email)}")
    assert response == {"category": "bounces", "suppressions": rows}
    assert api.json(f"{ESP}/{quote(email.upper())}") == response
    assert api.json(f"{ESP}/nobody%40example.org") == {"suppressions": None}


def test_the_account_may_have_other_workspaces() -> None:
    workspace = Workspace(per_day=5, people=5, siblings=[1002, 1003])
    with Sandbox(workspace, clock=Clock(NOW)) as sandbox, calling(sandbox) as api:
        rows = api.json("/v1/workspaces")["workspaces"]
    assert [row["id"] for row in rows] == [1001, 1002, 1003]
    assert len({frozenset(row) for row in rows}) == 1
