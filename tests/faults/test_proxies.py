"""Proxies of the environment: none for this machine, and an error for unusable ones."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from harness import config_for, run_tap
from servers import Quiet, serving

if TYPE_CHECKING:
    from tap_customerio.sandbox import Sandbox

ELSEWHERE = {"app_api_key": "none", "api_url": "https://api.test"}
SECRET = "canary-7f3a"


class LoginProxy(Quiet, BaseHTTPRequestHandler):
    """Rejects all requests."""

    def do_CONNECT(self) -> None:
        """Reject the request."""
        self.send_error(407)

    def do_GET(self) -> None:
        """Reject the request, too."""
        self.do_CONNECT()


def test_a_proxy_that_requires_a_login_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), LoginProxy)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_port}")
        output = run_tap(ELSEWHERE, streams=["snippets"], fails=True)
    assert output.problem.startswith("A proxy in front of https://api.test requires a login (407)")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_proxy_gets_the_key_for_a_server_on_this_machine(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), LoginProxy)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.server_port}")
        config = config_for(sandbox, api_url=sandbox.url.replace("127.0.0.1", host))
        assert run_tap(config, streams=["snippets"]).records["snippets"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", f"socks5://ada:{SECRET}@127.0.0.1:1"])
def test_an_unusable_proxy_is_named_at_once(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)
    output = run_tap(ELSEWHERE, streams=["snippets"], fails=True)
    assert output.problem.startswith("The environment variable HTTPS_PROXY or ALL_PROXY names no")
    assert SECRET not in output.problem
