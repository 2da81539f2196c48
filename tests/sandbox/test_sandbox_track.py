"""The Track API: the workspace of its keys, and erasures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests
from sandbox.sandbox_caller import DAY, SINCE, calling

from tap_customerio.sandbox import Behaviours, Clock, Sandbox, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = SINCE + 20 * DAY
REGION = "/api/v1/accounts/region"
ENTITY = "/api/v2/entity"
BATCH = "/api/v2/batch"
PEOPLE = {p["identifiers"]["id"]: p["identifiers"] for p in Workspace(people=50).everyone(SINCE)}


class Track:
    """Requests to a sandbox's Track API, and a view of its workspace."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.auth: Any = (sandbox.site_id, sandbox.track_api_key)

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        """A request."""
        url = options.pop("url", self.sandbox.track_url) + path
        options = {"auth": self.auth, "timeout": 10, "allow_redirects": False, **options}
        return requests.request(method, url, json=body, **options)

    def do(self, action: str, identifier: str) -> requests.Response:
        """Delete, suppress or unsuppress with version 1."""
        path = f"/api/v1/customers/{quote(identifier, safe='')}"
        if action == "delete":
            return self.call("DELETE", path)
        return self.call("POST", f"{path}/{action}")

    def entity(self, action: str, **identifiers: Any) -> requests.Response:
        """The same with version 2."""
        return self.call("POST", ENTITY, item(action, **identifiers))

    def has(self, kind: str, text: str) -> bool:
        """Whether the App API finds a person."""
        with calling(self.sandbox) as api:
            path, query = "/v1/customers/attributes", {"id_type": kind}
            return bool(api.post(path, {"ids": [text]}, **query).json()["customers"])


def item(action: str, **identifiers: Any) -> dict[str, Any]:
    """One erasure in version 2."""
    return {"type": "person", "action": action, "identifiers": identifiers}


@pytest.fixture
def start() -> Iterator[Callable[..., Track]]:
    """Start a sandbox with 50 people."""
    running: list[Sandbox] = []

    def started(workspace: dict[str, Any] | None = None, **settings: Any) -> Track:
        space = Workspace(**{"per_day": 5, "people": 50, **(workspace or {})})
        sandbox = Sandbox(space, **{"clock": Clock(NOW), "requests_per_second": None, **settings})
        running.append(sandbox.__enter__())
        return Track(sandbox)

    yield started
    for sandbox in running:
        sandbox.__exit__(None, None, None)


@pytest.fixture
def track(start: Callable[..., Track]) -> Track:
    """A sandbox with default settings."""
    return start()


@pytest.mark.slow
@pytest.mark.parametrize(
    "auth",
    [None, ("sandbox-site-id", "wrong"), ("wrong", "sandbox-track-api-key"), ("", ""), "Bearer"],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", REGION),
        ("DELETE", "/api/v1/customers/u-7"),
        ("POST", "/api/v1/customers/u-7/suppress"),
        ("POST", ENTITY),
    ],
)
def test_site_id_and_key_must_be_right(track: Track, method: str, path: str, auth: Any) -> None:
    headers = {}
    if auth == "Bearer":
        auth, headers = None, {"authorization": f"Bearer {track.sandbox.app_api_key}"}
    response = track.call(method, path, item("delete", id="u-7"), auth=auth, headers=headers)
    assert (response.status_code, response.json()) == (401, {"meta": {"error": "unauthorized"}})
    assert track.has("id", "u-7")


def test_the_keys_are_configurable(start: Callable[..., Track]) -> None:
    track = start(site_id="s", track_api_key="k")
    assert (track.sandbox.site_id, track.sandbox.track_api_key) == ("s", "k")
    assert track.call("GET", REGION, auth=("s", "k")).status_code == 200


def test_region_and_workspace_of_the_keys_are_returned(start: Callable[..., Track]) -> None:
    for region in ("us", "eu"):
        track = start(region=region)
        expected = {"url": track.sandbox.track_url, "region": region, "environment_id": 1001}
        assert track.call("GET", REGION).json() == expected
        elsewhere = track.call("GET", REGION, url=track.sandbox.wrong_track_url)
        assert (elsewhere.status_code, elsewhere.json()) == (200, expected)


def test_the_host_of_the_wrong_region_redirects_known_keys(track: Track) -> None:
    wrong = track.sandbox.wrong_track_url
    path = "/api/v1/customers/a%2Fb%40example.com"
    response = track.call("DELETE", path, url=wrong)
    assert response.status_code == 307
    assert response.headers["location"] == track.sandbox.track_url + path
    assert track.call("DELETE", path, url=wrong, auth=None).status_code == 401
    assert [call.path for call in track.sandbox.stray_calls] == [
        "/api/v1/customers/a/b@example.com"
    ] * 2
    assert track.sandbox.track_calls == track.sandbox.calls == []
    track.sandbox.forget()
    assert track.sandbox.stray_calls == []


