"""Entry points of programs.

Garbage collection is off during imports, because imports create no garbage. This saves a tenth of
the start-up time.
"""

from __future__ import annotations

import gc
from importlib import import_module


def tap() -> None:
    """Run `tap-customerio`."""
    _run("tap_customerio.cli")


def backfill_job() -> None:
    """Run one job of `backfill --jobs`."""
    _run("tap_customerio.backfill.worker")


def duckdb_target() -> None:
    """Run `tap-customerio-duckdb`."""
    _run("tap_customerio.duckdb_target.target")


def _run(module: str) -> None:
    gc.disable()
    main = import_module(module).main
    gc.freeze()  # else each collection walks through all modules
    gc.enable()
    main()
