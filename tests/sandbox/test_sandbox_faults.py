"""Faults of the sandbox over HTTP, and their dependence on the seed."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import requests
from sandbox.sandbox_caller import DAY, EVERYONE, SINCE, calling

from tap_customerio.sandbox import Clock, Faults, Sandbox, Workspace

if TYPE_CHECKING:
    from collections import Counter

NOW = SINCE + 10 * DAY
PATH = "/v1/collections"


def faulty(*kinds: str, **how: Any) -> tuple[Sandbox, Faults]:
    faults = Faults(*kinds, **{"rate": 1, **how})
    workspace = Workspace(per_day=10, newsletters=120)
    box = Sandbox(workspace, clock=Clock(NOW), requests_per_second=None, faults=faults)
    return box, faults


def answer(kind: str, path: str = PATH, **query: Any) -> requests.Response:
    box, faults = faulty(kind)
    with box, calling(box) as api:
        response = api.get(path, **query)
        assert faults.injected == {kind: 1}
        return response


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        *(("too_many", 429), ("server_error", 500), ("bad_gateway", 502), ("unavailable", 503)),
        *(("gateway_timeout", 504), ("proxy_login", 407), ("gone", 404)),
        *(("bad_request", 400), ("unauthorized", 401), ("forbidden", 403)),
    ],
)
def test_statuses(kind: str, status: int) -> None:
    assert answer(kind).status_code == status


def test_redirects_lead_to_another_host() -> None:
    box, _ = faulty("redirect")
    with box, calling(box) as api:
        url = box.url + PATH
        response = api.session.get(url, timeout=10, allow_redirects=False)
    assert (response.status_code, response.headers["location"][:16]) == (302, "https://elsewher")


def test_waits_in_both_forms() -> None:
    assert answer("too_many_for_seconds").headers["retry-after"] == "0"
    until = answer("too_many_until")
    assert until.headers["retry-after"] == until.headers["date"]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", requests.ConnectionError),
        ("closed", requests.ConnectionError),
        ("cut", requests.exceptions.ChunkedEncodingError),
        ("gzip_garbage", requests.exceptions.ContentDecodingError),
    ],
)
def test_connections_break_off(kind: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        answer(kind)


@pytest.mark.parametrize("kind", ["truncated", "html", "empty"])
def test_responses_that_are_no_json(kind: str) -> None:
    response = answer(kind)
    assert response.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        response.json()


def test_a_slow_response_is_slow_and_right() -> None:
    box, _ = faulty("slow", patience=0.2)
    with box, calling(box) as api:
        began = time.monotonic()
        assert api.get(PATH).json()["collections"]
    assert time.monotonic() - began >= 0.2


def test_wrong_pages_and_cursors() -> None:
    box, _ = faulty(after=10**9)
    with box, calling(box) as api:
        first = api.json("/v1/newsletters", limit=100)
        second = api.json("/v1/newsletters", limit=100, start=first["next"])
    expected = {
        "repeated_page": {**first, "next": second["next"]},
        "looping_cursor": {**second, "next": first["next"]},
        "restarted_cursor": first,
        "missing_envelope": {f"new_{name}": value for name, value in second.items()},
        "null_lists": {"newsletters": None, "next": ""},
    }
    for kind, wrong in expected.items():
        box, _ = faulty(kind, after=1)
        with box, calling(box) as api:
            assert api.json("/v1/newsletters", limit=100) == first
            assert api.json("/v1/newsletters", limit=100, start=first["next"]) == wrong
            assert api.json("/v1/newsletters", limit=100, start=first["next"]) == wrong


def test_an_empty_page_leads_to_the_first_one() -> None:
    box, _ = faulty("empty_page")
    with box, calling(box) as api:
        empty = api.json("/v1/newsletters", limit=100)
        assert empty["newsletters"] == []
        assert (
            len(api.json("/v1/newsletters", limit=100, start=empty["next"])["newsletters"]) == 100
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "inside"),
    [
        ("half_a_pair", rb'\ud83d"'),
        ("nul", rb'\u0000"'),
        ("invalid_utf8", b'\xff\xfe"'),
        ("not_a_number", b":NaN"),
        ("endless_number", b":1e999"),
        ("huge_integers", b":" + b"1" * 40),
        ("extra_fields", b'"not_known_yet":'),
        ("long_text", b"x" * (10 << 20)),
    ],
)
def test_hostile_values(kind: str, inside: bytes) -> None:
    assert inside in answer(kind).content


def test_values_of_another_type() -> None:
    [row, *_] = answer("ids_as_text").json()["collections"]
    assert isinstance(row["id"], str)
    assert isinstance(row["rows"], int)
    [row, *_] = answer("numbers_as_text").json()["collections"]
    assert isinstance(row["rows"], str)
    [row, *_] = answer("large_ids").json()["collections"]
    assert row["id"] > 2**62


def test_the_workspace_changes_during_faults() -> None:
    box, _ = faulty("time_passes")
    with box, calling(box) as api:
        api.get(PATH)
        assert box.clock.now() == NOW + 30
        people = [
            person["cio_id"]
            for person in api.post("/v1/customers", EVERYONE, limit=3).json()["identifiers"]
        ]
    for kind, there in (("people_gone", 2), ("extra_fields", 3)):
        box, _ = faulty(kind)
        with box, calling(box) as api:
            found = api.post("/v1/customers/attributes", {"ids": people}, id_type="cio_id").json()
            assert len(found["customers"]) == there


@pytest.mark.parametrize(("kind", "off"), [("clock_ahead", 3600), ("clock_back", -3600)])
def test_clocks_jump(kind: str, off: int) -> None:
    box, _ = faulty(after=10**9)
    with box, calling(box) as api:
        right = api.get(PATH).headers["date"]
    wrong = answer(kind).headers["date"]
    assert (wrong[17:19], right[17:19]) == (f"{off // 3600 % 24:02}", "00")


def run(seed: int) -> Counter[str]:
    box, faults = faulty(seed=seed, rate=0.5)
    with box, calling(box) as api:
        for limit in range(1, 60):
            with suppress(requests.RequestException):
                api.get("/v1/newsletters", limit=limit)
    return faults.injected


@pytest.mark.slow
def test_faults_depend_on_the_seed() -> None:
    first = run(1)
    assert first == run(1)
    assert first != run(2)
    assert 15 < first.total() < 45


def test_a_request_fails_a_number_of_times_and_others_do_not() -> None:
    box, faults = faulty("unavailable", path="/v1/coll*", in_a_row=2, most=3)
    with box, calling(box) as api:
        statuses = [api.get(PATH).status_code for _ in range(6)]
        assert statuses == [503, 503, 200, 503, 200, 200]
        assert api.get("/v1/snippets").status_code == 200
    assert faults.injected == {"unavailable": 3}
