"""check: what the key may read, and how to fix the rest."""

from __future__ import annotations

import base64
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from harness import NOW
from servers import Quiet, serving
from terminal import config_file, typed

from tap_customerio.api.diagnosis import HOSTS
from tap_customerio.commands.sampling import SamplingClient
from tap_customerio.sandbox import Behaviours
from tap_customerio.streams import all_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox

STREAMS = sorted(stream_class.name for stream_class in all_streams())


def status(out: str, stream: str) -> str:
    """A stream's status in the table."""
    [line] = [line for line in out.splitlines() if line.split()[:1] == [stream]]
    return " ".join(line.split()[1:])


def as_json(out: str) -> dict[str, dict[str, Any]]:
    """Findings by name."""
    report = json.loads(out)
    return {each["name"]: each for each in (*report["account"], *report["streams"])}


@pytest.mark.slow
@pytest.mark.parametrize("columns", [60, 200])
def test_everything_is_readable_and_fits_the_terminal(
    sandbox: Sandbox, tmp_path: Path, columns: int
) -> None:
    screen = typed("check", "--config", config_file(sandbox, tmp_path), columns=columns)
    assert screen.code == 0
    assert f"App API key: ok, at {sandbox.url}" in screen.out
    assert [line.split()[0] for line in screen.lines if "ok" in line][1:] == STREAMS
    assert max(map(len, screen.lines)) <= columns
    people = sandbox.workspace.count_people(NOW)
    assert status(screen.out, "customers") == f"ok {people:,}"
    assert status(screen.out, "messages") == "ok 100+"
    assert status(screen.out, "campaigns") == f"ok {len(sandbox.workspace.campaigns(NOW))}"
    assert status(screen.out, "campaign_actions").startswith("ok, off by default ")


