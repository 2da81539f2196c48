"""The queries of docs/recipes.md can be asked of the models, and say what is true."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from transform.dbt_run import ROOT

from transform import sandbox_facts as facts

if TYPE_CHECKING:
    from transform.dbt_run import Built

    from tap_customerio.sandbox import Sandbox

[BLOCK] = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "recipes.md").read_text(), re.DOTALL)
CAMPAIGNS, PEOPLE = (query for query in BLOCK.split(";") if query.strip())

pytestmark = pytest.mark.slow


def test_campaigns_by_day_are_those_that_sent(modelled: Built, modelled_sandbox: Sandbox) -> None:
    rows = modelled.ask(CAMPAIGNS)
    sent = [row for row in facts.deliveries(modelled_sandbox) if row["campaign_id"]]
    assert sum(row["sent"] for row in rows) == facts.counts(sent)["sent"] > 0
    assert all(0 <= row["open_rate"] <= 1 for row in rows if row["sent"])


def test_those_to_write_to_again_engaged_once_and_may_be_written_to(modelled: Built) -> None:
    found = {row["cio_id"] for row in modelled.ask(PEOPLE)}
    allowed = {
        row["cio_id"]
        for row in modelled.ask(
            "select * from customerio__people where last_engaged_at is not null"
        )
        if not row["is_unsubscribed"] and not row["is_suppressed"]
    }
    assert found
    assert found < allowed
