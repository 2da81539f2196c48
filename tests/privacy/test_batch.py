"""Several requests in one run, with and without interruptions."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW
from privacy_case import DOCS

from tap_customerio.api.track import Track
from tap_customerio.privacy.evidence import EXIT_CODES, MEANINGS
from tap_customerio.privacy.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from privacy_case import PrivacyCase

HEAD = "type,value\n"


def requests(case: PrivacyCase, text: str) -> tuple[str, str]:
    """A file of requests."""
    path = case.folder / "requests.csv"
    path.write_text(text, encoding="utf-8")
    return "--input", str(path)


def all_people(case: PrivacyCase) -> list[dict[str, Any]]:
    """All people of the sandbox."""
    return [person["identifiers"] for person in case.box.workspace.everyone(NOW)]


def test_each_request_has_a_result_and_none_stops_the_others(case: PrivacyCase) -> None:
    one, two, three = (case.known(index) for index in range(3))
    lines = [
        f"email,{one['email']}",
        "email,",
        f" ID ,{two['id']}",
        "name,ada",
        "phone,+358401234567",
        "",
        "email,*@example.com",
        "id,nobody",
        "one cell",
        f"email,{one['email'].upper()}",
        f"cio_id,cio_{three['cio_id']}",
    ]
    screen = case.erase(*requests(case, HEAD + "\n".join(lines)))
    assert screen.code == 1
    assert not any(case.has(person["cio_id"]) for person in (one, two, three))
    rows = case.results()
    outcomes = [row["outcome"] for row in rows]
    assert sorted(outcomes) == ["erased_verified"] * 3 + ["failed"] * 5 + ["not_found"]
    assert len({row["hash"] for row in rows}) == len(rows) == 9
    numbers = [int(number) for row in rows for number in row["line"].split()]
    assert sorted(numbers) == [2, 3, 4, 5, 6, 8, 9, 10, 11, 12]
    summary = (case.folder / "out" / "summary.txt").read_text()
    assert "Lines with a request: 10; different requests: 9." in summary
    assert "\nerased_verified: 3. Erased" in summary
    assert "\nnot_found: 1 (line 9). No one" in summary
    assert summary.partition("\nWritten")[0] in screen.out
    reasons = " ".join(row["reason"] for row in rows)
    assert {f"Line {number}" in reasons for number in (3, 5, 8, 10)} == {True}
    assert not re.search(r"line \d+: ", screen.words())
    for row in rows:
        if row["folder"]:
            place = case.folder / "out" / row["folder"] / "evidence.json"
            assert place.exists() is (row["outcome"] != "failed")
    assert case.modes() == {"d700", "f600"}
    for person in (one, two, three):
        assert person["email"] not in case.all_text() + screen.out + screen.err
        assert person["cio_id"] not in case.all_text()


def test_a_person_may_occur_twice(case: PrivacyCase) -> None:
    names = case.known()
    words = requests(case, "".join(f"{kind},{names[kind]}\n" for kind in ("email", "id", "cio_id")))
    assert case.erase(*words, concurrency=1).code == 0
    assert [row["outcome"] for row in case.results()] == ["erased_verified"] * 3


@pytest.mark.slow
def test_access_of_several_people_writes_a_package_each(case: PrivacyCase) -> None:
    people = [case.known(index) for index in range(3)]
    screen = case.ask("access", *requests(case, "\n".join(f"id,{p['id']}" for p in people)))
    assert screen.code == 0
    folders = [row["folder"] for row in case.results()]
    found = {case.read(folder, "report.json")["people"][0]["cio_id"] for folder in folders}
    assert found == {person["cio_id"] for person in people}


@pytest.mark.slow
@pytest.mark.parametrize(
    "form", ["\ufefftype;value\r\nid;{}\r\n", '"id","{}"', "type,value\nid,{}\n"]
)
def test_files_may_come_from_spreadsheets(case: PrivacyCase, form: str) -> None:
    case.add(id="o,ne;" if '"' in form else "one")
    screen = case.ask("access", *requests(case, form.format("o,ne;" if '"' in form else "one")))
    assert (screen.code, len(case.results())) == (0, 1)


@pytest.mark.parametrize("content", [None, b"id,\xff\xfe"])
def test_an_unreadable_file_is_an_error(case: PrivacyCase, content: bytes | None) -> None:
    path = case.folder / "requests.csv"
    if content:
        path.write_bytes(content)
    screen = case.ask("access", "--input", str(path))
    assert screen.code == 1
    assert str(path) in screen.err


@pytest.mark.slow
def test_finished_requests_are_skipped_and_failed_ones_retried(case: PrivacyCase) -> None:
    one, two = case.known(0), case.known(1)
    words = requests(case, f"id,{one['id']}\nid,{two['id']}\nid,nobody\n")
    case.box.fail(status=503, times=1000, path=f"/api/v1/customers/cio_{two['cio_id']}/*")
    assert case.erase(*words).code == 1
    case.box.track_middleware.failures.clear()
    case.box.forget()
    screen = case.erase(*words)
    assert screen.code == 4
    assert "Requests that an earlier run has finished: 2." in screen.out
    sent = [call.path for call in case.box.track_calls if "/customers/" in call.path]
    assert sent == [f"/api/v1/customers/cio_{two['cio_id']}/suppress"]
    assert not case.has(two["cio_id"])


def test_a_second_run_adds_only_what_is_new(case: PrivacyCase) -> None:
    words = requests(case, "id,nobody\nemail,\n")
    path = case.folder / "out" / "results.csv"
    case.ask("access", *words)
    first = path.read_text()
    assert case.ask("access", *words).code == 1
    assert path.read_text() == first
    requests(case, "id,nobody\nemail,a@example.com\n")
    assert case.ask("access", *words).code == 4
    assert path.read_text().startswith(first)
    assert [row["line"] for row in case.results()][2:] == ["2"]
    assert "failed" not in (case.folder / "out" / "summary.txt").read_text()


def test_lines_of_a_summary_are_limited(case: PrivacyCase) -> None:
    screen = case.ask("access", *requests(case, "email,\n" * 25))
    assert "failed: 25 (lines 1, 2, 3," in screen.out
    assert "19, 20 and 5 more). Not done" in screen.out


def test_every_outcome_has_a_meaning_and_is_documented() -> None:
    assert MEANINGS.keys() == EXIT_CODES.keys()
    assert [outcome for outcome in EXIT_CODES if f"| `{outcome}`" not in DOCS] == []


@pytest.mark.slow
def test_a_partial_line_is_no_result(case: PrivacyCase) -> None:
    names = case.known()
    words = requests(case, f"id,{names['id']}\n")
    case.ask("access", *words)
    path = case.folder / "out" / "results.csv"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert case.ask("access", *words).code == 0
    assert path.read_text().count("\n") == 2
    assert case.results()[0]["hash"] in whole.decode()


@pytest.mark.slow
def test_results_that_a_spreadsheet_has_changed_are_an_error(case: PrivacyCase) -> None:
    case.ask("access", "--id", "nobody")
    path = case.folder / "out" / "results.csv"
    whole = path.read_text()
    path.write_text("\ufeff" + whole.replace(",", ";"))
    assert "results.csv was changed" in case.ask("access", "--id", "nobody").err
    path.write_text("")  # the disk was full
    assert case.ask("access", "--id", "nobody").code == 4
    assert path.read_text().splitlines()[0] == whole.splitlines()[0]


def test_another_mode_is_another_run(case: PrivacyCase) -> None:
    words = requests(case, "id,nobody\n")
    case.erase(*words)
    screen = case.erase(*words, "--mode", "delete")
    assert screen.code == 1
    assert "contains something else" in screen.err


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupted_request_is_resumed(
    case: PrivacyCase, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    names = case.known()
    act = Track.act

    def killed(self: Track, *what: Any) -> None:
        if when == "after":
            act(self, *what)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Track, "act", killed)
        assert case.erase("--email", names["email"]).code == 1
    assert case.has(names["cio_id"]) is (when == "before")
    [person] = case.read("evidence.json")["people"]
    assert person["outcome"] == "failed"
    assert person["reason"].startswith("Interrupted before")
    assert not (case.folder / "out" / "results.csv").exists()
    proven = when == "before"  # the response to the next request was lost
    assert case.erase("--email", names["email"]).code == (0 if proven else 3)
    [result] = case.results()
    assert result["outcome"] == ("erased_verified" if proven else "gone_unproven")
    [person] = case.read("evidence.json")["people"]
    assert {each["blocked"] for each in person["identifiers"]} == {"yes"}
    assert not (case.folder / "out" / "unfinished.json").exists()


def test_a_request_finished_before_the_interruption_is_not_repeated(
    case: PrivacyCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    email = case.known()["email"]
    words = ("--email", email)
    with monkeypatch.context() as patched:
        patched.setattr(Folder, "remove", killed)
        case.erase(*words)
    assert email in case.all_text()
    assert case.erase(*words).code == 0
    assert not (case.folder / "out" / "unfinished.json").exists()


def wait_for_lines(path: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a file has this number of lines."""
    deadline = time.monotonic() + 60
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.slow
def test_the_next_run_finishes_a_killed_one(open_case: Callable[..., PrivacyCase]) -> None:
    case = open_case({"people": 6}, latency_ms=40)
    people, others = all_people(case)[:20], all_people(case)[20:]
    words = requests(case, HEAD + "".join(f"cio_id,{p['cio_id']}\n" for p in people))
    place = ("--output", str(case.folder / "out"), "--config", case.config(concurrency=3))
    command = [sys.executable, "-m", "tap_customerio", "privacy", "erase", "--yes", *words, *place]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        wait_for_lines(case.folder / "out" / "results.csv", 2, process)
        process.kill()
    assert 0 < len(case.results()) < len(people)
    case.box.middleware.latency_ms = 0
    assert case.erase(*words).code in {0, 3}
    rows = case.results()
    assert len({row["hash"] for row in rows}) == len(people)
    assert all_people(case) == others
    assert not list((case.folder / "out").rglob("unfinished.json"))
    for row in rows:
        [person] = case.read(row["folder"], "evidence.json")["people"]
        assert person["sent_at"]
        # For people whose request was interrupted by the kill, there is no proof.
        wanted = "erased_verified" if person["accepted_at"] else "gone_unproven"
        assert row["outcome"] == person["outcome"] == wanted
