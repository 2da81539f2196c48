"""One request: its host, its key, its retries, and its errors."""

from __future__ import annotations

import logging
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from harness import NOW, make_client

from tap_customerio.api.client import Client
from tap_customerio.api.diagnosis import HOSTS
from tap_customerio.api.responses import Page, ParsedResponse, decode
from tap_customerio.api.transport import RequestSpec
from tap_customerio.errors import ForbiddenError, NotFoundError, TapError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox

CANARY = "ada.canary@example.org"


def test_a_response_comes_with_the_apis_clock(sandbox: Sandbox) -> None:
    response = make_client(sandbox).fetch("GET", "/v1/workspaces")
    assert response.get("workspaces")
    assert response.at == NOW


def test_now_is_the_first_response_and_costs_no_further_request(sandbox: Sandbox) -> None:
    client = make_client(sandbox)
    client.fetch("GET", "/v1/campaigns")
    assert client.present == NOW
    assert len(sandbox.calls) == 1


def test_now_can_be_requested_first(sandbox: Sandbox) -> None:
    assert make_client(sandbox).present == NOW
    assert [call.path for call in sandbox.calls] == ["/v1/workspaces"]


def test_a_key_with_few_permissions_can_request_now(sandbox: Sandbox) -> None:
    sandbox.fail(status=403, path="/v1/workspaces")
    assert make_client(sandbox).present == NOW


@pytest.mark.usefixtures("fast_retries")
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_transient_faults_are_retried(sandbox: Sandbox, status: int) -> None:
    sandbox.fail(status=status, times=3, path="/v1/campaigns")
    response = make_client(sandbox).fetch("GET", "/v1/campaigns")
    assert response.get("campaigns")
    assert [call.status for call in sandbox.calls] == [status] * 3 + [200]


@pytest.mark.usefixtures("fast_retries")
@pytest.mark.parametrize(
    "body",
    [b'{"campaigns": [', b"<html>busy</html>", b"", b'"text"'],
    ids=["truncated", "html", "empty", "string"],
)
def test_responses_that_are_no_json_objects_are_retried(sandbox: Sandbox, body: bytes) -> None:
    sandbox.fail(status=200, body=body, path="/v1/campaigns")
    assert make_client(sandbox).fetch("GET", "/v1/campaigns").get("campaigns")
    assert len(sandbox.calls) == 2


@pytest.mark.usefixtures("fast_retries")
def test_a_truncated_response_is_retried(sandbox: Sandbox) -> None:
    sandbox.fail(status=200, body=b"{", headers={"content-length": "1000"}, path="/v1/campaigns")
    assert make_client(sandbox).fetch("GET", "/v1/campaigns").get("campaigns")


@pytest.mark.usefixtures("fast_retries")
def test_a_slow_response_is_retried(make_sandbox: Callable[..., Sandbox]) -> None:
    slow = make_sandbox(latency_ms=200)
    client = make_client(slow, request_timeout=0.05)
    client.give_up_after = 0.2
    with pytest.raises(TapError, match="no complete response within request_timeout"):
        client.fetch("GET", "/v1/campaigns")
    assert len(slow.calls) >= 2


@pytest.mark.parametrize("wait", ["1", formatdate(NOW + 1, usegmt=True)])
def test_retry_after_is_used_in_both_forms(sandbox: Sandbox, wait: str) -> None:
    sandbox.fail(status=429, headers={"retry-after": wait}, path="/v1/campaigns")
    make_client(sandbox).fetch("GET", "/v1/campaigns")
    first, second = sandbox.calls
    assert second.arrived - first.arrived >= 0.9


@pytest.mark.usefixtures("fast_retries")
def test_a_429_pauses_and_slows_down_all_requests(sandbox: Sandbox) -> None:
    client = make_client(sandbox)
    full = client.limiter.rate
    sandbox.fail(status=429, path="/v1/campaigns")
    client.fetch("GET", "/v1/campaigns")
    assert client.limiter.rate < full * 0.8


def test_giving_up_names_the_request_and_the_fault(sandbox: Sandbox) -> None:
    sandbox.fail(status=503, times=1000, path="/v1/campaigns")
    client = make_client(sandbox)
    client.give_up_after = 0.01
    with pytest.raises(TapError, match=r"GET /v1/campaigns after .* status 503"):
        client.fetch("GET", "/v1/campaigns")
    sandbox.middleware.failures.clear()


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (400, TapError, "status 400"),
        (403, ForbiddenError, "role or scope"),
        (404, NotFoundError, "404"),
        (301, TapError, "redirected"),
    ],
)
def test_permanent_failures_stop_at_once_without_quoting_the_response(
    sandbox: Sandbox, status: int, kind: type[TapError], said: str
) -> None:
    headers = {"location": "https://elsewhere.example.org/"}
    sandbox.fail(status=status, body=CANARY, headers=headers, path="/v1/campaigns")
    with pytest.raises(kind, match=said) as problem:
        make_client(sandbox).fetch("GET", "/v1/campaigns")
    assert CANARY not in str(problem.value)
    asked = [call.path for call in sandbox.calls]
    assert asked.count("/v1/campaigns") == 1
    assert {*asked} <= {"/v1/campaigns", "/v1/workspaces"}, "only a probe shows what was rejected"


