"""The process that runs dbt: it parses the models, waits for `build` or `run`, and does that."""

from __future__ import annotations

import gc
import json
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOTALS = {"LogModelResult": "total", "LogTestResult": "num_models"}
"""Events of dbt, and the member of each that holds the total number of models and tests."""

_ERROR = re.compile(r"^\s*([A-Z][\w ]* Error): (.*)", re.MULTILINE)
_WITHOUT_VALUES = {"Binder Error", "Catalog Error", "Parser Error"}
"""Errors of DuckDB that name tables and columns, but never quote values."""
_VALUE = re.compile(r"[\"'`(\d]")


def main(options: Sequence[str]) -> None:
    """Write the number of finished models and tests, and the total, as lines of JSON."""
    gc.disable()  # collections take a quarter of dbt's time, and free nothing worth it
    from dbt.cli.main import dbtRunner  # noqa: PLC0415 - dbt starts processes that import this

    manifest = _result(dbtRunner().invoke(["parse", *options]))
    if not (verb := sys.stdin.readline().strip()):
        return  # the demo ended before the tables existed
    _result(dbtRunner(manifest, [_write_counts]).invoke([verb, *options]))


def _write_counts(event: Any) -> None:
    if total := _TOTALS.get(event.info.name):
        counts = event.data.index, getattr(event.data, total)
        sys.stdout.write(f"{json.dumps(counts)}\n")  # one write, because dbt threads call this
        sys.stdout.flush()


def _result(done: Any) -> Any:
    """The result of dbt; exits with its error if there is none."""
    if done.success:
        return done.result
    if done.exception is not None:
        sys.exit(str(done.exception))
    failed = [result for result in done.result if result.status in {"error", "fail"}]
    sys.exit(f"{failed[0].node.name}: {_reason(str(failed[0].message))}")


def _reason(message: str) -> str:
    """The database's error up to the first value, or else dbt's own error."""
    found = _ERROR.search(message)
    if found is None:
        return message.strip().partition("\n")[0]
    kind, text = found.groups()
    known = text if kind in _WITHOUT_VALUES else _VALUE.split(text)[0]
    cut = " …" if known != text else ""
    return f"{kind}: {known.strip()}{cut}"


if __name__ == "__main__":
    main(sys.argv[1:])
