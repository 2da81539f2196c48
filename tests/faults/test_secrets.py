"""Secrets appear in no log line, neither of the tap nor of its libraries."""

from __future__ import annotations

import logging
import re
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from harness import DEFAULTS, NOW, config_for, few_senders, new_sandbox, run_tap
from servers import Quiet, serving

from tap_customerio.api.transport import Bearer, RequestSpec, Transport
from tap_customerio.ratelimit.limiter import RateLimiter
from tap_customerio.sandbox import Faults
from tap_customerio.sandbox.faults.fault_kinds import TRANSIENT
from tap_customerio.settings import Settings
from tap_customerio.windows import parse

ADDRESS = re.compile(r"[\w.+-]+(?:@|%40)[\w-]+\.\w+")
KEY = "canary-key-5e1f"


@pytest.mark.slow
@pytest.mark.usefixtures("fast_retries")
@pytest.mark.parametrize("lasting", [None, "unauthorized", "forbidden", "huge_integers"])
def test_no_log_line_contains_a_secret_an_address_or_a_response(
    caplog: pytest.LogCaptureFixture, lasting: str | None
) -> None:
    size = {"per_day": 3, "people": 4, "objects_per_type": 1, "campaigns": 2, "newsletters": 1}
    workspace = few_senders(since=parse("2026-03-27"), **size)
    faults = Faults(*TRANSIENT, rate=0.5) if lasting is None else Faults(lasting, rate=1, after=20)
    caplog.set_level(logging.DEBUG)
    with new_sandbox(now=NOW, workspace=workspace, faults=faults, app_api_key=KEY) as box:
        config = config_for(
            box,
            requests_per_second=100_000,
            metrics_resolution="weeks",
            start_date="2026-03-20",
        )
        output = run_tap(config, fails=lasting is not None)
        names = {row["name"] for row in workspace.campaigns(NOW)}
    assert faults.injected
    log = "\n".join([*(record.getMessage() for record in caplog.records), output.problem])
    log += "".join(str(record.exc_text) for record in caplog.records if record.exc_info)
    urls = [line.getMessage() for line in caplog.records if line.name == "urllib3.connectionpool"]
    assert {query for url in urls for query in re.findall(r"\?\S+", url)} == {"?***"}
    assert KEY not in log
    assert ADDRESS.findall(log) == []
    assert not [name for name in names if name in log]
    assert KEY not in repr(output.states)
    assert ADDRESS.findall(repr(output.states)) == []


class MalformedHeaders(Quiet, BaseHTTPRequestHandler):
    """Sends part of a response among its headers."""

    def do_GET(self) -> None:
        """Send a line without a colon."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nada@example.org\r\nContent-Length: 2\r\n\r\n[]")


def test_no_log_line_quotes_malformed_headers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    settings = Settings.of({**DEFAULTS, "app_api_key": KEY})
    with serving(HTTPServer(("127.0.0.1", 0), MalformedHeaders)) as server:
        transport = Transport(settings, RateLimiter(1000), Bearer(KEY))
        query = {"email": "ben@example.org"}
        url = f"http://127.0.0.1:{server.server_port}"
        transport.send(url, RequestSpec("GET", "/v1/customers", query))
    assert "GET /v1/customers?***" in caplog.text
    assert ADDRESS.findall(caplog.text) == []
