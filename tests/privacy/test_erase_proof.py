"""The proof of an erasure: the keys, the workspace, and the other people with the identifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from erasures import acts, blocking_evidence, refused
from harness import NOW

from tap_customerio.api.track import HOSTS, Track
from tap_customerio.privacy import erase as erase_module
from tap_customerio.privacy.identity import Person, look_up, profiles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from privacy_case import PrivacyCase

    from tap_customerio.api.client import Client
    from tap_customerio.api.track import Action


@pytest.mark.parametrize("command", ["erase", "unsuppress"])
def test_it_requires_track_api_credentials(case: PrivacyCase, command: str) -> None:
    words = (command, *(["--yes"] if command == "erase" else []), "--id", "u-7")
    nothing: dict[str, Any] = {"site_id": None, "track_api_key": None}
    refused(case.ask(*words, **nothing), case, "site_id and track_api_key are missing")
    refused(case.ask(*words, track_api_key="wrong", to="b"), case, "were refused by")


def test_keys_of_another_account_are_rejected(open_case: Callable[..., PrivacyCase]) -> None:
    case = open_case(track_workspace=4711)
    refused(case.erase("--id", "u-7"), case, "workspace 4711 of another account")


def test_keys_of_another_region_are_rejected(open_case: Callable[..., PrivacyCase]) -> None:
    case = open_case(region="eu")
    refused(case.erase("--id", "u-7"), case, "belong to region 'eu', app_api_key to 'us'")


def test_keys_of_another_workspace_erase_no_one(open_case: Callable[..., PrivacyCase]) -> None:
    case = open_case({"siblings": [1002]}, track_workspace=1002)
    names = case.known()
    screen = case.erase("--email", names["email"], "--wait", "0.05")
    assert screen.code == 3
    assert case.has(names["cio_id"])
    assert case.read("evidence.json")["same_workspace_proven"] is False
    # Only the permanent id was sent, which exists in no other workspace; the address may.
    assert [path for _, path in acts(case)] == [f"/api/v1/customers/cio_{names['cio_id']}/suppress"]


@pytest.mark.parametrize("when", ["before the next run", "while it waits"])
def test_a_removal_by_someone_else_is_no_proof_for_keys_of_another_workspace(
    open_case: Callable[..., PrivacyCase], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    case = open_case({"siblings": [1002]}, track_workspace=1002)
    names = case.known()

    def look(client: Client, ids: Sequence[str]) -> list[dict[str, Any]]:
        if case.box.track_calls[-1].path.endswith("/suppress"):
            case.people_admin.delete("cio_id", names["cio_id"], at=NOW)
        return profiles(client, ids)

    if when == "while it waits":
        monkeypatch.setattr(erase_module, "profiles", look)
    else:
        assert case.erase("--email", names["email"], "--wait", "0.05").code == 3
        case.people_admin.delete("cio_id", names["cio_id"], at=NOW)
    screen = case.erase("--email", names["email"], "--wait", "0.05")
    assert screen.code == 3
    assert not case.has(names["cio_id"])
    evidence = case.read("evidence.json")
    [person] = evidence["people"]
    assert evidence["outcome"] == person["outcome"] == "gone_unproven"
    assert (person["verified_at"], blocking_evidence(case)) == (None, {None})
    assert [path for _, path in acts(case)] == [f"/api/v1/customers/cio_{names['cio_id']}/suppress"]


def test_a_named_workspace_makes_proof_of_what_was_unproven(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case({"siblings": [1002]})
    names = case.known()
    first = case.erase("--email", names["email"])
    assert (first.code, blocking_evidence(case)) == (3, {None})
    assert "run the same command again with --workspace 1001" in first.words()
    assert case.erase("--email", names["email"], "--workspace", "1001").code == 0
    evidence = case.read("evidence.json")
    assert (evidence["workspace_stated"], evidence["same_workspace_proven"]) == (1001, True)
    assert (evidence["outcome"], blocking_evidence(case)) == ("erased_verified", {"yes"})
    assert [row["outcome"] for row in case.results()] == ["gone_unproven", "erased_verified"]
    assert not (case.folder / "out" / "unfinished.json").exists()


def test_a_request_to_another_workspace_is_no_proof_with_the_right_keys_later(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case({"siblings": [1002]}, track_workspace=1002)
    names = case.known()
    assert case.erase("--email", names["email"], "--wait", "0.05").code == 3
    right = open_case({"siblings": [1002]})
    right.people_admin.delete("cio_id", names["cio_id"], at=NOW)
    screen = right.erase("--email", names["email"], "--workspace", "1001")
    assert screen.code == 3
    assert "the call went to another workspace" in screen.words()
    assert (blocking_evidence(right), acts(right)) == ({None}, [])
    again = right.erase("--email", names["email"], "--workspace", "1001")
    assert again.code == 3
    assert "Requests that an earlier run has finished: 1." in again.out


def test_a_workspace_other_than_the_keys_is_rejected(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case({"siblings": [1002]})
    screen = case.erase("--id", "u-7", "--workspace", "1002")
    refused(screen, case, "belong to workspace 1001, not to 1002 of --workspace")


def test_a_failed_request_is_no_proof_when_the_person_is_gone_later(case: PrivacyCase) -> None:
    names = case.known()
    case.box.fail(status=503, times=1000, path="/api/v1/customers/*")
    assert case.erase("--email", names["email"]).code == 1
    case.box.track_middleware.failures.clear()
    case.people_admin.delete("cio_id", names["cio_id"], at=NOW)
    screen = case.erase("--email", names["email"])
    assert screen.code == 3
    assert "interrupted before Customer.io responded" in screen.words()
    assert blocking_evidence(case) == {"yes"}


@pytest.mark.parametrize("lasting", ["id", "email"])
def test_no_one_counts_as_erased_while_an_identifier_still_finds_them(
    case: PrivacyCase, monkeypatch: pytest.MonkeyPatch, lasting: str
) -> None:
    names = case.known()
    asked = []

    def look(client: Client, kind: str, value: str, **how: bool) -> list[Person]:
        asked.append(kind)
        if kind == lasting:
            return [Person(names["cio_id"], {})]
        return look_up(client, kind, value, **how)

    monkeypatch.setattr(erase_module, "look_up", look)
    screen = case.erase("--cio-id", names["cio_id"], "--wait", "0.05")
    assert screen.code == 3
    assert not case.has(names["cio_id"])
    assert case.read("evidence.json")["outcome"] == "accepted_unverified"
    assert blocking_evidence(case) == {None}
    assert set(asked) == {"cio_id", "id", "email"}


def test_a_new_owner_of_an_identifier_is_no_proof_of_erasure(
    open_case: Callable[..., PrivacyCase], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = open_case({"identified_by": ["id"]})
    ada, bob = (case.add(id=name, email="family@example.com") for name in ("ada", "bob"))
    act = Track.act

    def acted(track: Track, action: Action, kind: str, value: str) -> None:
        act(track, action, kind, value)
        case.people_admin.change(bob, {"id": "ada"}, at=NOW)

    monkeypatch.setattr(Track, "act", acted)
    screen = case.erase("--cio-id", ada, "--wait", "0.05")
    assert screen.code == 3
    [person] = case.read("evidence.json")["people"]
    assert person["outcome"] == "accepted_unverified"
    assert "someone new has one of their identifiers" in person["reason"]
    assert blocking_evidence(case) == {None}


def test_nothing_is_sent_if_the_response_states_another_cio_id(case: PrivacyCase) -> None:
    ada, bob = case.add(id="ada"), case.add(id="bob")

    def response(cio_id: str) -> dict[str, Any]:
        return {"customers": [{"identifiers": {"cio_id": cio_id}, "attributes": {}}]}

    case.box.fail(status=200, body=response(ada), path="/v1/customers/attributes")
    case.box.fail(status=200, body=response(bob), times=9, path="/v1/customers/attributes")
    assert case.erase("--cio-id", ada, "--wait", "0").code == 1
    assert acts(case) == []


def test_several_workspaces_are_listed_in_the_confirmation(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case({"siblings": [1002]})
    screen = case.ask("erase", "--email", case.known()["email"], answers=["n"])
    assert "The account has 2 workspaces" in " ".join(screen.err.split())
    words = ("erase", "--email", case.known()["email"], "--workspace", "1001")
    assert "The account has" not in case.ask(*words, answers=["n"], to="named").err


def test_redirects_are_not_followed(case: PrivacyCase) -> None:
    names = case.known()
    screen = case.erase("--email", names["email"], track_api_url=case.box.wrong_track_url)
    assert screen.code == 1
    assert "was redirected (status 307)" in screen.out
    assert case.has(names["cio_id"])
    assert names["email"] not in str(case.box.stray_calls)


@pytest.mark.parametrize("command", [("erase", "--yes"), ("opt-out", "--yes"), ("unsuppress",)])
def test_with_a_local_api_url_the_real_track_api_is_never_called(
    case: PrivacyCase, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setitem(HOSTS, "us", case.box.track_url)
    screen = case.ask(*command, "--email", case.known()["email"], track_api_url=None)
    assert screen.code == 1
    assert f"Setting api_url is '{case.box.url}'" in screen.err
    assert "but track_api_url is missing" in screen.err
    assert not case.box.track_calls