def test_a_rejected_key_lists_possible_causes_without_the_key(sandbox: Sandbox) -> None:
    with pytest.raises(TapError, match=r"App API key.*Track API key.*allow-list") as problem:
        make_client(sandbox, app_api_key="wrong-canary").fetch("GET", "/v1/campaigns")
    assert "wrong-canary" not in str(problem.value)


@pytest.fixture
def regions(
    make_sandbox: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Sandbox]:
    found = {region: make_sandbox(app_api_key=f"key-of-{region}") for region in ("us", "eu")}
    for name, box in found.items():
        monkeypatch.setitem(HOSTS, name, box.url)
    return found


@pytest.mark.parametrize("region", ["us", "eu"])
def test_auto_finds_the_region_once(regions: dict[str, Sandbox], region: str) -> None:
    client = make_client(regions[region], api_url=None, region="auto")
    for _ in range(3):
        client.fetch("GET", "/v1/campaigns")
    refused = [call for box in regions.values() for call in box.calls if call.status == 401]
    assert len(refused) == (region == "eu")
    assert len(regions[region].calls) == 4


def test_auto_with_an_unknown_key_is_an_error(regions: dict[str, Sandbox]) -> None:
    client = make_client(regions["us"], api_url=None, region="auto", app_api_key="nobody's")
    with pytest.raises(TapError, match="refused by"):
        client.fetch("GET", "/v1/campaigns")


WRONG = {"errors": [{"detail": "wrong datacenter", "status": "301"}]}


@pytest.mark.slow
@pytest.mark.parametrize("body", [WRONG, "<html>moved</html>"], ids=["words", "HTML"])
@pytest.mark.parametrize("status", [301, 302, 307, 403])
def test_a_region_that_redirects_the_key_does_not_decide(
    regions: dict[str, Sandbox], status: int, body: Any
) -> None:
    regions["us"].fail(status=status, times=1000, body=body)
    auto = make_client(regions["eu"], api_url=None, region="auto")
    assert auto.fetch("GET", "/v1/campaigns").get("campaigns")
    assert auto.region == "eu"
    us = make_client(regions["eu"], api_url=None, region="us")
    with pytest.raises(TapError, match="belongs to 'eu': set region to 'eu'"):
        us.fetch("GET", "/v1/campaigns")
    assert {call.path for call in regions["eu"].calls} == {"/v1/workspaces", "/v1/campaigns"}


def test_a_region_that_forbids_the_probe_is_used_if_the_other_rejects_the_key(
    regions: dict[str, Sandbox],
) -> None:
    regions["eu"].fail(status=403, times=1000, path="/v1/workspaces")
    client = make_client(regions["eu"], api_url=None, region="auto")
    assert client.fetch("GET", "/v1/campaigns").get("campaigns")
    assert client.region == "eu"


def test_regions_that_both_forbid_the_probe_decide_nothing(regions: dict[str, Sandbox]) -> None:
    for box in regions.values():
        box.fail(status=403, times=1000)
    client = make_client(regions["eu"], api_url=None, region="auto")
    with pytest.raises(TapError, match=r"region is 'auto', but .* set region to 'us' or 'eu'"):
        client.fetch("GET", "/v1/campaigns")


@pytest.mark.usefixtures("fast_retries")
def test_an_unreachable_region_does_not_hide_the_right_one(regions: dict[str, Sandbox]) -> None:
    regions["us"].fail(status=503, times=1000)
    client = make_client(regions["eu"], api_url=None, region="auto")
    assert client.fetch("GET", "/v1/campaigns").get("campaigns")
    regions["us"].middleware.failures.clear()


@pytest.mark.parametrize(("region", "other"), [("us", "eu"), ("eu", "us")])
def test_a_key_of_the_other_region_is_an_error_with_its_region(
    regions: dict[str, Sandbox], region: str, other: str
) -> None:
    client = make_client(regions[other], api_url=None, region=region)
    with pytest.raises(TapError, match=f"belongs to '{other}': set region to '{other}'"):
        client.fetch("GET", "/v1/campaigns")
    assert len(regions[other].calls) == 1


def test_a_key_rejected_by_api_url_is_sent_to_no_other_host(regions: dict[str, Sandbox]) -> None:
    with pytest.raises(TapError, match="refused by"):
        make_client(regions["us"], app_api_key=regions["eu"].app_api_key).fetch("GET", "/v1/x")
    assert regions["eu"].calls == []


