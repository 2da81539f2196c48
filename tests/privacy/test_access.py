"""access: the data of a person, as a package to hand over."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import TYPE_CHECKING

import jsonschema
import pytest
from harness import NOW
from page_words import Words
from privacy_case import schema

from tap_customerio.sandbox import Behaviours
from tap_customerio.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from privacy_case import PrivacyCase


def test_the_package_contains_all_data_of_a_person(case: PrivacyCase) -> None:
    names, space = case.known(), case.box.workspace
    screen = case.ask("access", "--email", names["email"].upper())
    assert screen.code == 0
    report = case.read("report.json")
    [held] = report["people"]
    profile = space.find("cio_id", names["cio_id"], NOW)
    assert profile is not None
    for part in ("identifiers", "attributes", "timestamps", "unsubscribed", "devices"):
        assert held[part] == profile[part]
    sent = space.deliveries(NOW - 500 * DAY, NOW + 1, now=NOW)
    assert held["messages"] == [row for row in sent if row["customer_id"] == names["id"]][::-1]
    assert len(held["messages"]) > 2
    about = {row["customer_identifiers"]["cio_id"] for row in held["activities"]}
    assert about == {names["cio_id"]}
    assert held["segments"][0].keys() == {"id", "name", "description"}
    assert held["subscription_preferences"]["topics"]
    assert isinstance(held["relationships"], list)
    assert isinstance(held["opt_outs"], list)
    assert report["not_read"] == []


def test_the_manifest_counts_and_seals_the_files_and_names_no_one(case: PrivacyCase) -> None:
    names = case.known()
    case.ask("access", "--id", names["id"])
    manifest, report = case.read("manifest.json"), case.read("report.json")
    [held] = report["people"]
    assert manifest["counts"]["people"] == 1
    for part in ("attributes", "devices", "segments", "messages", "activities", "relationships"):
        assert manifest["counts"][part] == len(held[part])
    for file in manifest["files"]:
        content = (case.folder / "out" / file["name"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["bytes"] == len(content)
    assert {file["name"] for file in manifest["files"]} == {"report.json", "report.html"}
    key = bytes.fromhex((case.folder / "out" / "evidence.key").read_text())
    wanted = hmac.digest(key, f"id:{names['id']}".encode(), "sha256").hex()
    assert manifest["request"] == {"type": "id", "hash": wanted}
    assert names["cio_id"] not in json.dumps(manifest)
    assert case.modes() == {"d700", "f600"}


@pytest.mark.slow
def test_files_are_as_documented(case: PrivacyCase) -> None:
    case.ask("access", "--email", case.known()["email"])
    case.erase("--email", case.known()["email"], to="out/erased")
    for place, name in (("", "report.json"), ("", "manifest.json"), ("erased", "evidence.json")):
        documented = schema(name)
        jsonschema.Draft202012Validator.check_schema(documented)
        validator = jsonschema.Draft202012Validator(documented)
        found = case.read(*filter(None, (place, name)))
        validator.validate(found)
        assert found.keys() == set(documented["required"])


@pytest.mark.slow
def test_the_terminal_names_no_one(case: PrivacyCase) -> None:
    names = case.known()
    screen = case.ask("access", "--email", names["email"])
    assert names["email"] not in screen.out + screen.err
    assert f"id {names['id']}" not in screen.out
    assert f"cio_id {names['cio_id']}, id u***, email {names['email'][0]}***@***.org" in screen.out


@pytest.mark.slow
@pytest.mark.parametrize("form", ["email", "EMAIL", "id", "cio_id", "cio_", "phone"])
def test_people_are_found_by_every_identifier(
    open_case: Callable[..., PrivacyCase], form: str
) -> None:
    case = open_case({"identified_by": ["id", "email", "phone"]})
    cio_id = case.add(id="Größe/1", email="Zoë+tag@exämple.org", phone="+358401234567")
    words = {
        "email": ("--email", "Zoë+tag@exämple.org"),
        "EMAIL": ("--email", " ZOE\u0308+TAG@exämple.org"),
        "id": ("--id", "Größe/1"),
        "cio_id": ("--cio-id", cio_id),
        "cio_": ("--cio-id", f"cio_{cio_id}"),
        "phone": ("--phone", "+358 (40) 123-4567"),
    }
    assert case.ask("access", *words[form]).code == 0
    assert [held["cio_id"] for held in case.read("report.json")["people"]] == [cio_id]


def test_own_ids_are_case_sensitive(case: PrivacyCase) -> None:
    case.add(id="Ada")
    assert case.ask("access", "--id", "ada").code == 4


def test_an_identifier_type_not_in_use_is_reported(case: PrivacyCase) -> None:
    screen = case.ask("access", "--phone", "+358401234567")
    assert screen.code == 1
    assert "does not identify people by phone" in screen.out
    assert case.results()[0]["outcome"] == "failed"


@pytest.mark.slow
def test_all_people_with_an_address_are_listed(open_case: Callable[..., PrivacyCase]) -> None:
    case = open_case({"identified_by": ["id"]})
    made = [case.add(id=name, email="family@example.com") for name in ("mother", "father")]
    screen = case.ask("access", "--email", "family@example.com")
    assert screen.code == 0
    assert "2 people" in screen.out
    for cio_id, masked in zip(made, ("m***", "f***"), strict=True):
        assert f"cio_id {cio_id}, id {masked}" in screen.out
    assert [held["cio_id"] for held in case.read("report.json")["people"]] == made


@pytest.mark.slow
def test_an_id_that_looks_like_an_address_is_not_taken_for_one(case: PrivacyCase) -> None:
    by_id = case.add(id="ada@example.com", email="other@example.com")
    by_email = case.add(id="u-ada", email="ada@example.com")
    for option, meant, other in (("--email", by_email, by_id), ("--id", by_id, by_email)):
        screen = case.ask("access", option, "ada@example.com", to=f"out/{option}")
        [held] = case.read(option, "report.json")["people"]
        assert held["cio_id"] == meant
        assert f"not included, only similar: cio_id {other}" in screen.out


def test_merged_people_are_found_as_the_remaining_one(case: PrivacyCase) -> None:
    winner, loser = case.add(id="winner"), case.add(id="loser", email="lo@example.com")
    case.people_admin.merge(winner, loser, at=NOW)
    assert case.ask("access", "--cio-id", loser, to="out/loser").code == 4
    assert case.ask("access", "--cio-id", winner, to="out/winner").code == 0
    [held] = case.read("winner", "report.json")["people"]
    assert held["activities"][0]["type"] == "profile_merge"


@pytest.mark.slow
def test_messages_of_all_time_are_read(open_case: Callable[..., PrivacyCase]) -> None:
    case = open_case({"since": (NOW - 700 * DAY) // DAY * DAY, "per_day": 2, "people": 3})
    names = next(p["identifiers"] for p in case.box.workspace.everyone(NOW))
    case.ask("access", "--cio-id", names["cio_id"])
    dates = [row["created"] for row in case.read("report.json")["people"][0]["messages"]]
    sent = case.box.workspace.deliveries(NOW - 800 * DAY, NOW + 1, now=NOW)
    own = [r for r in sent if (r["customer_identifiers"] or {}).get("cio_id") == names["cio_id"]]
    assert len(dates) == len(own)
    assert dates == sorted(dates, reverse=True)
    assert dates[-1] < NOW - 600 * DAY


@pytest.mark.slow
@pytest.mark.parametrize("is_prefixed", [False, True])
def test_paths_are_encoded_as_the_api_requires(
    open_case: Callable[..., PrivacyCase], *, is_prefixed: bool
) -> None:
    case = open_case(behaviours=Behaviours(prefixed_paths=is_prefixed))
    assert case.ask("access", "--email", case.known()["email"]).code == 0
    assert case.read("report.json")["people"][0]["messages"]


def test_former_identifiers_are_in_the_report(case: PrivacyCase) -> None:
    person = case.add(id="old", email="old@example.com")
    case.people_admin.change(person, {"id": "new", "email": "new@example.com"}, at=NOW)
    words = ("--also-email", "older@example.com")
    case.ask("access", "--cio-id", person, *words)
    report = case.read("report.json")
    former = [(each["type"], each["value"]) for each in report["people"][0]["former_identifiers"]]
    assert sorted(former) == [("email", "old@example.com"), ("id", "old")]
    asked = {call.path.rpartition("/")[2] for call in case.box.calls if "/esp/" in call.path}
    assert asked == {"old@example.com", "new@example.com", "older@example.com"}
    assert "old@example.com" in (case.folder / "out" / "report.html").read_text()


def test_finding_no_one_is_a_result_too(case: PrivacyCase) -> None:
    space = case.box.workspace
    blocked = next(iter(space.suppressions("bounces", NOW)))["email"]
    case.people_admin.delete("email", blocked, at=NOW)
    screen = case.ask("access", "--email", blocked)
    assert screen.code == 4
    report = case.read("report.json")
    assert report["people"] == []
    assert {row["email"] for row in report["provider_suppressions"]} == {blocked}
    page = (case.folder / "out" / "report.html").read_text()
    assert "Profiles found: 0." in page
    assert "No profile in this workspace has this e-mail address. Only the e-mail" in page


def test_a_page_says_plainly_that_no_data_exists_and_who_is_responsible(case: PrivacyCase) -> None:
    asked = ("--email", "nobody@example.org", "--controller", "Example <Ltd>")
    assert case.ask("access", *asked).code == 4
    page = (case.folder / "out" / "report.html").read_text()
    assert "No personal data was found." in page
    assert "(controller): Example &lt;Ltd&gt;." in page


def test_the_page_contains_no_json_and_no_unix_seconds(case: PrivacyCase) -> None:
    assert case.ask("access", "--email", case.known()["email"]).code == 0
    page = Words((case.folder / "out" / "report.html").read_text()).text
    [held] = case.read("report.json")["people"]
    assert re.search(r"\b1\d{9}\b", json.dumps(held["attributes"]))
    assert not (found := re.search(r"(?s).{60}\b1\d{9}\b.{30}", page)), found[0]
    assert '{"' not in page
    empty = page.partition("of these kinds: ")[2].partition(".")[0]
    assert ("Opt-outs of text messages" in empty) == (held["opt_outs"] == [])
    assert "created" in page
    assert "sent on" not in page


def test_the_outcome_of_a_message_has_a_line_for_each_minute(case: PrivacyCase) -> None:
    cio_id = case.add(id="ada")
    opened = {"sent": 1774922708, "opened": 1774922895, "human_opened": 1774922895}
    clicked = {"clicked": 1774922896, "link:5": 1774922896, "human_link:5": 1774922896}
    row = {"id": "dg1", "created": NOW - 10, "type": "twilio", "metrics": {**opened, **clicked}}
    did = {"type": "clicked_sms", "timestamp": NOW - 9, "data": {"city": "Rome", "gift": None}}
    base = f"/v1/customers/{cio_id}"
    case.box.fail(status=200, body={"messages": [row], "next": ""}, path=f"{base}/messages")
    case.box.fail(status=200, body={"activities": [did], "next": ""}, path=f"{base}/activities")
    assert case.ask("access", "--cio-id", cio_id).code == 0
    page = (case.folder / "out" / "report.html").read_text()
    day, utc = "2026\u201103\u201131\u00a0", "\u00a0UTC"
    assert f">{day}02:05{utc}: sent<br>{day}02:08{utc}: opened, clicked, link 5</td>" in page
    assert '"channel">text message</td>' in page
    assert '"what">clicked sms</td>' in page
    assert '"details">city: Rome</td>' in page


def test_the_page_shows_hostile_text_as_text(case: PrivacyCase) -> None:
    text = "<script>alert(1)</script>\"'&<img src=x>"
    cio_id = case.people_admin.identify({"id": "<b>7"}, at=NOW, attributes={text: text})
    case.ask("access", "--cio-id", str(cio_id))
    page = Words((case.folder / "out" / "report.html").read_text())
    assert not page.tags & {"script", "img", "b", "link", "iframe"}
    assert page.text.count(text) == 2


def test_no_address_is_logged_when_the_api_fails(case: PrivacyCase) -> None:
    email = case.known()["email"]
    case.box.fail(status=503, path="/v1/esp/*")
    screen = case.ask("access", "--email", email)
    assert screen.code == 0
    assert "GET /v1/esp/search_suppression/***: status 503; trying again" in screen.err
    assert "%40" not in screen.err
