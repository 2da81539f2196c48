"""The processes of docs/cluster.md, started with its own commands in a copy of the example."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import zlib
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import redis
from documented import line
from e2e.processes import ROOT, environment, installed, run, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from typing_extensions import Self

EXAMPLE = Path(__file__).with_name("cluster")
DOCUMENT = ROOT / "docs" / "cluster.md"
HASTY = """
import importlib.util, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name != "dagster._daemon.controller":
            return None
        sys.meta_path.remove(self)
        found = importlib.util.find_spec(name)
        load = found.loader.exec_module
        def load_and_change(module):
            load(module)
            module.DEFAULT_DAEMON_INTERVAL_SECONDS = 1
        found.loader.exec_module = load_and_change
        return found

sys.meta_path.insert(0, Finder())
"""
"""A sitecustomize.py with which the daemon looks for backfills every second, not every thirty."""


class Stack:
    """The example in a separate folder; its processes end with the context.

    Attributes:
        home: The folder.
        workers: The main process of each worker.
    """

    def __init__(
        self, folder: Path, everywhere: Mapping[str, str], of_workers: Mapping[str, str]
    ) -> None:
        """Copy it, with variables for all processes and for the workers only."""
        self.home, self.logs = folder / "home", folder / "logs"
        self.logs.mkdir()
        shutil.copytree(EXAMPLE, self.home, ignore=shutil.ignore_patterns("__pycache__"))
        path = os.pathsep.join([str(Path(installed("dagster")).parent), os.environ["PATH"]])
        self.variables = {**everywhere, "DAGSTER_HOME": str(self.home), "PATH": path}
        self._of_workers = of_workers
        self._stack = ExitStack()
        self.workers: list[psutil.Process] = []

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def start(self) -> None:
        """Start everything except the daemon; workers first, because they take longest."""
        self._run("dagster instance")
        for _ in range(2):
            self.workers.append(self._start("dagster-celery", **self._of_workers))
        code, self._web = free_ports(2)
        self.variables["CODE_SERVER_PORT"] = str(code)
        self._start("dagster code-server")
        wait_until(lambda: listens(code), "the code server")
        self._start("dagster-webserver", "-p", str(self._web))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill processes that still run."""
        self._stack.close()

    def launch(self) -> None:
        """Launch the backfill as soon as the webserver responds, and then start the daemon.

        The daemon looks for backfills when it starts, and then every thirty seconds.
        """
        wait_until(lambda: listens(self._web), "the webserver")
        self._run("dagster-graphql", "-r", f"http://127.0.0.1:{self._web}")
        self._start("dagster-daemon")

    def all_text(self) -> str:
        """All text in the logs and in the folder."""
        files = [*self.logs.rglob("*"), *self.home.rglob("*")]
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')}"
            for path in files
            if path.is_file()
        )

    def _run(self, program: str, *more: str) -> None:
        said = run(_shell(program, *more), cwd=self.home, env=environment(**self.variables))
        (self.logs / f"{program}.log").write_text(said.log + said.printed)

    def _start(self, program: str, *more: str, **variables: str) -> psutil.Process:
        with (self.logs / f"{program} {len(self.workers)}.log").open("wb") as log:
            process = subprocess.Popen(
                _shell(program, *more),
                cwd=self.home,
                env=environment(**self.variables, **variables),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._stack.callback(process.wait)
        found = psutil.Process(process.pid)
        self._stack.callback(kill_all, found)
        return found


def hasty(folder: Path) -> str:
    """Write a folder for PYTHONPATH with which the daemon waits less."""
    path = folder / "hasty"
    path.mkdir()
    (path / "sitecustomize.py").write_text(HASTY)
    return str(path)


def _shell(program: str, *more: str) -> list[str]:
    return ["sh", "-c", f"exec {line(program, 'docs/cluster.md')} {shlex.join(more)}"]


def free_ports(count: int) -> list[int]:
    """Free ports."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in taken]


def listens(port: int) -> bool:
    """Whether a process listens at a port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def kill_all(process: psutil.Process) -> None:
    """Kill a process and all its descendants, as if its machine failed."""
    with suppress(psutil.NoSuchProcess):
        for member in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                member.kill()


def in_database(uri: str) -> str:
    """All text in Dagster's database, decompressed."""
    with psycopg.connect(uri) as connection:
        names = connection.execute(
            "select tablename from pg_tables where schemaname = 'public'"
        ).fetchall()
        rows = [
            cell
            for (name,) in names
            for row in connection.execute(f"select * from {name}".encode()).fetchall()
            for cell in row
        ]
    return "\n".join(
        zlib.decompress(cell).decode() if isinstance(cell, bytes) else str(cell) for cell in rows
    )


def in_redis(url: str) -> str:
    """All content of a Redis database."""
    with redis.Redis.from_url(url, decode_responses=True, encoding_errors="replace") as client:
        show: dict[str, Callable[[str], Any]] = {
            "string": client.get,
            "hash": client.hgetall,
            "set": client.smembers,
            "list": lambda key: client.lrange(key, 0, -1),
            "zset": lambda key: client.zrange(key, 0, -1),
        }
        return "\n".join(f"{key} {show[client.type(key)](key)}" for key in client.scan_iter())


def kept_for(url: str) -> int:
    """The seconds for which Celery keeps the results of runs."""
    with redis.Redis.from_url(url) as client:
        return min(int(client.ttl(key)) for key in client.scan_iter("celery-task-meta-*"))