def test_a_password_in_netrc_does_not_replace_the_key(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert make_client(sandbox).fetch("GET", "/v1/campaigns").get("campaigns")


@pytest.mark.slow
def test_pages_follow_tokens_to_the_end(sandbox: Sandbox) -> None:
    params = {"limit": 7, "start_ts": 0, "end_ts": int(NOW)}
    pages = list(make_client(sandbox).pages("/v1/messages", "messages", params=params))
    ids = [row["id"] for page in pages for row in page]
    truth = sandbox.workspace.deliveries(int(NOW) - 183 * 86_400, int(NOW) + 1, now=NOW)
    assert sorted(ids) == sorted(row["id"] for row in truth)


@pytest.mark.usefixtures("fast_retries")
def test_a_repeated_token_is_an_error(sandbox: Sandbox) -> None:
    body = {"messages": [{"id": "1"}], "next": "djIwOjE="}
    sandbox.fail(status=200, times=10, body=body, path="/v1/messages")
    with pytest.raises(TapError, match="page token twice"):
        list(make_client(sandbox).pages("/v1/messages", "messages"))
    sandbox.middleware.failures.clear()
    assert len(sandbox.calls) == 1 + Client.max_invalid_responses


@pytest.mark.parametrize(("rows", "expected"), [(None, [[]]), ([], [[]])])
def test_null_and_missing_next_end_a_list(
    sandbox: Sandbox, rows: Any, expected: list[list[Any]]
) -> None:
    sandbox.fail(status=200, body={"messages": rows}, path="/v1/messages")
    assert [
        list(page) for page in make_client(sandbox).pages("/v1/messages", "messages")
    ] == expected


def test_an_empty_page_with_a_token_is_not_the_end(sandbox: Sandbox) -> None:
    sandbox.fail(status=200, body={"messages": [], "next": "djIwOjE="}, path="/v1/messages")
    assert len(list(make_client(sandbox).pages("/v1/messages", "messages"))) > 1


@pytest.mark.usefixtures("fast_retries")
def test_a_missing_envelope_key_is_an_error(sandbox: Sandbox) -> None:
    sandbox.fail(status=200, times=4, body={"deliveries": []}, path="/v1/messages")
    with pytest.raises(TapError, match="has no 'messages'"):
        list(make_client(sandbox).pages("/v1/messages", "messages"))


def test_a_list_is_read_once_for_several_streams(sandbox: Sandbox) -> None:
    client = make_client(sandbox)
    first = client.listing("/v1/campaigns", "campaigns")
    assert client.listing("/v1/campaigns", "campaigns") is first
    assert len(sandbox.calls) == 1


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb'{"messages": [{"id": "a\u0000b"}]}', "ab"),
        (rb'{"messages": [{"id": "\ud83d"}]}', "\ufffd"),
        (rb'{"messages": [{"id": "\ud83d\ude00"}]}', "\U0001f600"),
        (b'{"messages": [{"id": "\xff"}]}', "\ufffd"),
    ],
    ids=["NUL", "half a pair", "whole pair", "not UTF-8"],
)
def test_text_is_escaped_for_targets(sandbox: Sandbox, body: bytes, text: str) -> None:
    sandbox.fail(status=200, body=body, path="/v1/messages")
    assert [list(page) for page in make_client(sandbox).pages("/v1/messages", "messages")] == [
        [{"id": text}]
    ]


def test_whole_numbers_keep_all_digits(sandbox: Sandbox) -> None:
    sandbox.fail(status=200, body=b'{"messages": [{"id": 9007199254740993}]}', path="/v1/messages")
    assert [list(page) for page in make_client(sandbox).pages("/v1/messages", "messages")] == [
        [{"id": 9007199254740993}]
    ]


@pytest.mark.usefixtures("fast_retries")
def test_logs_contain_no_key_and_no_response(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.fail(status=500, body=CANARY, path="/v1/campaigns")
    with caplog.at_level(logging.DEBUG):
        make_client(sandbox).fetch("GET", "/v1/campaigns")
    assert "status 500" in caplog.text
    assert CANARY not in caplog.text
    assert sandbox.app_api_key not in caplog.text


def test_requests_have_a_user_agent(sandbox: Sandbox) -> None:
    make_client(sandbox).fetch("GET", "/v1/campaigns")
    make_client(sandbox, user_agent="me@example.org").fetch("GET", "/v1/campaigns")
    assert sandbox.calls[0].agent.startswith("tap-customerio/")
    assert sandbox.calls[1].agent == "me@example.org"


def test_a_packed_page_contains_the_same_rows_in_less_memory() -> None:
    rows = [{"id": number, "name": "Anna"} for number in range(100)]
    response = ParsedResponse(decode(msgspec.json.encode({"rows": rows})), 0, "GET /v1/rows")
    page = Page(response, "rows", RequestSpec("GET", "/"), more=False)
    size = page.size
    page.pack()
    assert page.size < size / 2
    assert list(page) == list(page) == rows
