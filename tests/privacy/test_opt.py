"""opt-out: people are opted out and checked; opt-in reverses only this command's changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from harness import NOW
from privacy_case import schema

from tap_customerio.api.track import Track
from tap_customerio.privacy.opt import Opter
from tap_customerio.sandbox import Behaviours

if TYPE_CHECKING:
    from collections.abc import Callable

    from privacy_case import PrivacyCase
    from terminal import Screen

SENDER = "+15550100001"
OPTOUTS = "/v1/customers/*/optouts"


@pytest.fixture(autouse=True)
def _no_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the delays."""
    monkeypatch.setattr(Opter, "interval", 0.01)


def opt_out(case: PrivacyCase, *words: str, **options: Any) -> Screen:
    """Opt out without a confirmation."""
    return case.ask("opt-out", "--yes", "--wait", "0.05", *words, **options)


def opt_in(case: PrivacyCase, *words: str, source: str = "out", **options: Any) -> Screen:
    """Reverse the changes in the evidence of a folder."""
    place = ("--evidence", str(case.folder / source))
    return case.ask("opt-in", "--yes", "--wait", "0.05", *place, *words, to="in", **options)


def state(case: PrivacyCase, cio_id: str) -> tuple[bool, dict[str, bool], list[dict[str, str]]]:
    """Whether unsubscribed, the topics, and the opt-outs."""
    space, now = case.box.workspace, case.clock.now()
    number = space.identity_index.find("cio_id", cio_id, now)
    assert number is not None
    topics = space.preferences(number, now, "")["topics"]
    chosen = {topic["id"]: topic["subscribed"] for topic in topics}
    profile = space.people.profile(number, now)
    return profile["unsubscribed"], chosen, space.consents.opt_outs_of(number, now)


def choices(case: PrivacyCase, folder: str = "out") -> dict[str, dict[str, Any]]:
    """The evidence about the only person, by choice."""
    evidence = json.loads((case.folder / folder / "evidence.json").read_bytes())
    [person] = evidence["people"]
    return {f"{each['choice']}:{each['of']}": each for each in person["choices"]}


def test_everything_is_stopped_and_checked(case: PrivacyCase) -> None:
    ada = case.add(id="ada", email="ada@example.com")
    number = case.box.workspace.identity_index.find("cio_id", case.known()["cio_id"], NOW)
    row = {"channel": "sms", "from": SENDER, "optout": True}
    case.box.workspace.consents.choose(number or 0, row, NOW)
    assert state(case, ada)[0] is False
    screen = opt_out(case, "--email", "ada@example.com")
    assert screen.code == 0
    unsubscribed, topics, opted = state(case, ada)
    assert unsubscribed is True
    assert not any(topics.values())
    assert {"channel": "sms", "from": SENDER} in opted
    found = choices(case)
    assert found["email:"]["by_this_request"] is True
    assert {each["outcome"] for each in found.values()} <= {"opted_out_verified", "already"}
    assert case.results()[0]["outcome"] == "opted_out_verified"
    evidence = case.read("evidence.json")
    jsonschema.Draft202012Validator(schema("evidence.json of opt-out and opt-in")).validate(
        evidence
    )
    assert evidence["outcome"] == "opted_out_verified"
    for value in ("ada@example.com", ada):
        assert value not in case.all_text()
    assert "ada@example.com" not in screen.out + screen.err
    assert not (case.folder / "out" / "unfinished.json").exists()
    assert case.modes() == {"d700", "f600"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("email", (True, {}, 0)),
        ("topic:1", (False, {"1": False}, 0)),
        ("topic:topic_1", (False, {"1": False}, 0)),
        ("topic:product news", (False, {"1": False}, 0)),
        ("whatsapp:ACME+", (False, {}, 1)),
    ],
)
def test_only_the_chosen_changes(
    case: PrivacyCase, word: str, expected: tuple[bool, dict[str, bool], int]
) -> None:
    ada = case.add(id="ada")
    before = state(case, ada)
    assert opt_out(case, "--id", "ada", "--from", word).code == 0
    unsubscribed, topics, opted = state(case, ada)
    assert unsubscribed is expected[0]
    assert topics == before[1] | expected[1]
    assert len(opted) == len(before[2]) + expected[2]
    assert case.people_admin.identify({"id": "ada"}, at=NOW) == ada


