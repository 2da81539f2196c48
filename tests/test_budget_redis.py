"""Budgets in Redis: URLs, certificates, and an unavailable server."""

from __future__ import annotations

import ssl
import struct
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
import redis
import redis_server
from harness import config_for, run_tap

from tap_customerio import errors
from tap_customerio.api.client import Client
from tap_customerio.ratelimit import redis_budget
from tap_customerio.ratelimit.budget import MAX_SLOTS
from tap_customerio.ratelimit.redis_budget import RedisBudget

if TYPE_CHECKING:
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox


@pytest.fixture
def redis_config(sandbox: Sandbox, redis_url: str) -> dict[str, object]:
    return config_for(sandbox, rate_limit_url=f"{redis_url}/0", concurrency=4)


@pytest.mark.slow
def test_a_run_uses_the_budget_and_its_name_contains_no_key(
    sandbox: Sandbox, redis_config: dict[str, object], redis_url: str, tmp_path: Path
) -> None:
    with redis.Redis.from_url(redis_url) as server:
        server.flushall()
        run_tap(redis_config, streams=["segments"])
        [name] = server.keys()
        assert name.decode().startswith("tap-customerio:")
        kept = name + (server.get(name) or b"")
        assert sandbox.app_api_key.encode() not in kept
        server.set(name, struct.pack("<5d", time.time(), 0, time.time() + 1, 0, 100))
        before = time.monotonic()
        run_tap(redis_config, streams=["segments"])
        assert time.monotonic() - before > 0.9
    run_tap({**redis_config, "rate_limit_url": f"file:{tmp_path}"}, streams=["segments"])
    [file] = tmp_path.iterdir()
    assert sandbox.app_api_key not in file.name
    assert file.stat().st_size <= 40 + MAX_SLOTS * 8


@pytest.mark.slow
def test_without_redis_the_run_ends_with_state_and_without_a_request(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "budget_patience", 0.5)
    config = config_for(sandbox, start_date="2026-02-01", concurrency=2)
    with redis_server.serving() as url:

        def end_it() -> None:
            while len(sandbox.calls) < 6:
                time.sleep(0.001)
            redis.Redis.from_url(url).shutdown(nosave=True)

        thread = threading.Thread(target=end_it)
        thread.start()
        shared = {**config, "rate_limit_url": url, "requests_per_second": 20}
        output = run_tap(shared, streams=["messages"], fails=True)
        thread.join()
    assert len(sandbox.calls) < 9
    for said in ("rate_limit_url", url, "ConnectionError", "run again to continue"):
        assert said in output.problem
    assert output.types[-1] == "STATE"
    rest = run_tap(config, streams=["messages"], state=output.states[-1])
    whole = run_tap(config, streams=["messages"])
    assert output.ids("messages")
    assert 0 < len(rest.ids("messages")) < len(whole.ids("messages"))
    assert {*output.ids("messages"), *rest.ids("messages")} == set(whole.ids("messages"))


def test_redis_is_waited_for_during_an_outage(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RedisBudget, "timeout", 0.2)
    with redis_server.serving() as url:
        config = config_for(sandbox, rate_limit_url=url.replace("//", "//:secret-canary@"))
        server = redis.Redis.from_url(url)
        server.config_set("requirepass", "secret-canary")
        blocked = redis.Redis.from_url(url, password="secret-canary")
        blocked.client_pause(60_000, all=False)  # reads still succeed

        def let_go() -> None:
            while "trying again" not in caplog.text:
                time.sleep(0.01)
            blocked.client_unpause()

        thread = threading.Thread(target=let_go, daemon=True)
        thread.start()
        output = run_tap(config, streams=["segments"])
        thread.join(1)
    assert output.records["segments"]
    assert "trying again" in caplog.text
    assert "secret-canary" not in caplog.text


def test_permanent_redis_errors_are_not_retried(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with redis_server.serving() as url:
        redis.Redis.from_url(url).config_set("requirepass", "another")
        config = config_for(sandbox, rate_limit_url=url.replace("//", "//:secret-canary@"))
        problem = run_tap(config, streams=["segments"], fails=True).problem
    assert "AuthenticationError" in problem
    assert "rate_limit_url" in problem
    assert "secret-canary" not in problem + caplog.text
    assert "trying again" not in caplog.text
    assert not sandbox.calls


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "rest", "said"),
    [
        ("redis", "/0?health_check_interval=often", "an option health_check_interval"),
        ("redis", "/0?protocol=9", "an option protocol"),
        ("redis", "/0?ssl_cert_reqs=none", "an option ssl_cert_reqs"),
        ("rediss", "/0?ssl_cert_reqs=sometimes", "an option ssl_cert_reqs"),
        ("rediss", "/0?db=1&retry=3", "an option retry"),
        ("redis", "/0?sec@ret=1", "but the rest is not valid"),
        ("redis", "/first", "but the rest is not valid"),
    ],
)
def test_an_invalid_redis_url_is_named(sandbox: Sandbox, scheme: str, rest: str, said: str) -> None:
    url = f"{scheme}://:secret-canary@localhost:1{rest}"
    with pytest.raises(errors.TapError) as raised:
        run_tap(config_for(sandbox, rate_limit_url=url), streams=["segments"])
    problem = str(raised.value)
    assert f"{scheme}://localhost:1" in problem
    assert said in problem
    assert "secret-canary" not in problem
    assert "sec@ret" not in problem
    assert not sandbox.calls


@pytest.mark.parametrize(
    "options",
    [
        "decode_responses=True",
        "encoding=latin-1&encoding_errors=ignore&socket_timeout=3.5&db=1",
        "client_name=tap&protocol=3&health_check_interval=10&socket_keepalive=yes",
    ],
)
def test_options_of_a_url_are_used(sandbox: Sandbox, redis_url: str, options: str) -> None:
    config = config_for(sandbox, rate_limit_url=f"{redis_url}/0?{options}")
    assert run_tap(config, streams=["segments"]).records["segments"]


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ("", ssl.CERT_REQUIRED),
        ("?ssl_cert_reqs=required", ssl.CERT_REQUIRED),
        ("?ssl_cert_reqs=none", ssl.CERT_NONE),
        ("?ssl_cert_reqs=CERT_NONE", ssl.CERT_NONE),
    ],
)
def test_redis_may_have_a_private_certificate(options: str, mode: ssl.VerifyMode) -> None:
    client = redis_budget._client(f"rediss://host/0{options}", "host", 5)  # noqa: SLF001
    connection = client.connection_pool.make_connection()
    assert isinstance(connection, redis.SSLConnection)
    assert connection.cert_reqs is mode
    if mode is ssl.CERT_NONE:
        assert not connection.check_hostname


def test_a_missing_certificate_is_not_waited_for(
    sandbox: Sandbox, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = redis_url.replace("redis:", "rediss:")
    config = config_for(sandbox, rate_limit_url=f"{url}/0?ssl_ca_certs=/not/there.pem")
    assert "rate_limit_url" in run_tap(config, streams=["segments"], fails=True).problem
    assert "trying again" not in caplog.text


def test_a_missing_extra_is_named(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tap_customerio.ratelimit.redis_budget", None)
    config = config_for(sandbox, rate_limit_url="redis://127.0.0.1:1")
    with pytest.raises(errors.TapError, match=r"pip install '\.\[redis\]'"):
        run_tap(config, streams=["segments"])
