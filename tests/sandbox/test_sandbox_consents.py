"""Consents of people, and lists of suppressed addresses."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from sandbox.sandbox_caller import DAY, SINCE, Caller, calling, token

from tap_customerio.sandbox import Clock, Sandbox, Workspace

NOW = SINCE + 20 * DAY
WORKSPACE = Workspace(per_day=10)
PEOPLE = {p["identifiers"]["cio_id"]: p for p in WORKSPACE.everyone(NOW)}
OPTED_OUT = WORKSPACE.opt_outs(NOW)
ESP = "/v1/esp/suppression"
DOMAINS = ("mail.example.org", "news.example.org")
KINDS = ("bounces", "blocks", "spam_reports", "invalid_emails")

Rows = list[dict[str, Any]]


def preferences(api: Caller, **query: object) -> Any:
    """The preferences of a person."""
    path = f"/v1/customers/{query.pop('person', 'u-1')}/subscription_preferences"
    return api.json(path, **query)["customer"]


def emails(body: dict[str, Any]) -> list[str]:
    """The addresses in a response."""
    return [row["email"] for row in body["suppressions"] or ()]


def test_the_last_page_of_opt_outs_has_no_next(api: Caller) -> None:
    pages = api.pages("/v1/optouts", "optouts", limit=20)
    assert [row for page in pages for row in page] == OPTED_OUT
    last = api.json("/v1/optouts", start=token(str(len(OPTED_OUT) - 5)))
    assert last == {"optouts": OPTED_OUT[-5:]}
    assert list(api.json("/v1/optouts", limit=len(OPTED_OUT))) == ["optouts"]
    assert api.json("/v1/optouts", start=token("999")) == {"optouts": []}


def test_pages_of_opt_outs_have_100_rows_by_default_and_1000_at_most() -> None:
    sandbox = Sandbox(Workspace(per_day=5, people=45_000), clock=Clock(SINCE))
    with sandbox, calling(sandbox) as api:
        assert len(api.json("/v1/optouts")["optouts"]) == 100
        assert len(api.json("/v1/optouts", limit=100_000)["optouts"]) == 1000


def test_malformed_page_tokens_of_opt_outs_are_rejected(api: Caller) -> None:
    for start in ("notbase64!!", token("0:1")):
        assert api.get("/v1/optouts", start=start).status_code == 400


def test_opt_outs_name_people_with_a_prefix() -> None:
    for row in OPTED_OUT:
        assert row["cio_id"].startswith("cio_")
        person = PEOPLE[row["cio_id"].removeprefix("cio_")]
        assert row["customer_id"] == person["identifiers"]["id"]
    assert len({row["cio_id"] for row in OPTED_OUT}) == len(OPTED_OUT) > 40
    assert any(row["customer_id"] is None for row in OPTED_OUT)
    assert {len(row["optouts"]) for row in OPTED_OUT} == {1, 2}


def test_opt_outs_can_be_filtered_by_sender(api: Caller) -> None:
    named = api.rows("/v1/optouts", "optouts", **{"from": "ACME"})
    assert named == [row for row in OPTED_OUT if len(row["optouts"]) == 2]
    numbered = api.rows("/v1/optouts", "optouts", **{"from": "+15550100001"})
    assert numbered == OPTED_OUT


def test_opt_outs_of_a_person_match_the_list(api: Caller) -> None:
    row = OPTED_OUT[0]
    path = f"/v1/customers/{row['cio_id'].removeprefix('cio_')}/optouts"
    assert api.json(path, id_type="cio_id") == {"optouts": row["optouts"]}
    assert api.json("/v1/customers/u-1/optouts") == {"optouts": []}


def test_topics_and_channels_have_separate_keys(api: Caller) -> None:
    topics, channels = WORKSPACE.subscription_topics(), WORKSPACE.subscription_channels()
    assert api.json("/v1/subscription_topics", limit=1) == {"topics": topics}
    assert api.json("/v1/subscription_channels", limit=1) == {"channels": channels}
    assert [row["identifier"] for row in topics] == [f"topic_{row['id']}" for row in topics]
    assert {row["subscribed_by_default"] for row in topics} == {True, False}
    assert None in [row["description"] for row in channels]


def test_preferences_match_the_profile(api: Caller) -> None:
    names = [row["name"] for row in WORKSPACE.subscription_topics()]
    chosen = set()
    for cio_id, person in list(PEOPLE.items())[:60]:
        found = preferences(api, person=cio_id, id_type="cio_id")
        assert found["identifiers"] == person["identifiers"]
        assert found["unsubscribed"] == person["unsubscribed"]
        computed = json.loads(person["attributes"]["_cio_subscription_preferences_computed"])
        assert found["topics"][0]["subscribed"] == computed["topics"]["topic_1"]
        assert [topic["name"] for topic in found["topics"]] == names
        chosen |= {(topic["id"], topic["subscribed"]) for topic in found["topics"][1:]}
    assert chosen == {(topic, value) for topic in "234" for value in (True, False)}


def test_preferences_come_in_the_requested_language(api: Caller) -> None:
    english = preferences(api)
    assert preferences(api, language="fi")["header"] != english["header"]
    assert preferences(api, language="xx") == english


@pytest.mark.parametrize(
    "what", ["segments", "relationships", "subscription_preferences", "optouts"]
)
def test_people_are_found_by_any_identifier_or_not_at_all(api: Caller, what: str) -> None:
    person = next(p for p in PEOPLE.values() if "+" in (p["identifiers"]["email"] or ""))
    names = person["identifiers"]
    by_id = api.json(f"/v1/customers/{names['id']}/{what}")
    assert api.json(f"/v1/customers/{quote(names['email'])}/{what}", id_type="email") == by_id
    assert api.json(f"/v1/customers/{names['cio_id']}/{what}", id_type="cio_id") == by_id
    assert api.get(f"/v1/customers/{names['email']}/{what}", id_type="email").status_code == 404
    for path, query in (("nobody", {}), (names["cio_id"], {}), (names["id"], {"id_type": "email"})):
        assert api.get(f"/v1/customers/{path}/{what}", **query).status_code == 404
    assert api.get(f"/v1/customers/{names['id']}/{what}", id_type="phone").status_code == 400


def test_segments_of_a_person_match_their_memberships(api: Caller) -> None:
    members = {row["id"]: {m["cio_id"] for m in WORKSPACE.members(row["id"], NOW)} for row in
               WORKSPACE.segments(NOW)}  # fmt: skip
    for cio_id in list(PEOPLE)[:40]:
        rows = api.json(f"/v1/customers/{cio_id}/segments", id_type="cio_id")["segments"]
        assert {row["id"] for row in rows} == {s for s, those in members.items() if cio_id in those}
        assert all(row.keys() == {"id", "name", "description"} for row in rows)


@pytest.mark.parametrize("kind", ["bounce", "unsubscribes", "spam", "suppressions"])
def test_four_reasons_are_accepted_only_as_plurals(api: Caller, kind: str) -> None:
    for path in (f"{ESP}/{kind}", f"/v1/esp/domains/{DOMAINS[0]}/suppression/{kind}"):
        response = api.get(path)
        error = {"detail": "type is invalid", "status": "400"}
        assert (response.status_code, response.json()) == (400, {"errors": [error]})


@pytest.mark.parametrize("kind", KINDS)
def test_suppressed_addresses_come_by_offset_in_alphabetical_order(api: Caller, kind: str) -> None:
    listed = [row["email"] for row in WORKSPACE.suppressions(kind, NOW)]
    assert listed == sorted(set(listed))
    found: list[str] = []
    while page := emails(api.json(f"{ESP}/{kind}", limit=50, offset=len(found))):
        found += page
    assert found == listed


def test_the_end_of_suppressed_addresses_is_null(api: Caller) -> None:
    nothing = {"suppressions": None}
    assert api.json(f"{ESP}/invalid_emails") == nothing
    assert api.json(f"{ESP}/bounces", offset=99_999) == nothing
    assert api.json(f"{ESP}/bounces", domain="other.example.org") == nothing
    assert api.json(f"{ESP}/bounces", offset=-1) == api.json(f"{ESP}/bounces", start="MQ==")


def test_pages_of_suppressed_addresses_have_100_rows_by_default(api: Caller) -> None:
    assert len(WORKSPACE.suppressions("bounces", NOW)) == 130
    assert len(emails(api.json(f"{ESP}/bounces"))) == 100
    assert len(emails(api.json(f"{ESP}/bounces", limit=100_000))) == 130


def test_only_two_categories_are_accepted(api: Caller) -> None:
    categories = {kind: api.json(f"{ESP}/{kind}").get("category") for kind in KINDS}
    assert categories == {
        "bounces": "bounces",
        "blocks": "bounces",
        "spam_reports": "spam",
        "invalid_emails": None,
    }


def test_suppressed_addresses_of_a_domain_are_some_of_all(api: Caller) -> None:
    whole = WORKSPACE.suppressions("bounces", NOW)
    for domain in DOMAINS:
        listed = WORKSPACE.suppressions("bounces", NOW, domain)
        assert api.json(f"{ESP}/bounces", domain=domain, limit=1000)["suppressions"] == listed
        path = f"/v1/esp/domains/{domain}/suppression/bounces"
        assert api.rows(path, "suppressions", limit=20) == listed
        assert all(row in whole for row in listed)
        full = api.json(path, limit=len(listed))
        assert (full["category"], full["next"]) == ("bounces", "")
    assert 0 < len(WORKSPACE.suppressions("bounces", NOW, DOMAINS[1])) < len(whole)


def test_addresses_of_a_domain_can_be_looked_up(api: Caller) -> None:
    path = f"/v1/esp/domains/{DOMAINS[0]}/suppression/bounces"
    row = next(row for row in WORKSPACE.suppressions("bounces", NOW) if "+" in row["email"])
    assert api.json(path, email=row["email"]) == {"category": "bounces", "suppressions": [row]}
    assert api.json(path, email="nobody@example.org") == {"suppressions": None}


def test_missing_domains_are_not_found(api: Caller) -> None:
    response = api.get("/v1/esp/domains/mail.example.com/suppression/bounces")
    assert (response.status_code, response.json()["errors"][0]["status"]) == (404, "404")
    for path in ("/v1/esp", ESP, "/v1/esp/domains"):
        assert api.get(path).text == "404 page not found"


def test_some_suppressed_addresses_belong_to_people_and_some_to_no_one() -> None:
    known = {person["identifiers"]["email"] for person in PEOPLE.values()}
    rows = WORKSPACE.suppressions("bounces", NOW)
    ours = [row for row in rows if row["email"] in known]
    assert len(rows) / 2 < len(ours) < len(rows)
    assert all(row["status"] == "550" and row["created"] < SINCE for row in rows)
    assert all(row["email"] in row["reason"] for row in rows)
    few = Workspace(per_day=5, people=3).suppressions("bounces", NOW)
    names = {p["identifiers"]["email"] for p in Workspace(people=3).everyone(SINCE)}
    assert sum(row["email"].endswith("@example.org") for row in few) <= len(names)
