"""Entry points of programs.

Garbage collection is off during imports, because imports create no garbage. This saves a tenth of
the start-up time.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module

_INTERRUPTED = 130


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
    try:
        main = import_module(module).main
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    gc.freeze()  # else each collection walks through all modules
    gc.enable()
    main()
