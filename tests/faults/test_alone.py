"""One odd person, parent, clock or wait affects nothing else."""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW, config_for, few_senders, new_sandbox, run_tap
from hostile import Edited
from starlette.responses import Response

from tap_customerio.api.client import Client
from tap_customerio.api.retrying import Health, Retrying
from tap_customerio.api.transport import RequestSpec, TransientError
from tap_customerio.sandbox import Faults
from tap_customerio.sandbox.faults.injection import read_body, response_of
from tap_customerio.settings import SETTINGS, Settings
from tap_customerio.windows import DAY, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("fast_retries")


@pytest.fixture(scope="module")
def one() -> Iterator[Sandbox]:
    few = few_senders(since=parse("2026-03-16"), per_day=12, people=105)
    with new_sandbox(workspace=few) as sandbox:
        yield sandbox


@pytest.fixture
def box(one: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setattr(Client, "give_up_alone_after", 0.05)
    monkeypatch.setattr(
        one.middleware, "app", one.middleware.app
    )  # so that the test's additions end with it
    return one


def breaking(app: ASGIApp, status: int, word: bytes) -> ASGIApp:
    """Responds with an error to requests that contain a word."""

    async def response(scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        right = await response_of(app, scope, body)
        await (Response(b"{}", status) if word in body else right)(scope, receive, send)

    return response


@pytest.mark.slow
@pytest.mark.parametrize("status", [400, 500])
def test_an_unreadable_profile_costs_no_other_person(
    box: Sandbox, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    fault_free = run_tap(config_for(box), streams=["customers"])
    lost = fault_free.ids("customers")[37]
    box.middleware.app = breaking(box.middleware.app, status, lost.encode())
    output = run_tap(config_for(box), streams=["customers"], fails=True)
    assert {*output.ids("customers")} == {*fault_free.ids("customers")} - {lost}
    assert f"POST /v1/customers/attributes ({lost}: status {status})" in caplog.text
    assert not output.states[-1]["bookmarks"]["customers"]


def test_parents_are_read_though_the_first_ones_are_rejected(box: Sandbox) -> None:
    faults = Faults("bad_request", path="/v1/segments/[1-7]/used_by", rate=1, in_a_row=10**9)
    fault_free = run_tap(config_for(box), streams=["segment_usage"])
    box.middleware.app = faults.around(box.middleware.app, box.clock)
    output = run_tap(config_for(box), streams=["segment_usage"], fails=True)
    assert (
        {*output.ids("segment_usage")}
        == {*fault_free.ids("segment_usage")} - {*range(1, 8)}
        != set()
    )


def _with(change: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    return {**response, **change}


@pytest.mark.slow
@pytest.mark.parametrize("count", [None, "many", {}, [1], ""])
def test_unreadable_counts_confirm_no_deletion(box: Sandbox, count: Any) -> None:
    stream = "segment_memberships"
    fault_free = run_tap(config_for(box), streams=[stream])
    right = box.middleware.app
    changes: dict[str, dict[str, Any]] = {
        "GET /v1/segments/*/membership": {"identifiers": None, "ids": None, "next": ""},
        "GET /v1/segments/*/customer_count": {"count": count},
    }
    for path, change in changes.items():
        box.middleware.app = Edited(path, partial(_with, change)).around(box.middleware.app)
    state = copy.deepcopy(fault_free.states[-1])
    output = run_tap(config_for(box, refresh_hours=0), streams=[stream], state=state)
    box.middleware.app = right
    assert fault_free.records[stream]
    assert not output.records[stream]
    assert "ACTIVATE_VERSION" in fault_free.types
    assert "ACTIVATE_VERSION" not in output.types


@pytest.mark.slow
@pytest.mark.parametrize("date", ["yesterday", "Wed, 01 Apr 2020 12:00:00 GMT"])
def test_a_path_with_an_odd_clock_fails_its_stream_only(
    box: Sandbox, caplog: pytest.LogCaptureFixture, date: str
) -> None:
    body: dict[str, Any] = {"snippets": []}
    box.fail(status=200, times=4, body=body, headers={"date": date}, path="/v1/snippets")
    output = run_tap(config_for(box), streams=["collections", "messages", "snippets"], fails=True)
    assert output.problem.startswith("Incomplete: snippets could not be read")
    assert "The responses to GET /v1/snippets have no current Date header" in caplog.text
    assert output.bookmark("messages") == rfc3339(NOW)
    assert output.records["collections"]


@pytest.mark.slow
@pytest.mark.parametrize("created", [NOW + DAY, "2999-01-01", 32_503_680_000])
def test_a_sender_created_in_the_future_is_counted(box: Sandbox, created: Any) -> None:
    def edit(response: Any) -> None:
        for row in response["campaigns"]:
            row["created"] = created

    fault_free = run_tap(config_for(box), streams=["journey_metrics"])
    box.middleware.app = Edited("GET /v1/campaigns", edit).around(box.middleware.app)
    output = run_tap(config_for(box), streams=["journey_metrics"])
    assert fault_free.records["journey_metrics"]
    assert output.records["journey_metrics"] == fault_free.records["journey_metrics"]


@pytest.mark.parametrize("others", [True, False])
def test_a_path_with_a_long_retry_after_is_given_up_at_once_if_others_succeed(
    *, others: bool
) -> None:
    defaults = {name: kind.get("default") for name, kind in SETTINGS["properties"].items()}
    settings = {**defaults, "app_api_key": "none", "api_url": "https://api.test"}
    client = Client(Settings.of(settings))
    client.health = Health(lambda _: others)
    tries = Retrying(client, RequestSpec("GET", "/v1/messages"), "messages")
    assert not tries.is_over(TransientError("status 503", 60.0))
    assert tries.is_over(TransientError("status 503", 600.0)) == others
