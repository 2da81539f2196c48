"""Text that crashes targets, or resembles their syntax, is loaded into real databases."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from e2e.processes import sync, tap_command
from e2e.warehouse import SCHEMA, TYPES, Warehouse
from harness import new_sandbox

from tap_customerio.sandbox import Faults, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.e2e

ENDINGS = {"half_a_pair": "\ufffd", "nul": "", "invalid_utf8": "\ufffd"}
TEXTS = {
    "half a pair": ("\ud83d|\ude00", "\ufffd|\ufffd"),
    "a whole pair": ("\U0001f600", "\U0001f600"),
    "NUL": ("a\0b", "ab"),
    "null of COPY": ("\\N", "\\N"),
    "end of COPY": ("a\n\\.\nb", "a\n\\.\nb"),
    "separators": ("a\tb,c;d\r\n\"e\"'f'\\", "a\tb,c;d\r\n\"e\"'f'\\"),
    "controls": ("\x01\x1b\x7f\x85\u2028", "\x01\x1b\x7f\x85\u2028"),
    "SQL": ("'); drop table x; --", "'); drop table x; --"),
    "JSON": ('{"a": [1]}', '{"a": [1]}'),
    "words": ("null", "null"),
    "braces": ("{a,b}", "{a,b}"),
    "liquid": ("{{customer.name}} %s %(x)s :y ?", "{{customer.name}} %s %(x)s :y ?"),
}
"""Text from the API by name, and the expected value in a database."""


@pytest.mark.parametrize("kind", TYPES)
def test_hostile_text_is_loaded_into_real_databases(
    make_warehouse: Callable[..., Warehouse],
    target_command: Callable[..., list[str]],
    tmp_path: Path,
    kind: str,
) -> None:
    warehouse = make_warehouse(kind, tmp_path)
    faults = Faults(*ENDINGS, path="/v1/[cm]*", rate=1, in_a_row=10**9)
    workspace = Workspace(per_day=3, people=30)
    snippets = [{"name": name, "value": text} for name, (text, _) in TEXTS.items()]
    snippets.append({"name": "key \ud83d\0 too", "value": "x" * (1 << 20)})
    with new_sandbox(workspace=workspace, faults=faults) as box:
        body = json.dumps({"snippets": snippets})
        box.fail(status=200, body=body, path="/v1/snippets")
        streams = ("campaigns", "collections", "messages", "snippets")
        settings: dict[str, Any] = {"requests_per_second": 1000, "start_date": "2026-03-25"}
        tap = tap_command(box, tmp_path, streams=streams, **settings)
        sync(tap, target_command(warehouse, tmp_path), tmp_path)
        names = [row["name"] for row in workspace.campaigns(box.clock.now())]
    assert faults.injected
    stored = dict(warehouse.ask(f"select name, value from {SCHEMA}.snippets"))
    assert stored.pop("key \ufffd too") == "x" * (1 << 20)
    assert stored == {name: text for name, (_, text) in TEXTS.items()}
    found = [name for (name,) in warehouse.ask(f"select name from {SCHEMA}.campaigns")]
    assert sorted(name.rstrip("\ufffd") for name in found) == sorted(names)
    subjects = warehouse.ask(f"select recipient from {SCHEMA}.messages where recipient <> ''")
    assert subjects
    assert all("\0" not in text and text.isprintable() for (text,) in subjects)
