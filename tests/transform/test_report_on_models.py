"""report: on models built by dbt, in DuckDB and PostgreSQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from terminal import typed

from transform import sandbox_facts as facts

if TYPE_CHECKING:
    from pathlib import Path

    from transform.dbt_run import Built

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.slow


def test_a_report_of_built_models_matches_the_sandbox(
    modelled: Built, modelled_sandbox: Sandbox, tmp_path: Path
) -> None:
    url = modelled.postgres or f"duckdb:///{modelled.folder / 'warehouse.duckdb'}"
    [schema] = modelled.ask(
        "select table_schema as name from information_schema.tables "
        "where table_name = 'customerio__senders'"
    )
    path = tmp_path / "report.html"
    words = ("--schema", schema["name"], "--output", str(path))
    screen = typed("report", "--warehouse", url, *words)
    assert screen.code == 0, screen.err
    page = path.read_text(encoding="utf-8")
    rows = facts.deliveries(modelled_sandbox)
    sent = sum("sent" in row["metrics"] for row in rows)
    mails = [row["metrics"] for row in rows if row["type"] == "email"]
    opened = sum("human_opened" in mail for mail in mails)
    share = opened / sum("sent" in mail for mail in mails)
    assert f"<dt>Deliveries sent</dt><dd>{sent:,}</dd>" in page
    assert f"<dt>E-mails opened by people</dt><dd>{share:.1%}</dd>" in page
    months = re.findall(r"<tr><td[^>]*>20\d\d-\d\d</td>(.*?)</tr>", page)
    columns = [re.findall(r"<td[^>]*>([\d,]+)</td>", row) for row in months]
    loaded = [int(row[place].replace(",", "")) for row in columns for place in (1, 3)]
    assert sum(loaded) == sent
    assert page.count("<figure>") == 8
    assert "Nothing" not in page
    people = {value for row in rows for value in (facts.cio_id(row), row["recipient"]) if value}
    assert [value for value in people if value in page] == []
    assert not re.search(r"\b[\w.+-]+@[\w-]+\.\w+", page)
