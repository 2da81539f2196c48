"""What is held on a person, in a package that can be handed over."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from harness import NOW
from privacy_case import PEOPLE, schema

from tap_customerio.sandbox import Behaviours
from tap_customerio.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from privacy_case import PrivacyCase


class Words(HTMLParser):
    """The words of a page, and the tags it is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag; a page that needs nothing from elsewhere has no addresses in it."""
        self.tags.add(tag)
        assert not {"src", "href", "onclick"} & {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        """Note words."""
        self.text += data


def test_the_package_holds_all_that_is_known_of_a_person(case: PrivacyCase) -> None:
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


def test_the_manifest_counts_and_seals_the_files_and_names_nobody(case: PrivacyCase) -> None:
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


def test_the_terminal_names_nobody(case: PrivacyCase) -> None:
    names = case.known()
    screen = case.ask("access", "--email", names["email"])
    assert names["email"] not in screen.out + screen.err
    assert f"id {names['id']}" not in screen.out
    assert f"cio_id {names['cio_id']}, id u***, email {names['email'][0]}***@***.org" in screen.out


@pytest.mark.parametrize("form", ["email", "EMAIL", "id", "cio_id", "cio_", "phone"])
def test_people_are_found_by_whatever_identifies_them(
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


def test_a_kind_that_identifies_nobody_here_is_told(case: PrivacyCase) -> None:
    screen = case.ask("access", "--phone", "+358401234567")
    assert screen.code == 1
    assert "does not identify people by phone" in screen.out
    assert case.results()[0]["outcome"] == "failed"


def test_everybody_with_an_address_is_named(open_case: Callable[..., PrivacyCase]) -> None:
    case = open_case({"identified_by": ["id"]})
    made = [case.add(id=name, email="family@example.com") for name in ("mother", "father")]
    screen = case.ask("access", "--email", "family@example.com")
    assert screen.code == 0
    assert "2 people" in screen.out
    for cio_id, masked in zip(made, ("m***", "f***"), strict=True):
        assert f"cio_id {cio_id}, id {masked}" in screen.out
    assert [held["cio_id"] for held in case.read("report.json")["people"]] == made


def test_an_id_that_looks_like_an_address_is_told_apart(case: PrivacyCase) -> None:
    by_id = case.add(id="ada@example.com", email="other@example.com")
    by_email = case.add(id="u-ada", email="ada@example.com")
    for option, meant, other in (("--email", by_email, by_id), ("--id", by_id, by_email)):
        screen = case.ask("access", option, "ada@example.com", to=f"out/{option}")
        [held] = case.read(option, "report.json")["people"]
        assert held["cio_id"] == meant
        assert f"not included, only similar: cio_id {other}" in screen.out


def test_merged_people_are_found_as_the_one_they_became(case: PrivacyCase) -> None:
    winner, loser = case.add(id="winner"), case.add(id="loser", email="lo@example.com")
    case.people_admin.merge(winner, loser, at=NOW)
    assert case.ask("access", "--cio-id", loser, to="out/loser").code == 4
    assert case.ask("access", "--cio-id", winner, to="out/winner").code == 0
    [held] = case.read("winner", "report.json")["people"]
    assert held["activities"][0]["type"] == "profile_merge"


def test_messages_of_all_time_are_walked_to(open_case: Callable[..., PrivacyCase]) -> None:
    case = open_case({"since": (NOW - 700 * DAY) // DAY * DAY, "per_day": 2, "people": 3})
    names = next(p["identifiers"] for p in case.box.workspace.everyone(NOW))
    case.ask("access", "--cio-id", names["cio_id"])
    dates = [row["created"] for row in case.read("report.json")["people"][0]["messages"]]
    sent = case.box.workspace.deliveries(NOW - 800 * DAY, NOW + 1, now=NOW)
    own = [r for r in sent if (r["customer_identifiers"] or {}).get("cio_id") == names["cio_id"]]
    assert len(dates) == len(own)
    assert dates == sorted(dates, reverse=True)
    assert dates[-1] < NOW - 600 * DAY


@pytest.mark.parametrize("is_prefixed", [False, True])
def test_paths_are_asked_as_the_api_wants_them(
    open_case: Callable[..., PrivacyCase], *, is_prefixed: bool
) -> None:
    case = open_case(behaviours=Behaviours(prefixed_paths=is_prefixed))
    assert case.ask("access", "--email", case.known()["email"]).code == 0
    assert case.read("report.json")["people"][0]["messages"]


def test_what_cannot_be_read_is_told_and_the_rest_is_there(
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
    told = {each["what"]: each["why"] for each in manifest["not_read"]}
    assert told.keys() == {"segments", "relationships", "subscription_preferences"}
    for (what, why), status in zip(sorted(told.items()), ("404", "403", "400"), strict=True):
        assert status in why
        assert held[what] is None
    assert held["messages"]
    page = Words((case.folder / "out" / "report.html").read_text()).text
    assert page.count("Could not be read.") == 3


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


@pytest.mark.parametrize("metrics", ["sent", ["sent"]])
def test_messages_of_another_shape_are_shown_as_they_are(case: PrivacyCase, metrics: Any) -> None:
    cio_id = case.add(id="ada")
    row = {"id": "dg1", "created": NOW - 10, "type": "email", "metrics": metrics}
    path = f"/v1/customers/{cio_id}/messages"
    case.box.fail(status=200, body={"messages": [row], "next": ""}, path=path)
    assert case.ask("access", "--cio-id", cio_id).code == 0
    assert case.read("report.json")["people"][0]["messages"] == [row]
    assert "sent" in Words((case.folder / "out" / "report.html").read_text()).text


def test_a_late_change_of_attributes_is_no_time_of_creation(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case(behaviours=Behaviours(forgets_old=True))
    cio_id = case.add(id="ada")
    profile = {**case.box.workspace.find("cio_id", cio_id, NOW), "timestamps": {"id": NOW}}  # type: ignore[dict-item]
    case.box.fail(status=200, body={"customers": [profile]}, times=2, path=PEOPLE)
    assert case.ask("access", "--cio-id", cio_id).code == 3
    assert [each["what"] for each in case.read("report.json")["not_read"]] == ["messages"]


def test_messages_that_may_be_cut_to_six_months_are_told(
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


def test_a_person_without_old_messages_is_complete_where_others_have_some(
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


def test_periods_that_the_api_does_not_keep_to_are_told(case: PrivacyCase) -> None:
    names = case.known()
    [row] = [{"id": "dg1", "created": NOW - 10, "type": "email"}]
    path = f"/v1/customers/{names['cio_id']}/messages"
    case.box.fail(status=200, body={"messages": [row], "next": ""}, times=99, path=path)
    assert case.ask("access", "--cio-id", names["cio_id"]).code == 3
    report = case.read("report.json")
    assert "ignored the requested periods" in report["not_read"][0]["why"]
    assert len(report["people"][0]["messages"]) == 1


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


def test_nobody_is_an_answer_too(case: PrivacyCase) -> None:
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


def test_a_page_says_plainly_that_nothing_is_held_and_who_is_responsible(case: PrivacyCase) -> None:
    asked = ("--email", "nobody@example.org", "--controller", "Example <Ltd>")
    assert case.ask("access", *asked).code == 4
    page = (case.folder / "out" / "report.html").read_text()
    assert "No personal data was found." in page
    assert "(controller): Example &lt;Ltd&gt;." in page


def test_the_page_holds_no_json_and_no_unix_seconds(case: PrivacyCase) -> None:
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


def test_what_became_of_a_message_is_a_line_for_each_minute(case: PrivacyCase) -> None:
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


def test_no_address_is_logged_when_the_api_falters(case: PrivacyCase) -> None:
    email = case.known()["email"]
    case.box.fail(status=503, path="/v1/esp/*")
    screen = case.ask("access", "--email", email)
    assert screen.code == 0
    assert "GET /v1/esp/search_suppression/***: status 503; trying again" in screen.err
    assert "%40" not in screen.err


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("--email", ("", " ", "*", "*@example.com", "ada", "a@b@", "a b@c.d")),
        ("--id", ("", " ", "\t", "u\x00", "u\n7", "u\udcff", "u" * 151)),
        ("--cio-id", ("", "cio_", "*", "a/b", "..", "cio_cio_a1")),
        ("--phone", ("", "+", "0401234567", "+358*")),
    ],
)
def test_nothing_that_could_mean_nobody_or_many_is_sent(
    case: PrivacyCase, option: str, values: tuple[str, ...]
) -> None:
    for value in values:
        screen = case.erase(option, value)
        assert screen.code == 1
        assert screen.err.startswith("Error: The ")
    for words in (("access",), ("unsuppress",)):
        assert case.ask(*words, option, values[0]).code == 1
    assert case.box.calls == case.box.track_calls == []
    assert not (case.folder / "out").exists()


@pytest.mark.parametrize("words", [(), ("--email", "a@b.c", "--id", "7")])
def test_exactly_one_identifier_is_wanted(case: PrivacyCase, words: tuple[str, ...]) -> None:
    screen = case.ask("access", *words)
    assert screen.code == 2
    assert "Name the person with one of" in screen.err


def test_a_folder_is_used_for_one_thing(case: PrivacyCase) -> None:
    names = case.known()
    case.ask("access", "--id", names["id"])
    before = case.all_text()
    again = case.ask("access", "--id", names["id"])
    assert (again.code, case.all_text()) == (0, before)
    assert "Requests that an earlier run has finished: 1." in again.out
    for words in (("access", "--id", "other"), ("erase", "--yes", "--id", names["id"])):
        screen = case.ask(*words)
        assert screen.code == 1
        assert "contains something else" in screen.err
    (case.folder / "mine").mkdir()
    (case.folder / "mine" / "thesis.txt").write_text("precious")
    assert "contains something else" in case.ask("access", "--id", "7", to="mine").err
    assert len(list((case.folder / "mine").iterdir())) == 1


def test_a_key_that_is_refused_leaves_nothing_behind(case: PrivacyCase) -> None:
    screen = case.ask("access", "--id", "u-7", app_api_key="wrong")
    assert screen.code == 1
    assert "app_api_key was refused" in screen.err
    assert not (case.folder / "out").exists()


@pytest.mark.parametrize("email", ["stated", None, ""])
@pytest.mark.parametrize("kind", ["email", "id"])
def test_an_answer_about_another_person_is_not_acted_on(
    case: PrivacyCase, kind: str, email: str | None
) -> None:
    bob: dict[str, Any] = case.known()
    row = bob if email == "stated" else {**bob, kind: email}
    if kind == "email":
        case.box.fail(status=200, body={"results": [row]}, times=9, path="/v1/customers")
    else:
        case.box.fail(status=200, body={"customers": [{"identifiers": row}]}, times=9, path=PEOPLE)
    screen = case.erase(f"--{kind}", "ada@example.com")
    assert screen.code == 1
    assert f"a person with another {kind}, or with none: nothing was done" in screen.out
    assert case.has(bob["cio_id"])
    assert [call.path for call in case.box.track_calls] == ["/api/v1/accounts/region"]


@pytest.mark.parametrize("command", ["access", "erase"])
def test_a_phone_number_that_no_answer_states_is_confirmed_by_cio_id(
    open_case: Callable[..., PrivacyCase], command: str
) -> None:
    case = open_case({"identified_by": ["id", "email", "phone"]})
    bob = case.known()
    body = {"customers": [{"identifiers": bob, "attributes": {"plan": "pro"}}]}
    case.box.fail(status=200, body=body, path=PEOPLE)
    words = (command, *(["--yes"] if command == "erase" else []))
    screen = case.ask(*words, "--phone", "+358401234567")
    assert screen.code == 1
    assert f"use --cio-id {bob['cio_id']}." in screen.words()
    assert case.has(bob["cio_id"])


def test_an_address_that_only_the_profile_states_is_enough(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case({"identified_by": ["id"]})
    ada = case.add(id="ada", email="ada@example.com")
    assert case.ask("access", "--email", "ada@example.com").code == 0
    assert case.read("report.json")["people"][0]["cio_id"] == ada


@pytest.mark.parametrize("own", ["42 ", " 42", "___", "\U0001f984", "*", "u-%", "a\u200db", "ÄÖ"])
def test_own_ids_are_taken_as_they_are(case: PrivacyCase, own: str) -> None:
    exact, other = case.add(id=own), case.add(id="42")
    assert case.erase("--id", own).code == 0
    assert (case.has(exact), case.has(other)) == (False, True)
    assert case.people_admin.identify({"id": own}, at=NOW) is None


def test_hashes_may_have_a_key_of_ones_own(case: PrivacyCase) -> None:
    path = case.folder / "own.key"
    path.write_text("00" * 32)
    case.ask("access", "--id", "u-7", "--key-file", str(path))
    wanted = hmac.digest(bytes(32), b"id:u-7", "sha256").hex()
    assert case.read("manifest.json")["request"]["hash"] == wanted
    assert not (case.folder / "out" / "evidence.key").exists()
    path.write_text("secret")
    screen = case.ask("access", "--id", "u-7", "--key-file", str(path), to="again")
    assert "contains no key" in screen.err