def test_unconfirmed_choices_do_not_count_as_opted_out(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case(behaviours=Behaviours(changes_take=30))
    ada = case.add(id="ada")
    words = ("--id", "ada", "--from", "email", "--from", f"sms:{SENDER}")
    assert opt_out(case, *words).code == 3
    assert {each["outcome"] for each in choices(case).values()} == {"accepted_unverified"}
    assert {each["verified_at"] for each in choices(case).values()} == {None}
    case.clock.advance(31)
    assert opt_out(case, *words).code == 0
    assert {each["by_this_request"] for each in choices(case).values()} == {True}
    assert [row["outcome"] for row in case.results()] == [
        "accepted_unverified",
        "opted_out_verified",
    ]
    assert state(case, ada)[0] is True


def test_keys_of_another_workspace_change_and_prove_nothing(
    open_case: Callable[..., PrivacyCase],
) -> None:
    case = open_case({"siblings": [1002]}, track_workspace=1002)
    ada = case.add(id="ada")
    assert opt_out(case, "--id", "ada", "--from", "email").code == 3
    assert state(case, ada)[0] is False
    assert choices(case)["email:"]["outcome"] == "accepted_unverified"
    case.people_admin.change(ada, {"unsubscribed": "true"}, at=NOW)
    screen = opt_out(case, "--id", "ada", "--from", "email")
    assert screen.code == 3
    assert "run the same command again with --workspace 1002" in screen.words()
    assert choices(case)["email:"]["by_this_request"] is False
    assert opt_in(case, "--id", "ada").code == 1
    assert state(case, ada)[0] is True


def test_a_named_workspace_is_proof(open_case: Callable[..., PrivacyCase]) -> None:
    case = open_case({"siblings": [1002]})
    case.add(id="ada")
    assert opt_out(case, "--id", "ada", "--from", "email").code == 3
    assert opt_out(case, "--id", "ada", "--from", "email", "--workspace", "1001").code == 0
    assert choices(case)["email:"]["by_this_request"] is True
    sent = [call for call in case.box.track_calls if call.method == "PUT"]
    assert len(sent) == 1


def test_opt_in_reverses_only_the_changes(case: PrivacyCase) -> None:
    ada = case.add(id="ada")
    case.people_admin.change(ada, {"unsubscribed": "true"}, at=NOW)
    words = ("--from", "email", "--from", "topic:1", "--from", f"sms:{SENDER}")
    assert opt_out(case, "--id", "ada", *words).code == 0
    assert choices(case)["email:"]["outcome"] == "already"
    screen = opt_in(case, "--id", "ada")
    assert screen.code == 0
    assert "opted_in_verified" in screen.out
    unsubscribed, topics, opted = state(case, ada)
    assert (unsubscribed, topics["1"], opted) == (True, True, [])
    assert choices(case, "in").keys() == {"topic:1", f"sms:{SENDER}"}


def test_opt_in_finds_no_one_without_evidence(case: PrivacyCase) -> None:
    bob = case.add(id="bob")
    case.add(id="ada")
    case.people_admin.change(bob, {"unsubscribed": "true"}, at=NOW)
    (case.folder / "empty").mkdir()
    screen = opt_in(case, "--id", "bob", source="empty")
    assert (screen.code, "contains no evidence of an opt-out" in screen.err) == (1, True)
    opt_out(case, "--id", "ada", "--from", "email")
    screen = opt_in(case, "--id", "bob")
    assert screen.code == 1
    assert "proves no change for this person" in screen.words()
    assert state(case, bob)[0] is True


@pytest.mark.parametrize("text", ["{", "[]", '{"action": "opt-out"}'])
def test_unreadable_evidence_is_an_error(case: PrivacyCase, text: str) -> None:
    case.add(id="ada")
    opt_out(case, "--id", "ada", "--from", "email")
    (case.folder / "out" / "evidence-1.json").write_text(text)
    screen = opt_in(case, "--id", "ada")
    assert screen.code == 1
    assert "evidence-1.json is not the evidence of a privacy command" in " ".join(
        screen.err.split()
    )


def test_nothing_is_changed_if_the_response_states_another_cio_id(case: PrivacyCase) -> None:
    ada, bob = case.add(id="ada"), case.add(id="bob")

    def response(cio_id: str) -> dict[str, Any]:
        identifiers = {"cio_id": cio_id, "id": "ada"}
        profile = {"identifiers": identifiers, "attributes": {}, "unsubscribed": False}
        return {"customers": [profile]}

    path = "/v1/customers/attributes"
    case.box.fail(status=200, body=response(ada), path=path)
    case.box.fail(status=200, body=response(bob), times=9, path=path)
    assert opt_out(case, "--id", "ada", "--from", "email").code == 1
    assert not [call for call in case.box.track_calls if call.method == "PUT"]


def test_the_person_is_named_in_the_confirmation(case: PrivacyCase) -> None:
    ada = case.add(id="ada")
    words = ("opt-out", "--id", "ada", "--from", "email")
    screen = case.ask(*words, answers=["n"], to="a")
    assert f"cio_id {ada}: email" in screen.out
    assert "Opt these people out as listed above?" in screen.err
    assert case.ask(*words, to="b").code == 1
    assert case.ask(*words, "--dry-run", to="c").code == 0
    assert state(case, ada)[0] is False
    assert [call for call in case.box.track_calls if call.method == "PUT"] == []
    assert case.ask(*words, answers=["y"], to="d").code == 0
    assert state(case, ada)[0] is True


@pytest.mark.parametrize("word", ["topic:9", "fax", "sms:", "topic", ""])
def test_unknown_choices_are_errors(case: PrivacyCase, word: str) -> None:
    case.add(id="ada")
    screen = opt_out(case, "--id", "ada", "--from", word)
    assert screen.code == 1
    assert "--from" in screen.err


def test_several_people_are_opted_out_in_one_run_and_in_again(case: PrivacyCase) -> None:
    people = [case.add(id=name) for name in ("ada", "bob", "eve")]
    path = case.folder / "requests.csv"
    path.write_text("id,ada\nid,bob\nid,nobody\n")
    assert opt_out(case, "--input", str(path), "--from", "email").code == 4
    assert [state(case, cio_id)[0] for cio_id in people] == [True, True, False]
    assert opt_in(case, "--id", "bob").code == 0
    assert [state(case, cio_id)[0] for cio_id in people] == [True, False, False]


@pytest.mark.slow
def test_a_rejected_request_fails_alone(case: PrivacyCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Track, "give_up_after", 0.5)
    case.add(id="ada")
    case.box.fail(status=503, times=1000, path="/api/v1/customers/*")
    words = ("--id", "ada", "--from", "email")
    assert opt_out(case, *words).code == 1
    assert "status 503" in choices(case)["email:"]["reason"]
    case.box.track_middleware.failures.clear()
    assert opt_out(case, *words).code == 0


def test_an_interrupted_run_is_resumed(case: PrivacyCase, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = case.add(id="ada")
    change = Track.change

    def killed(self: Track, *what: Any) -> None:
        change(self, *what)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Track, "change", killed)
        assert opt_out(case, "--id", "ada", "--from", "email").code == 1
    assert state(case, ada)[0] is True
    assert opt_out(case, "--id", "ada", "--from", "email").code == 3
    found = choices(case)["email:"]
    assert (found["outcome"], found["contacted_before"]) == ("opt_unproven", True)
    assert found["by_this_request"] is False


def test_topics_are_read_from_the_profile_without_a_subscription_center(
    open_case: Callable[..., PrivacyCase],
) -> None:
    path = "/v1/customers/*/subscription_preferences"
    case = open_case(behaviours=Behaviours(lacking=frozenset({path})))
    case.add(id="ada")
    assert opt_out(case, "--id", "ada", "--from", "topic:2").code == 0
    found = choices(case)["topic:2"]
    assert (found["contacted_before"], found["by_this_request"]) == (None, False)


def test_paths_are_encoded_as_the_api_requires(open_case: Callable[..., PrivacyCase]) -> None:
    case = open_case(behaviours=Behaviours(prefixed_paths=True))
    ada = case.add(id="ada")
    assert opt_out(case, "--id", "ada", "--from", "topic:1", "--from", f"sms:{SENDER}").code == 0
    assert state(case, ada)[1]["1"] is False
    assert len(state(case, ada)[2]) == 1
