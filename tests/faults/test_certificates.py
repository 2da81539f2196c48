"""TLS: certificates from the environment, and servers that cannot be verified."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
import trustme
from harness import config_for, run_tap
from servers import Quiet, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Unauthorized(Quiet, BaseHTTPRequestHandler):
    """Rejects every key."""

    def do_GET(self) -> None:
        """Reject the key."""
        self.send_error(401)


@contextmanager
def private_server(authority: trustme.CA) -> Iterator[str]:
    """The URL of a server whose certificate only this authority has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = HTTPServer(("localhost", 0), Unauthorized)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server):
        yield f"https://localhost:{server.server_port}"


def problem_at(url: str) -> str:
    """The error of a run that reads this URL."""
    config = {"app_api_key": "none", "api_url": url}
    return run_tap(config, streams=["snippets"], fails=True).problem


@pytest.mark.parametrize("variable", BUNDLES)
def test_a_private_certificate_is_trusted_where_the_environment_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with private_server(authority) as url:
        assert "cannot be verified" in problem_at(url)
        monkeypatch.setenv(variable, str(tmp_path / "ca.pem"))
        assert "app_api_key" in problem_at(url)


def test_certificates_that_do_not_exist_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "no-such.pem")
    assert "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names no-such.pem" in problem_at(
        "https://api.test"
    )


def test_a_server_on_this_machine_needs_no_certificates(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "no-such.pem")
    assert run_tap(config_for(sandbox), streams=["snippets"]).records["snippets"]


def test_a_server_without_tls_is_rejected(sandbox: Sandbox) -> None:
    config = config_for(sandbox, api_url=sandbox.url.replace("http:", "https:"))
    output = run_tap(config, streams=["snippets"], fails=True)
    assert "cannot be verified" in output.problem
    assert sandbox.calls == []
