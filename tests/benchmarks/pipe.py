"""Deliveries a second into a database: complete pipelines, compared with alternatives.

    python tests/benchmarks/pipe.py [--deliveries 60000] [--rounds 3] [--rivals FOLDER] [--paced]
                                    [--streams [NAME …]]

The sandbox responds at once from memory, so that only the pipeline is measured; with `--paced` it
responds to 10 requests a second after 250 ± 100 ms. `--rivals` installs ingestr 0.14.155 and
target-duckdb 0.8.0 into environments in that folder and measures them in the same rounds: the same
deliveries with all fields, into an empty database, including process start. The numbers depend on
the machine and its other load: compare them within one run.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.full_read import NOW, command

from tap_customerio.sandbox import Clock, Sandbox, Workspace
from tap_customerio.windows import DAY, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

DAYS = 30
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
INGESTR = """
import sys
import ingestr.src.customer_io.helpers as helpers
from ingestr.main import main
helpers.BASE_URLS["us"] = sys.argv.pop(1)
main()
"""


class CachedApp:
    """An app that returns the same bytes for the same request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._answers: dict[tuple[object, ...], list[Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond from memory, or store the response."""
        key = (scope["method"], scope["path"], scope["query_string"])
        if scope["method"] != "GET" or key not in self._answers:
            said: list[Message] = []

            async def listen(message: Message) -> None:
                said.append(message)
                await send(message)

            await self._app(scope, receive, listen)
            self._answers[key] = said
            return
        for message in self._answers[key]:
            await send(message)


class Pipes:
    """The pipelines to compare, each of which loads the same deliveries into an empty database."""

    def __init__(
        self, sandbox: Sandbox, folder: Path, rivals: Path | None, rate: int, streams: list[str]
    ) -> None:
        """Write the configurations."""
        self.folder, self.rivals, self.sandbox = folder, rivals, sandbox
        config = {
            "app_api_key": sandbox.app_api_key,
            "api_url": sandbox.url,
            "start_date": rfc3339(NOW - DAYS * DAY),
            "requests_per_second": rate,
        }
        self.tap = command(folder, config, streams)
        self.database = folder / "warehouse.duckdb"
        self.target = folder / "target.json"
        settings = {"path": str(self.database), "default_target_schema": "main"}
        self.target.write_text(json.dumps({**settings, "batch_size_rows": 50_000}))

        # As in a permanent installation: the first round compiles all modules.
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != _NO_BYTECODE},
            "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
            "DISABLE_TELEMETRY": "true",
            "INGESTR_DISABLE_TELEMETRY": "1",
        }

    def all(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Their names, and functions that run them."""
        yield "tap alone, with a catalogue", lambda: self._pipe(["cat"])
        loader = [sys.executable, "-m", "tap_customerio.duckdb_target"]
        yield "tap | target-duckdb (ours)", lambda: self._pipe([*loader, "--config", self._target])
        if self.rivals:
            old = str(_environment(self.rivals, "target-duckdb==0.8.0") / "target-duckdb")
            yield "tap | target-duckdb 0.8.0", lambda: self._pipe([old, "--config", self._target])
            python = str(_environment(self.rivals, "ingestr==0.14.155") / "python")
            yield "ingestr 0.14.155", lambda: self._ingestr(python)

    @property
    def _target(self) -> str:
        return str(self.target)

    def _pipe(self, target: list[str]) -> None:
        with (
            (self.folder / "log").open("wb") as log,
            subprocess.Popen(
                self.tap, stdout=subprocess.PIPE, stderr=log, env=self.environment
            ) as tap,
            subprocess.Popen(
                target,
                stdin=tap.stdout,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=self.environment,
            ) as loader,
        ):
            assert tap.stdout is not None
            tap.stdout.close()
        assert (tap.returncode, loader.returncode) == (0, 0), (self.folder / "log").read_text()

    def _ingestr(self, python: str) -> None:
        source = f"customerio://?api_key={self.sandbox.app_api_key}&region=us"
        words = ["ingest", "--yes", "--source-uri", source, "--source-table", "messages"]
        words += ["--dest-uri", f"duckdb:///{self.database}", "--dest-table", "main.messages"]
        words += ["--interval-start", rfc3339(NOW - DAYS * DAY)[:19], "--progress", "log"]
        subprocess.run(
            [python, "-c", INGESTR, self.sandbox.url, *words],
            check=True,
            capture_output=True,
            env=self.environment,
        )

    def rows(self) -> int:
        """The number of deliveries in the database."""
        with duckdb.connect(str(self.database), read_only=True) as database:
            ((count,),) = database.execute("select count(*) from main.messages").fetchall()
            return int(count)


def _environment(folder: Path, requirement: str) -> Path:
    place = folder.resolve() / requirement.split("=", maxsplit=1)[0].strip("<>")
    if not place.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "-q"]
        subprocess.run([*pip, requirement], check=True)
    return place / "bin"


class Measurement(NamedTuple):
    """The time of a pipeline, and the requests that the sandbox saw."""

    seconds: float
    cpu: float
    requests: int
    rate: float
    refused: int

    @classmethod
    def of(cls, seconds: float, cpu: float, sandbox: Sandbox) -> Measurement:
        """Computed from the clocks and the requests."""
        arrived = sorted(call.arrived for call in sandbox.calls)
        rate = (len(arrived) - 1) / (arrived[-1] - arrived[0])
        return cls(
            seconds, cpu, len(arrived), rate, sum(call.status == 429 for call in sandbox.calls)
        )


def _measure(pipes: Pipes, deliveries: int, rounds: int) -> dict[str, Measurement]:
    """The best run of each pipeline; the first round only fills caches."""
    best: dict[str, Measurement] = {}
    for number in range(rounds + 1):
        for name, run in pipes.all():
            pipes.database.unlink(missing_ok=True)
            pipes.sandbox.calls.clear()
            began, used = time.monotonic(), _cpu_seconds()
            run()
            taken, used = time.monotonic() - began, _cpu_seconds() - used
            if "alone" not in name:
                assert pipes.rows() >= deliveries * 0.99, (name, pipes.rows())
            if number:
                found = Measurement.of(taken, used, pipes.sandbox)
                best[name] = min(best.get(name, found), found)
    return best


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _show(best: dict[str, Measurement], deliveries: int) -> None:
    print(f"{deliveries:,} deliveries, on this machine: {os.cpu_count()} cores, other load unknown")
    columns = f"{'seconds':>9}{'CPU':>7}{'rows/s':>9}{'requests':>10}{'a second':>10}{'429s':>6}"
    print(f"{'':<30}{columns}")
    for name, taken in best.items():
        rows = f"{taken.seconds:>9.1f}{taken.cpu:>7.1f}{deliveries / taken.seconds:>9,.0f}"
        print(f"{name:<30}{rows}{taken.requests:>10,}{taken.rate:>10.2f}{taken.refused:>6}")
    ours = best["tap | target-duckdb (ours)"].seconds
    for name, taken in best.items():
        if "alone" not in name and "ours" not in name:
            print(f"rows a second of ours against {name}: {taken.seconds / ours:.2f} times")


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rivals", type=Path)
    parser.add_argument("--paced", action="store_true")
    parser.add_argument("--streams", nargs="*", default=["messages"], help="none: all of them")
    options = parser.parse_args()
    workspace = Workspace(since=NOW - DAYS * DAY, per_day=options.deliveries // DAYS)
    paced: dict[str, Any] = {"latency_ms": 250, "jitter_ms": 100, "requests_per_second": 10}
    free: dict[str, Any] = {"requests_per_second": None}
    sandbox = Sandbox(workspace, clock=Clock(NOW), **(paced if options.paced else free))
    sandbox.middleware.app = CachedApp(sandbox.middleware.app)
    deliveries = sum(1 for _ in workspace.deliveries(NOW - DAYS * DAY, NOW, now=NOW))
    with sandbox, tempfile.TemporaryDirectory() as folder:
        rate = 10 if options.paced else 10_000
        pipes = Pipes(sandbox, Path(folder), options.rivals, rate, options.streams)
        _show(_measure(pipes, deliveries, options.rounds), deliveries)


if __name__ == "__main__":
    main()