def test_each_api_has_its_own_url(track: Track) -> None:
    sandbox = track.sandbox
    assert len({sandbox.url, sandbox.track_url, sandbox.wrong_track_url}) == 3
    response = track.call("GET", "/v1/workspaces")
    assert (response.status_code, response.text) == (404, "404 page not found")
    with calling(sandbox) as api:
        assert api.get(REGION).text == "404 page not found"
    assert [len(calls) for calls in (sandbox.calls, sandbox.track_calls)] == [1, 1]


def test_both_apis_return_at_the_same_urls(track: Track) -> None:
    sandbox = track.sandbox
    urls = sandbox.url, sandbox.track_url, sandbox.wrong_track_url
    sandbox.__exit__(None, None, None)
    sandbox.__enter__()
    assert urls == (sandbox.url, sandbox.track_url, sandbox.wrong_track_url)
    assert track.call("GET", REGION).status_code == 200


@pytest.mark.parametrize("action", ["delete", "suppress"])
@pytest.mark.parametrize("kind", ["id", "email", "cio_id"])
def test_version_1_guesses_the_identifier_type(track: Track, action: str, kind: str) -> None:
    names = next(n for n in PEOPLE.values() if "+" in (n["email"] or "") and n["id"])
    text = f"cio_{names[kind]}" if kind == "cio_id" else names[kind]
    response = track.do(action, text)
    assert (response.status_code, response.json()) == (200, {})
    assert not any(track.has(kind, names[kind]) for kind in names)


@pytest.mark.parametrize("action", ["delete", "suppress"])
@pytest.mark.parametrize("kind", ["id", "email", "cio_id"])
def test_version_2_is_given_the_identifier_type(track: Track, action: str, kind: str) -> None:
    names = PEOPLE["u-7"]
    response = track.entity(action, **{kind: names[kind]})
    assert (response.status_code, response.json()) == (200, {})
    assert not any(track.has(kind, names[kind]) for kind in names)


def test_unknown_people_are_erased_silently(track: Track) -> None:
    count = track.sandbox.workspace.count_people(NOW)
    bare, prefixed = PEOPLE["u-7"]["cio_id"], f"cio_{PEOPLE['u-7']['cio_id']}"
    for text in (
        "nobody",
        "nobody@example.com",
        "cio_30e0ffff",
        "U-7",
        "cio_",
        "+15550100001",
        bare,
    ):
        assert track.do("delete", text).status_code == 200
    assert track.entity("delete", cio_id=prefixed).status_code == 200
    assert track.entity("delete", id="nobody").json() == {}
    assert track.sandbox.workspace.count_people(NOW) == count


def test_a_name_with_an_at_sign_is_an_address_if_addresses_identify_people(
    start: Callable[..., Track],
) -> None:
    named = {"id": "ada@example.com", "email": "other@example.com"}
    for kinds, is_gone in ((["id", "email"], False), (["id"], True)):
        track = start({"identified_by": kinds})
        track.sandbox.workspace.people_admin.identify(named, at=NOW)
        track.do("delete", named["id"])
        assert track.has("id", named["id"]) is not is_gone
        track.entity("delete", id=named["id"])
        assert not track.has("id", named["id"])


@pytest.mark.parametrize(
    ("method", "rest"),
    [("DELETE", ""), ("DELETE", "/"), ("POST", "//suppress"), ("POST", "/suppress")],
)
def test_nothing_happens_without_an_identifier(track: Track, method: str, rest: str) -> None:
    before = list(track.sandbox.workspace.everyone(NOW))
    assert track.call(method, f"/api/v1/customers{rest}").status_code == 404
    assert list(track.sandbox.workspace.everyone(NOW)) == before


def test_identifiers_have_a_maximum_length(track: Track) -> None:
    assert track.do("delete", "x" * 150).status_code == 200
    assert track.do("delete", "ä" * 76).status_code == 400


def test_deleted_people_can_return_and_suppressed_ones_cannot(track: Track) -> None:
    people_admin, names = track.sandbox.workspace.people_admin, PEOPLE["u-7"]
    track.do("delete", "u-7")
    again = people_admin.identify({"id": "u-7", "email": names["email"]}, at=NOW)
    assert again not in {None, names["cio_id"]}
    track.do("suppress", "u-7")
    assert people_admin.identify({"id": "u-7"}, at=NOW) is None
    assert people_admin.identify({"email": names["email"]}, at=NOW) is None
    assert track.do("unsuppress", names["email"]).json() == {}
    assert people_admin.identify({"id": "u-7"}, at=NOW)


