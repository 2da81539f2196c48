"""Runs dbt, which parses the models while the tap is still running."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import tap_customerio
from tap_customerio import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCHEMA = "analytics"


class Models:
    """A dbt process that waits for the tables."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def build(self, watch: Callable[[int, int], None], *, tested: bool = True) -> None:
        """Build all models, test them if `tested`, and report the progress.

        Raises:
            TapError: dbt failed.
        """
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # dbt has failed; its log says why
                self._process.stdin.write(b"build\n" if tested else b"run\n")
                self._process.stdin.close()
        for line in self._process.stdout or ():
            watch(*json.loads(line))
        if code := self._process.wait():
            lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
            last = next((line for line in reversed(lines) if line.strip()), "no reason given")
            raise errors.commands.dbt_failed(code, last)


@contextlib.contextmanager
def waiting(
    database: Path, folder: Path, schema: str = SCHEMA, loaded: str | None = None
) -> Iterator[Models]:
    """Start dbt, and let it parse the models of this package.

    The models go into `schema`; the tables are in schema `loaded`. Variables that configure dbt for
    other projects are ignored.
    """
    place, log = str(project()), folder / "dbt.log"
    options = ["--project-dir", place, "--profiles-dir", place, "--no-write-json"]
    options += ["--log-level", "none", "--log-level-file", "none"]
    options += ["--target-path", str(folder / "dbt"), "--log-path", str(folder / "dbt")]
    options += ["--vars", json.dumps({"customerio_schema": loaded} if loaded else {})]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("DBT_")}
    variables |= {"DBT_DUCKDB_PATH": str(database), "DBT_SCHEMA": schema}
    pipe = subprocess.PIPE
    with (
        log.open("wb") as errors_file,
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "tap_customerio.report.dbt_process", *options],
            stdin=pipe,
            stdout=pipe,
            stderr=errors_file,
            env=variables,
        ) as process,
    ):
        try:
            yield Models(process, log)
        finally:
            process.kill()  # no effect if it has ended


def project() -> Path:
    """Folder of the dbt package: in the installed package, or in the source tree."""
    package = Path(tap_customerio.__file__).parent
    installed = package / "transform"
    return installed if installed.is_dir() else package.parent / "transform"
