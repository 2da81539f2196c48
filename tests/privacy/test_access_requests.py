"""Which person a request is about, and what is rejected."""

from __future__ import annotations

import errno
import hmac
import os
from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW
from privacy_case import PEOPLE

from tap_customerio.errors import TapError
from tap_customerio.privacy.folder import secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from privacy_case import PrivacyCase


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("--email", ("", " ", "*", "*@example.com", "ada", "a@b@", "a b@c.d")),
        ("--id", ("", " ", "\t", "u\x00", "u\n7", "u\udcff", "u" * 151)),
        ("--cio-id", ("", "cio_", "*", "a/b", "..", "cio_cio_a1")),
        ("--phone", ("", "+", "0401234567", "+358*")),
    ],
)
def test_ambiguous_identifiers_are_not_sent(
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
def test_exactly_one_identifier_is_required(case: PrivacyCase, words: tuple[str, ...]) -> None:
    screen = case.ask("access", *words)
    assert screen.code == 2
    assert "Name the person with one of" in screen.err


def test_a_folder_has_one_purpose(case: PrivacyCase) -> None:
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


@pytest.mark.parametrize("left", [(), ("run.json",)], ids=["killed", "killed while writing"])
def test_a_folder_of_a_run_that_hardly_began_is_used(case: PrivacyCase, left: tuple[str]) -> None:
    folder = case.folder / "out"
    folder.mkdir()
    secret(folder / "evidence.key")
    key = (folder / "evidence.key").read_bytes()
    for name in left:
        (folder / f".{name}.draft").write_text("{")
    assert case.ask("access", "--id", "nobody").code == 4
    assert (folder / "evidence.key").read_bytes() == key


def test_a_key_that_cannot_be_written_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(TapError, match="No space left"):
        patch.setattr(os, "fsync", full)
        secret(tmp_path / "evidence.key")
    assert not [*tmp_path.iterdir()]


def test_a_rejected_key_leaves_no_files(case: PrivacyCase) -> None:
    screen = case.ask("access", "--id", "u-7", app_api_key="wrong")
    assert screen.code == 1
    assert "app_api_key was refused" in screen.err
    assert not (case.folder / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("email", ["stated", None, ""])
@pytest.mark.parametrize("kind", ["email", "id"])
def test_a_response_about_another_person_is_not_used(
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
def test_a_phone_number_missing_in_responses_is_confirmed_by_cio_id(
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


def test_an_address_only_in_the_profile_is_enough(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case({"identified_by": ["id"]})
    ada = case.add(id="ada", email="ada@example.com")
    assert case.ask("access", "--email", "ada@example.com").code == 0
    assert case.read("report.json")["people"][0]["cio_id"] == ada


@pytest.mark.slow
@pytest.mark.parametrize("own", ["42 ", " 42", "___", "\U0001f984", "*", "u-%", "a\u200db", "ÄÖ"])
def test_own_ids_are_used_unchanged(case: PrivacyCase, own: str) -> None:
    exact, other = case.add(id=own), case.add(id="42")
    assert case.erase("--id", own).code == 0
    assert (case.has(exact), case.has(other)) == (False, True)
    assert case.people_admin.identify({"id": own}, at=NOW) is None


def test_hashes_may_use_an_own_key(case: PrivacyCase) -> None:
    path = case.folder / "own.key"
    path.write_text("00" * 32)
    case.ask("access", "--id", "u-7", "--key-file", str(path))
    wanted = hmac.digest(bytes(32), b"id:u-7", "sha256").hex()
    assert case.read("manifest.json")["request"]["hash"] == wanted
    assert not (case.folder / "out" / "evidence.key").exists()
    path.write_text("secret")
    screen = case.ask("access", "--id", "u-7", "--key-file", str(path), to="again")
    assert "contains no key" in screen.err