@pytest.mark.parametrize("blocks", [True, False])
def test_suppressing_by_permanent_id_may_block_the_others(
    start: Callable[..., Track], *, blocks: bool
) -> None:
    track = start(behaviours=Behaviours(blocks_by_cio_id=blocks))
    track.entity("suppress", cio_id=PEOPLE["u-7"]["cio_id"])
    assert not track.has("id", "u-7")
    again = track.sandbox.workspace.people_admin.identify({"id": "u-7"}, at=NOW)
    assert (again is None) is blocks


def test_the_app_api_shows_an_erasure_after_a_while(start: Callable[..., Track]) -> None:
    track = start(behaviours=Behaviours(erasure_takes=30))
    track.do("delete", "u-7")
    track.do("suppress", "u-8")
    for _ in range(2):
        assert track.has("id", "u-7")
        assert track.has("id", "u-8")
        track.do("delete", "u-7")
        track.sandbox.clock.advance(14.5)
    assert track.sandbox.workspace.people_admin.identify({"id": "u-8"}, at=NOW) is None
    track.sandbox.clock.advance(1)
    assert not track.has("id", "u-7")
    assert not track.has("id", "u-8")


def test_the_keys_may_be_of_another_workspace(start: Callable[..., Track]) -> None:
    track = start({"siblings": [1002]}, track_workspace=1002)
    assert track.call("GET", REGION).json()["environment_id"] == 1002
    with calling(track.sandbox) as api:
        listed = [row["id"] for row in api.json("/v1/workspaces")["workspaces"]]
    assert listed == [1001, 1002]
    assert track.do("delete", "u-7").status_code == 200
    assert track.entity("suppress", id="u-7").status_code == 200
    assert track.has("id", "u-7")
    assert track.sandbox.workspace.people_admin.identify({"id": "u-7"}, at=NOW)


def test_people_are_erased_by_phone_if_it_identifies_them(start: Callable[..., Track]) -> None:
    number = {"phone": "+358401234567"}
    track = start({"identified_by": ["id", "email", "phone"]})
    track.sandbox.workspace.people_admin.identify(number, at=NOW)
    track.do("delete", number["phone"])
    assert track.has("phone", number["phone"])
    assert track.entity("suppress", **number).status_code == 200
    assert not track.has("phone", number["phone"])
    assert track.entity("suppress", phone="0401234567").status_code == 400


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "type"),
        ([], "type"),
        ({**item("delete", id="u-7"), "type": "object"}, "type"),
        (item("identify", id="u-7"), "action"),
        ({"type": "person", "action": "delete"}, "identifiers"),
        (item("delete"), "identifiers"),
        (item("delete", id="u-7", email="x@example.com"), "identifiers"),
        (item("delete", id=""), "identifiers.id"),
        (item("delete", id=7), "identifiers.id"),
        (item("delete", id="x" * 151), "identifiers.id"),
        (item("delete", phone="+358401234567"), "identifiers.phone"),
        (item("delete", name="u-7"), "identifiers.name"),
    ],
)
def test_malformed_erasures_are_rejected(track: Track, body: Any, field: str) -> None:
    response = track.call("POST", ENTITY, body)
    (fault,) = response.json()["errors"]
    assert (response.status_code, fault["field"]) == (400, field)
    assert fault.keys() == {"reason", "field", "message"}
    assert track.has("id", "u-7")


def test_too_long_requests_are_rejected(track: Track) -> None:
    long = {**item("delete", id="u-7"), "attributes": "x" * 33_000}
    assert track.call("POST", ENTITY, long).status_code == 400
    assert (
        track.call("POST", BATCH, {"batch": [item("delete", id="u-7")] * 9000}).status_code == 400
    )
    assert track.has("id", "u-7")


def test_malformed_entries_are_named_and_the_others_erased(track: Track) -> None:
    items = [item("delete", id="u-7"), item("delete", id=""), item("suppress", id="u-8"), {}]
    response = track.call("POST", BATCH, {"batch": items})
    assert response.status_code == 207
    assert [fault["batch_index"] for fault in response.json()["errors"]] == [1, 3]
    assert not track.has("id", "u-7")
    assert not track.has("id", "u-8")
    response = track.call("POST", BATCH, {"batch": [item("delete", id="u-9")]})
    assert (response.status_code, response.json()) == (200, {})
    batches: list[Any] = [None, [], {}]
    for batch in batches:
        assert track.call("POST", BATCH, {"batch": batch}).status_code == 400


def test_either_api_can_fail_while_the_other_works(track: Track) -> None:
    track.sandbox.fail(status=503, times=2, path="/api/*")
    assert [track.do("delete", "u-7").status_code for _ in range(3)] == [503, 503, 200]
    track.sandbox.fail(status=500, path="/v1/*")
    with calling(track.sandbox) as api:
        assert track.call("GET", REGION).status_code == 200
        assert api.get("/v1/workspaces").status_code == 500


def test_both_apis_have_separate_limits(start: Callable[..., Track]) -> None:
    track = start(requests_per_second=1)
    assert {track.call("GET", REGION).status_code for _ in range(5)} == {200}