@pytest.mark.slow
def test_it_costs_about_one_request_a_stream_and_requests_few_rows(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    assert typed("check", "--config", config_file(sandbox, tmp_path)).code == 0
    assert len(sandbox.calls) <= len(STREAMS) + 8
    unpaged = ("/v1/assets", "/v1/design_studio/", "/v1/esp/")
    for call in sandbox.calls:
        if not call.path.startswith(unpaged):
            assert int(call.query.get("limit", 0)) <= 100, call.path


def test_streams_can_be_selected_by_name(sandbox: Sandbox, tmp_path: Path) -> None:
    screen = typed("check", "snippets", "segments", "--config", config_file(sandbox, tmp_path))
    assert screen.code == 0
    paths = set(sandbox.requests_by_path())
    assert paths == {"/v1/workspaces", "/v1/snippets", "/v1/segments"}


@pytest.mark.slow
def test_what_the_key_or_the_plan_excludes_is_listed_with_a_fix(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    behaviours = Behaviours(
        without=frozenset({"/v1/exports", "/v1/segments/*/membership"}),
        lacking=frozenset({"/v1/objects*", "/v1/object_types"}),
    )
    box = make_sandbox(behaviours=behaviours)
    screen = typed("check", "--config", config_file(box, tmp_path))
    assert screen.code == 3
    assert status(screen.out, "exports") == "no permission"
    assert status(screen.out, "segment_memberships") == "no permission"
    assert status(screen.out, "segments").startswith("ok ")
    for stream in ("object_types", "objects", "object_relationships"):
        assert status(screen.out, stream) == "not on your plan"
    words = screen.words()
    assert "exports: app_api_key may not read GET /v1/exports (403): give the key a role" in words
    assert "object_relationships, object_types, objects: The API has nothing at" in words
    assert "deselect the streams that need it" in words


@pytest.mark.slow
def test_only_selected_streams_make_it_fail(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    box = make_sandbox(behaviours=Behaviours(without=frozenset({"/v1/reporting_webhooks"})))
    config = config_file(box, tmp_path)
    screen = typed("check", "--config", config)
    assert screen.code == 0
    assert status(screen.out, "reporting_webhooks") == "no permission, off by default"
    assert typed("check", "reporting_webhooks", "--config", config).code == 3


def test_a_parent_deleted_meanwhile_does_not_count_as_unavailable(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    box = make_sandbox()
    box.fail(status=404, path="/v1/segments/*/used_by")
    screen = typed("check", "segment_usage", "--config", config_file(box, tmp_path))
    assert screen.code == 0
    assert status(screen.out, "segment_usage") == "ok 1+"


def test_an_empty_stream_is_called_empty(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    box = make_sandbox()
    box.fail(status=200, body={"snippets": None}, path="/v1/snippets")
    screen = typed("check", "snippets", "--config", config_file(box, tmp_path))
    assert screen.code == 0
    assert status(screen.out, "snippets") == "empty 0"


def test_a_wrong_key_is_reported_before_any_stream_is_requested(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    config = config_file(sandbox, tmp_path, app_api_key="wrong-canary")
    screen = typed("check", "--config", config)
    assert screen.code == 1
    assert "app_api_key was refused by" in screen.words()
    assert screen.out.count("App API key: ") == 1
    assert "canary" not in screen.out + screen.err
    assert [call.path for call in sandbox.calls] == ["/v1/workspaces", "/v1/newsletters"]


@pytest.fixture
def regions(
    make_sandbox: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Sandbox]:
    """A sandbox in each region, with its own keys."""
    boxes = {region: make_sandbox(app_api_key=f"key-{region}") for region in ("us", "eu")}
    for region, box in boxes.items():
        monkeypatch.setitem(HOSTS, region, box.url)
    return boxes


def test_the_right_region_is_named(regions: dict[str, Sandbox], tmp_path: Path) -> None:
    config = config_file(regions["eu"], tmp_path, api_url=None, region="us")
    screen = typed("check", "snippets", "--config", config)
    assert screen.code == 1
    assert "region is 'us', but this app_api_key belongs to 'eu'" in screen.words()
    config = config_file(regions["eu"], tmp_path, api_url=None, region="auto")
    screen = typed("check", "snippets", "--config", config)
    assert screen.code == 0
    assert "App API key: ok, region eu" in screen.out


def test_an_unreachable_api_is_reported_soon(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SamplingClient.give_up_absent_after <= 10
    monkeypatch.setattr(SamplingClient, "give_up_absent_after", 0.01)
    config = config_file(sandbox, tmp_path, api_url="http://127.0.0.1:9")
    screen = typed("check", "--config", config)
    assert screen.code == 1
    assert "no connection to 127.0.0.1:9 (Connection refused)" in screen.words()


@pytest.mark.parametrize(
    ("local", "said"),
    [(0, "clock: ok"), (600, "10 min ahead of"), (-3600, "1 h behind")],
)
def test_a_wrong_local_clock_is_reported_and_harmless(
    sandbox: Sandbox, tmp_path: Path, local: int, said: str
) -> None:
    config = config_file(sandbox, tmp_path)
    with time_machine.travel(NOW + local, tick=False):
        screen = typed("check", "snippets", "--config", config)
    assert screen.code == 0
    assert said in screen.words()


@pytest.mark.slow
def test_json_says_the_same(make_sandbox: Callable[..., Sandbox], tmp_path: Path) -> None:
    box = make_sandbox(behaviours=Behaviours(without=frozenset({"/v1/exports"})))
    screen = typed("check", "--json", "--config", config_file(box, tmp_path))
    assert screen.code == 3
    found = as_json(screen.out)
    assert found["App API key"]["problem"] is None
    assert found.keys() >= set(STREAMS)
    assert found["exports"]["status"] == "no permission"
    assert "403" in found["exports"]["problem"]
    assert found["messages"] == {
        "name": "messages",
        "status": "ok",
        "problem": None,
        "rows": 100,
        "more": True,
    }


class Track(Quiet, BaseHTTPRequestHandler):
    """A Track API that knows one pair of credentials."""

    answer: dict[str, Any]

    def do_GET(self) -> None:
        """Return the region of the credentials."""
        pair = "Basic " + base64.b64encode(b"site:track-canary").decode()
        good = self.headers["Authorization"] == pair and self.path == "/api/v1/accounts/region"
        body = json.dumps(self.answer if good else {"meta": {"error": "unauthorized"}}).encode()
        self.send_response(200 if good else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def track() -> Iterator[HTTPServer]:
    """A Track API at its own address."""
    with serving(HTTPServer(("127.0.0.1", 0), Track)) as server:
        yield server


@pytest.mark.parametrize(
    ("key", "answer", "code", "said"),
    [
        ("track-canary", {"region": "us", "environment_id": 1001}, 0, "ok, workspace 1001"),
        ("track-canary", {"region": "us", "environment_id": 7}, 1, "workspace 7 of another"),
        ("other-canary", {"region": "us", "environment_id": 1001}, 1, "were refused by"),
        ("track-canary", {"surprise": 1}, 1, "did not respond as expected (status 200)"),
    ],
)
def test_the_track_api_is_checked_if_it_is_configured(  # noqa: PLR0913, PLR0917 - four are the case
    sandbox: Sandbox,
    track: HTTPServer,
    tmp_path: Path,
    key: str,
    answer: dict[str, Any],
    code: int,
    said: str,
) -> None:
    Track.answer = answer
    place = f"http://127.0.0.1:{track.server_port}"
    config = config_file(sandbox, tmp_path, site_id="site", track_api_key=key, track_api_url=place)
    screen = typed("check", "snippets", "--config", config)
    assert screen.code == code
    assert said in screen.words()
    assert "canary" not in screen.out + screen.err


def test_credentials_of_the_other_region_are_reported(
    regions: dict[str, Sandbox], track: HTTPServer, tmp_path: Path
) -> None:
    Track.answer = {"region": "us", "environment_id": 1001}
    place = f"http://127.0.0.1:{track.server_port}"
    pair = {"site_id": "site", "track_api_key": "track-canary", "track_api_url": place}
    config = config_file(regions["eu"], tmp_path, api_url=None, region="eu", **pair)
    screen = typed("check", "snippets", "--config", config)
    assert screen.code == 1
    assert "belong to region 'us', app_api_key to 'eu'" in screen.words()
