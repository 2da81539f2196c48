"""The Redis server of the tests: found in several places, never silently missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis
import redis_server

if TYPE_CHECKING:
    from pathlib import Path


def test_it_responds(redis_url: str) -> None:
    with redis.Redis.from_url(f"{redis_url}/1") as client:
        assert client.ping()


def test_one_from_a_wheel_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with redis_server.serving() as url, redis.Redis.from_url(url) as client:
        assert client.ping()


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)]
)
def test_without_a_server_tests_fail_in_ci_and_are_skipped_elsewhere(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(redis_server, "program", lambda: None)
    with pytest.raises(outcome, match="no Redis server"), redis_server.serving():
        pass
