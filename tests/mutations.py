"""Break important lines one at a time, and print each mutation that the fast tests do not notice.

    python tests/mutations.py [--jobs 2] [name…]

mutmut, cosmic-ray and mutatest do not fit: they mutate all operators of a module and run the whole
suite for each mutation (hours). None takes a list of named mutations with the tests of each.

Every mutation is made in a copy of the tree. The tests must pass there first.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mutation_list import MUTATIONS, PACKAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mutation_list import Mutation

ROOT = Path(__file__).parent.parent
PYTEST = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow and not e2e")
PASSED, FAILED = 0, 1
PATIENCE = 900
"""Seconds after which tests count as hanging."""


class Verdict(NamedTuple):
    """The result of one mutation; no error if a test failed because of it."""

    mutation: Mutation
    problem: str
    seconds: float


def copy_tree(folder: Path) -> Path:
    """A copy of the files that the tests need."""
    ignore = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "target", "node_modules")
    shutil.copytree(ROOT, folder, ignore=ignore, dirs_exist_ok=True)
    for name in (".ci", ".github", ".env.example"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        else:
            shutil.copy(source, folder / name)
    return folder


def run_tests(tree: Path, tests: Sequence[str]) -> tuple[int, str]:
    """The exit code of pytest in a copy, and the end of its output."""
    # Plugins take a third of the start-up time, and no test here needs one.
    bare = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "NO_COLOR": "1"}
    environment = {**os.environ, **bare, "PYTHONPATH": str(tree)}
    try:
        done = subprocess.run(
            [sys.executable, *PYTEST, *tests],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1, f"the tests did not end within {PATIENCE} seconds"
    return done.returncode, (done.stdout + done.stderr).strip()


def judge(tree: Path, mutation: Mutation) -> Verdict:
    """Break a copy, run the tests that must notice it, and restore the copy."""
    began = time.monotonic()
    path = tree / PACKAGE / mutation.file
    sound = path.read_text()
    try:
        _write(path, mutation.apply(sound))
        code, output = run_tests(tree, mutation.tests)
    except ValueError as rotten:
        return Verdict(mutation, str(rotten), 0)
    finally:
        _write(path, sound)
    problem = "" if code == FAILED else "survived" if code == PASSED else output[-2000:]
    return Verdict(mutation, problem, time.monotonic() - began)


def _write(path: Path, source: str) -> None:
    """Write source, and delete its bytecode: Python may not notice a change within one second."""
    path.write_text(source)
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)


def judge_all(mutations: Sequence[Mutation], jobs: int) -> int:
    """Judge several mutations in parallel copies; returns the number of survivors."""
    trees: queue.SimpleQueue[Path] = queue.SimpleQueue()

    def judge_next(mutation: Mutation) -> Verdict:
        tree = trees.get()
        try:
            return judge(tree, mutation)
        finally:
            trees.put(tree)

    with tempfile.TemporaryDirectory(prefix="mutations") as folder:
        for number in range(jobs):
            trees.put(copy_tree(Path(folder) / str(number)))
        tree = trees.get()
        every = sorted({test for mutation in mutations for test in mutation.tests})
        code, output = run_tests(tree, every)
        trees.put(tree)
        if code != PASSED:
            print(f"The tests fail without any mutation:\n{output[-4000:]}", file=sys.stderr)
            return len(mutations)
        left = 0
        with ThreadPoolExecutor(jobs) as pool:
            for mutation, problem, seconds in pool.map(judge_next, mutations):
                left += bool(problem)
                word = problem or "killed"
                print(f"{seconds:5.1f} s  {mutation.name}: {word}", file=sys.stderr, flush=True)
    return left


def main() -> None:
    """Judge the named mutations, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="name", help="Only these mutations.")
    parser.add_argument("--jobs", type=int, default=1, help="Mutations judged at once.")
    arguments = parser.parse_args()
    known = {mutation.name: mutation for mutation in MUTATIONS}
    if unknown := set(arguments.names) - known.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    chosen = [known[name] for name in arguments.names] or list(MUTATIONS)
    began = time.monotonic()
    left = judge_all(chosen, arguments.jobs)
    seconds = time.monotonic() - began
    print(f"{left} of {len(chosen)} mutations were not killed; {seconds:.0f} s.", file=sys.stderr)
    sys.exit(bool(left))


if __name__ == "__main__":
    main()
