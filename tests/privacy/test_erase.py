"""erase: people are erased and checked; the evidence names no one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from erasures import acts, refused
from harness import NOW

from tap_customerio.privacy import erase as erase_module
from tap_customerio.privacy.erasure_record import ErasureRecord
from tap_customerio.privacy.identity import profiles
from tap_customerio.sandbox import Behaviours

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from privacy_case import PrivacyCase

    from tap_customerio.api.client import Client


def test_suppressed_people_are_gone_and_cannot_return(case: PrivacyCase) -> None:
    names = case.known()
    screen = case.erase("--email", names["email"])
    assert screen.code == 0
    assert not case.has(names["cio_id"])
    assert acts(case)[0] == ("POST", f"/api/v1/customers/cio_{names['cio_id']}/suppress")
    for kind in ("id", "email"):
        assert case.people_admin.identify({kind: names[kind]}, at=NOW) is None
    evidence = case.read("evidence.json")
    [person] = evidence["people"]
    assert evidence["outcome"] == person["outcome"] == "erased_verified"
    assert {each["blocked"] for each in person["identifiers"]} == {"yes"}
    assert person["sent_at"] <= person["accepted_at"] <= person["verified_at"]
    assert evidence["same_workspace_proven"] is True
    assert any("warehouse" in each for each in evidence["residue"])
    assert case.results()[0]["outcome"] == "erased_verified"
    assert case.modes() == {"d700", "f600"}
    raw = (case.folder / "out" / "evidence.json").read_bytes()
    page = (case.folder / "out" / "certificate.html").read_text()
    assert "<h1>Certificate of erasure</h1>" in page
    assert hashlib.sha256(raw).hexdigest() in page
    assert evidence["request"]["hash"] in page
    assert "id: yes<br>e-mail address: yes" in page
    assert not any(value in page for value in names.values())


def test_evidence_and_terminal_name_no_one(case: PrivacyCase) -> None:
    names = case.known()
    screen = case.erase("--email", names["email"])
    for value in names.values():
        assert value not in case.all_text()
    assert names["email"] not in screen.out + screen.err
    assert not (case.folder / "out" / "unfinished.json").exists()


def test_deleted_people_are_gone_and_can_return(case: PrivacyCase) -> None:
    names = case.known()
    assert case.erase("--id", names["id"], "--mode", "delete").code == 0
    assert not case.has(names["cio_id"])
    assert acts(case) == [("DELETE", f"/api/v1/customers/cio_{names['cio_id']}")]
    assert case.people_admin.identify({"id": names["id"]}, at=NOW)


@pytest.mark.parametrize("answer", ["y", "n"])
def test_all_people_with_an_address_are_listed_before_anything_changes(
    open_case: Callable[..., PrivacyCase], answer: str
) -> None:
    case = open_case({"identified_by": ["id"]})
    made = [case.add(id=name, email="family@example.com") for name in ("mother", "father")]
    screen = case.ask("erase", "--email", "Family@example.com", answers=[answer])
    for cio_id, masked in zip(made, ("m***", "f***"), strict=True):
        assert f"cio_id {cio_id}, id {masked}" in screen.out
    assert "Erase these 2 people (suppress)? This cannot be undone" in screen.err
    assert "Workspace 1001 (Sandbox), region us." in screen.err
    assert [case.has(cio_id) for cio_id in made] == [answer == "n"] * 2
    assert screen.code == (0 if answer == "y" else 1)
    # Each person, their id, and the address, which this workspace does not know.
    assert len(acts(case)) == (6 if answer == "y" else 0)


def test_one_of_several_can_be_chosen(open_case: Callable[..., PrivacyCase]) -> None:
    case = open_case({"identified_by": ["id"]})
    mother, father = (case.add(id=name, email="family@example.com") for name in ("mo", "fa"))
    assert case.erase("--cio-id", mother).code == 0
    assert (case.has(mother), case.has(father)) == (False, True)


def test_an_id_that_looks_like_an_address_does_not_lead_to_another_person(
    case: PrivacyCase,
) -> None:
    by_id = case.add(id="ada@example.com", email="other@example.com")
    by_email = case.add(id="u-ada", email="ada@example.com")
    screen = case.erase("--id", "ada@example.com")
    assert f"not included, only similar: cio_id {by_email}" in screen.out
    assert screen.code == 0
    assert (case.has(by_id), case.has(by_email)) == (False, True)
    assert case.people_admin.identify({"email": "ada@example.com"}, at=NOW) == by_email
    assert len(case.read("evidence.json")["not_included"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("email", ["a+b@example.com", "zoë+ß@exämple.org", "o'neil%2B/?#@x.org"])
def test_any_address_can_be_erased(case: PrivacyCase, email: str) -> None:
    cio_id = case.add(email=email)
    assert case.erase("--email", email).code == 0
    assert not case.has(cio_id)
    assert case.people_admin.identify({"email": email}, at=NOW) is None


def test_finding_no_one_is_no_success(case: PrivacyCase) -> None:
    screen = case.erase("--email", "nobody@example.com")
    assert screen.code == 4
    assert "no people" in screen.out
    assert acts(case) == []
    assert case.read("evidence.json")["outcome"] == "not_found"


def test_a_dry_run_shows_everything_and_changes_nothing(case: PrivacyCase) -> None:
    names = case.known()
    screen = case.ask("erase", "--dry-run", "--email", names["email"])
    assert screen.code == 0
    assert names["cio_id"] in screen.out
    assert "No one was erased" in screen.out
    assert acts(case) == []
    assert not (case.folder / "out" / "evidence.json").exists()
    assert case.ask("erase", "--dry-run", "--email", "nobody@example.com", to="other").code == 4
    assert case.erase("--email", names["email"]).code == 0


def test_without_a_terminal_it_requires_yes(case: PrivacyCase) -> None:
    screen = case.ask("erase", "--email", case.known()["email"])
    assert screen.code == 1
    assert "add --yes" in screen.err
    assert case.box.calls == case.box.track_calls == []


def test_suppressing_blocks_all_identifiers_even_if_the_api_does_not(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case(behaviours=Behaviours(blocks_by_cio_id=False))
    names = case.known()
    assert case.erase("--cio-id", names["cio_id"]).code == 0
    for kind in ("id", "email"):
        assert case.people_admin.identify({kind: names[kind]}, at=NOW) is None


def test_an_address_of_another_person_too_is_not_blocked(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case({"identified_by": ["id"]})
    email = "family@example.com"
    mother, father = (case.add(id=name, email=email) for name in ("mother", "father"))
    named = {"cio_id": mother, "id": "mother", "email": email}
    answer = {"customers": [{"identifiers": named, "attributes": named}]}
    case.box.fail(status=200, body=answer, times=2, path="/v1/customers/attributes")
    others = {"results": [{"cio_id": father, "id": "father", "email": email}]}
    case.box.fail(status=200, body=others, times=9, path="/v1/customers")
    screen = case.erase("--id", "mother")
    assert screen.code == 0
    assert f"not included, only similar: cio_id {father}" in screen.out
    assert (case.has(mother), case.has(father)) == (False, True)
    outcomes = {
        i["type"]: i["blocked"] for i in case.read("evidence.json")["people"][0]["identifiers"]
    }
    assert outcomes == {"id": "yes", "email": "no: someone else has it"}


def test_people_merged_during_the_confirmation_do_not_count_as_erased(
    case: PrivacyCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    loser, winner = case.add(id="loser"), case.add(id="winner")

    def confirm(*_: Any, **__: Any) -> None:
        case.people_admin.merge(winner, loser, at=NOW)

    monkeypatch.setattr("click.confirm", confirm)
    screen = case.ask("erase", "--id", "loser", answers=["y"])
    assert screen.code == 1
    assert "merged into another person" in screen.out
    assert case.has(winner)
    assert acts(case) == []


@pytest.mark.slow
@pytest.mark.parametrize("outage", [2, 1000])
def test_an_outage_is_retried_and_then_reported(case: PrivacyCase, outage: int) -> None:
    names = case.known()
    case.box.fail(status=503, times=outage, path="/api/v1/customers/*")
    screen = case.erase("--email", names["email"])
    assert screen.code == (0 if outage == 2 else 1)
    assert case.has(names["cio_id"]) is (outage != 2)
    if outage != 2:
        [person] = case.read("evidence.json")["people"]
        assert (person["outcome"], person["accepted_at"]) == ("failed", None)
        assert "status 503" in person["reason"]
        assert names["cio_id"] not in str(person)
        case.box.track_middleware.failures.clear()
        assert case.erase("--email", names["email"]).code == 0
        assert not case.has(names["cio_id"])
        assert [row["outcome"] for row in case.results()] == ["failed", "erased_verified"]
        assert len(list((case.folder / "out").glob("evidence-*.json"))) == 1


def test_an_unreachable_track_api_is_reported_before_any_change(case: PrivacyCase) -> None:
    case.box.fail(status=503, times=1000, path="/api/*")
    screen = case.erase("--email", case.known()["email"])
    assert screen.code == 1
    assert "Gave up on GET /api/v1/accounts/region" in screen.err


def test_people_who_may_still_exist_do_not_count_as_erased(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case(behaviours=Behaviours(erasure_takes=30))
    names = case.known()
    screen = case.erase("--email", names["email"], "--wait", "0.05")
    assert screen.code == 3
    assert "accepted_unverified (Accepted, but still there" in screen.out
    [person] = case.read("evidence.json")["people"]
    assert person["accepted_at"]
    assert person["verified_at"] is None
    page = (case.folder / "out" / "certificate.html").read_text()
    assert "<h1>Record of an erasure request</h1>" in page
    assert "Accepted, but still there when the time to wait was over." in page
    case.clock.advance(31)
    assert case.erase("--email", names["email"]).code == 0
    assert [r["outcome"] for r in case.results()] == ["accepted_unverified", "erased_verified"]
    again = case.read("evidence.json")["people"][0]
    assert again["sent_at"] == person["sent_at"]
    assert {each["blocked"] for each in again["identifiers"]} == {"yes"}


def test_it_checks_until_they_are_gone(
    open_case: Callable[..., PrivacyCase], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = open_case(behaviours=Behaviours(erasure_takes=30))
    looks = 0

    def look(client: Client, ids: Sequence[str]) -> list[dict[str, Any]]:
        nonlocal looks
        looks += 1
        if looks == 5:
            case.clock.advance(31)
        return profiles(client, ids)

    monkeypatch.setattr(erase_module, "profiles", look)
    assert case.erase("--email", case.known()["email"], "--wait", "60").code == 0
    assert looks == 5


def test_people_created_again_by_a_late_event_are_reported(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case({"late_event": 0})
    names = case.known()
    screen = case.erase("--id", names["id"], "--mode", "delete")
    assert screen.code == 3
    assert "someone new has one of their identifiers" in screen.out
    assert not case.has(names["cio_id"])
    before = case.people_admin.identify({"id": names["id"]}, at=NOW)
    screen = case.erase("--id", names["id"], "--mode", "delete")
    assert f"cio_id {before}" in screen.out


def test_unsuppressed_identifiers_can_be_used_again(case: PrivacyCase) -> None:
    names = case.known()
    case.erase("--email", names["email"])
    for kind in ("id", "email"):
        screen = case.ask("unsuppress", f"--{kind}", names[kind], to=f"out/{kind}")
        assert screen.code == 0
        assert "unsuppress_accepted" in screen.out
    again = case.people_admin.identify({"id": names["id"], "email": names["email"]}, at=NOW)
    assert again not in {None, names["cio_id"]}


def test_nothing_is_unsuppressed_in_a_workspace_that_was_not_named(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case({"siblings": [1002]})
    screen = case.ask("unsuppress", "--id", "u-7")
    refused(screen, case, "add --workspace 1001")
    assert case.ask("unsuppress", "--id", "u-7", "--workspace", "1001", to="b").code == 0
    assert len(acts(case)) == 1


def test_an_identifier_type_that_cannot_be_suppressed_cannot_be_unsuppressed(
    case: PrivacyCase,
) -> None:
    screen = case.ask("unsuppress", "--phone", "+358401234567")
    assert screen.code == 1
    assert "does not identify people by phone" in screen.out
    assert case.ask("unsuppress", "--cio-id", "cio_abc", to="b").code == 0
    assert acts(case)[-1] == ("POST", "/api/v1/customers/cio_abc/unsuppress")


def test_people_are_erased_by_phone(open_case: Callable[..., PrivacyCase]) -> None:
    case = open_case({"identified_by": ["id", "email", "phone"]})
    cio_id = case.add(phone="+358401234567")
    assert case.erase("--phone", "+358 40 1234567").code == 0
    assert not case.has(cio_id)
    assert case.people_admin.identify({"phone": "+358401234567"}, at=NOW) is None


def test_no_one_is_erased_without_a_place_for_evidence(
    case: PrivacyCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ErasureRecord, "sending", full)
    names = case.known()
    assert case.erase("--email", names["email"]).code == 1
    assert case.has(names["cio_id"])
    assert acts(case) == []
