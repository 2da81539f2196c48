"""What no log line may contain, at any level, however the API responds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from harness import NOW

from tap_customerio.api.client import Client
from tap_customerio.sandbox import Faults
from tap_customerio.sandbox.faults.fault_kinds import FAULTS, HARMLESS, TRANSIENT
from tap_customerio.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from privacy_case import PrivacyCase

ADDRESS = re.compile(r"[\w.+-]+(@|%40)[\w-]+\.\w+")

LASTING = {*FAULTS} - {*TRANSIENT, *HARMLESS, "slow", "long_text"}


@pytest.fixture(autouse=True)
def _debug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log everything."""
    monkeypatch.setenv("TAP_CUSTOMERIO_LOGLEVEL", "DEBUG")
    monkeypatch.setattr(Client, "give_up_after", 2.0)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["transient", *sorted(LASTING)])
def test_no_log_line_names_anyone(open_case: Callable[..., PrivacyCase], fault: str) -> None:
    size = {"people": 6, "since": (NOW // DAY - 3) * DAY}
    rate = 0.2 if fault in {"transient", "longer_text"} else 1
    faults = Faults(*(TRANSIENT if fault == "transient" else [fault]), rate=rate, after=4)
    case = open_case(size, faults=faults, app_api_key="canary-key-5e1f")
    names = case.known()
    log = ""
    now = ("--yes", "--wait", "0.05")
    for command in (("access",), ("opt-out", *now), ("erase", *now), ("unsuppress",)):
        screen = case.ask(*command, "--email", names["email"], to=command[0])
        log += screen.out + screen.err
    screen = case.ask("inventory", "--sample", "9", to="inventory")
    log += screen.out + screen.err
    assert faults.injected
    assert "urllib3.connectionpool" in log
    assert ADDRESS.findall(log) == []
    secrets = (names["email"], quote(names["email"], safe=""), names["id"])
    keys = ("canary-key-5e1f", case.box.track_api_key, case.box.site_id)
    assert not [word for word in (*secrets, *keys) if re.search(rf"\b{re.escape(word)}\b", log)]


def test_urls_are_logged_without_the_search_value(case: PrivacyCase) -> None:
    screen = case.ask("access", "--email", case.known()["email"])
    assert '"GET /v1/customers?*** HTTP' in screen.err
    assert '"GET /v1/esp/search_suppression/*** HTTP' in screen.err


@pytest.mark.usefixtures("fast_retries")
def test_a_fault_is_logged_without_the_address_in_its_path(case: PrivacyCase) -> None:
    case.box.fail(status=503, path="/v1/esp/search_suppression/*")
    screen = case.ask("access", "--email", case.known()["email"])
    assert "GET /v1/esp/search_suppression/***: status 503; trying again" in screen.err
    assert ADDRESS.findall(screen.err) == []
