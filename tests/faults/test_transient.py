"""Transient faults, one in each run: at the end every record is there, once."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW, SINCE, Output, config_for, new_sandbox, run_tap

from tap_customerio.api.client import Client
from tap_customerio.sandbox import Faults, Workspace
from tap_customerio.sandbox.faults.fault_kinds import HARMLESS, TRANSIENT
from tap_customerio.settings import SETTINGS, Settings
from tap_customerio.windows import DAY, HOUR, parse

if TYPE_CHECKING:
    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("fast_retries")

STREAMS = {
    "/v1/activities": "activities",
    "/v1/campaigns/*/actions": "campaign_actions",
    "/v1/newsletters": "newsletters",
}
"""Lists of several pages, with their streams."""

PAGING = ("repeated_page", "looping_cursor", "restarted_cursor", "missing_envelope")
DEFAULTS = {name: kind.get("default") for name, kind in SETTINGS["properties"].items()}
WORKSPACE = Workspace(since=SINCE, per_day=10, people=40, newsletters=120, activities_per_day=12)


@pytest.fixture(scope="module")
def fault_free() -> Output:
    """The output of a run without faults."""
    with new_sandbox(workspace=WORKSPACE) as box:
        return run_tap(config_for(box), streams=STREAMS.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "path"),
    [
        *((kind, "/v1/newsletters") for kind in (*TRANSIENT, *HARMLESS)),
        *((kind, "/v1/activities") for kind in PAGING),
        *((kind, "/v1/campaigns/*/actions") for kind in PAGING),
    ],
)
def test_a_transient_fault_loses_and_repeats_no_record(
    fault_free: Output, kind: str, path: str
) -> None:
    faults = Faults(kind, path=path, rate=1, in_a_row=3)
    with new_sandbox(workspace=WORKSPACE, faults=faults) as box:
        config = config_for(box, requests_per_second=100_000)
        output = run_tap(config, streams=[STREAMS[path]])
    assert faults.injected[kind] >= 1
    assert output.rows(STREAMS[path]) == fault_free.rows(STREAMS[path])


@pytest.mark.slow
def test_responses_slower_than_the_timeout_are_retried() -> None:
    faults = Faults("slow", path="/v1/snippets", rate=1, most=2, patience=30)
    with new_sandbox(faults=faults) as box:
        output = run_tap(config_for(box, request_timeout=0.3), streams=["snippets"])
        assert [call.path for call in box.calls].count("/v1/snippets") >= 3
        assert sorted(output.ids("snippets")) == sorted(
            row["name"] for row in box.workspace.snippets(NOW)
        )
    assert faults.injected == {"slow": 2}


class Outage(logging.Handler):
    """Ends after the tap has logged three retries."""

    def __init__(self, box: Sandbox) -> None:
        super().__init__()
        self.tries = 0
        self.box = box

    def emit(self, record: logging.LogRecord) -> None:
        """Count a retry."""
        self.tries += "(Connection refused); trying again" in record.getMessage()
        if self.tries == 3:
            self.box.__enter__()


def test_a_server_that_responded_before_is_retried() -> None:
    outage, logger = Outage(new_sandbox()), logging.getLogger("tap-customerio.client")
    with outage.box as box:
        client = Client(Settings.of({**DEFAULTS, **config_for(box)}))
        before = client.fetch("GET", "/v1/snippets").whole()
    client.give_up_absent_after = 0.0
    logger.addHandler(outage)
    try:
        after = client.fetch("GET", "/v1/snippets").whole()
    finally:
        logger.removeHandler(outage)
        box.__exit__(None, None, None)
    assert outage.tries >= 3
    assert after == before


def test_temporary_dns_failures_are_retried(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve, asked = socket.getaddrinfo, Counter[str]()

    def getaddrinfo(host: str, *arguments: Any, **options: Any) -> Any:
        asked[host] += 1
        if asked[host] <= 3:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    output = run_tap(config_for(sandbox), streams=["snippets"])
    assert output.records["snippets"]
    assert asked["127.0.0.1"] >= 4


@pytest.mark.slow
def test_deliveries_created_while_a_window_is_read_come_once_now_or_next_time() -> None:
    faults = Faults("time_passes", path="/v1/messages", rate=1, in_a_row=10**9)
    size = Workspace(since=SINCE, per_day=4000, people=20)
    with new_sandbox(now=SINCE + 1.5 * DAY, workspace=size, faults=faults) as box:
        config = config_for(box, start_date="2026-02-01")
        first = run_tap(config, streams=["messages"])
        second = run_tap(config, streams=["messages"], state=first.states[-1])
        now = box.clock.now()
    middle, end = (parse(output.bookmark("messages")) for output in (first, second))

    def made(start: int, end: int) -> list[str]:
        return [row["id"] for row in size.deliveries(start, end, now=now)]

    assert faults.injected["time_passes"] >= 5
    assert sorted(first.ids("messages")) == sorted(made(SINCE, middle))
    an_hour_old = made(middle - HOUR, end - HOUR)  # a later sync reads them again, like any other
    assert made(middle, end)
    assert sorted(second.ids("messages")) == sorted(made(middle, end) + an_hour_old)
