"""The queries in docs/recipes.md run on the models, with right results."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest
from harness import sender_of
from transform.dbt_run import ROOT

from tap_customerio.windows import DAY
from transform import sandbox_facts as facts

if TYPE_CHECKING:
    from transform.dbt_run import Built

    from tap_customerio.sandbox import Sandbox

[BLOCK] = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "recipes.md").read_text(), re.DOTALL)
CAMPAIGNS, PEOPLE = (query for query in BLOCK.split(";") if query.strip())
SENDERS, RECEIVED, GROWTH, LOST, SEGMENTS = re.findall(
    r"```sql\n(.*?)```", (ROOT / "docs" / "queries.md").read_text(), re.DOTALL
)

pytestmark = pytest.mark.slow


def test_campaigns_by_day_are_those_that_sent(modelled: Built, modelled_sandbox: Sandbox) -> None:
    rows = modelled.ask(CAMPAIGNS)
    sent = [
        row
        for row in facts.deliveries(modelled_sandbox)
        if sender_of(row, modelled_sandbox.workspace)[0] == "campaign"
    ]
    assert sum(row["sent"] for row in rows) == facts.counts(sent)["sent"] > 0
    assert all(0 <= row["open_rate"] <= 1 for row in rows if row["sent"])


def test_people_to_reengage_engaged_once_and_may_be_contacted(modelled: Built) -> None:
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


def test_senders_of_the_last_days_are_counted_from_messages(
    modelled: Built, modelled_sandbox: Sandbox
) -> None:
    rows = modelled.ask(SENDERS)
    newest = max(row["created"] for row in facts.deliveries(modelled_sandbox))
    recent = [
        row for row in facts.deliveries(modelled_sandbox) if row["created"] >= newest - 90 * DAY
    ]
    sent = facts.grouped(
        recent, lambda row: (*sender_of(row, modelled_sandbox.workspace), row["type"])
    )
    found = {(row["source_type"], row["source_id"], row["channel"]): row for row in rows}
    assert found.keys() == sent.keys()
    assert {kind for kind, *_ in found} == {"campaign", "newsletter", "broadcast", "transactional"}
    for key, deliveries in sent.items():
        row, counts = found[key], facts.counts(deliveries)
        assert (row["sent"], row["delivered"]) == (counts["sent"], counts["delivered"])
        assert row["name"]
        if counts["sent"]:
            percent = 100 * counts["opened"] / counts["sent"]
            assert float(row["open_percent"]) == pytest.approx(percent, abs=0.06)


def test_the_messages_of_a_person_are_found(modelled: Built, modelled_sandbox: Sandbox) -> None:
    [person] = modelled.ask(
        "select cio_id, email from customerio.customers where email is not null "
        "order by cio_id limit 1"
    )
    rows = modelled.ask(RECEIVED.replace("ada@example.com", person["email"].lower()))
    got = [
        row for row in facts.deliveries(modelled_sandbox) if facts.cio_id(row) == person["cio_id"]
    ]
    assert len(rows) == len(got) > 0
    assert {row["email"] for row in rows} == {person["email"]}
    assert sum(row["opened_at"] is not None for row in rows) == facts.counts(got)["opened"]


def test_the_audience_grows_by_the_created_people(
    modelled: Built, modelled_sandbox: Sandbox
) -> None:
    rows = modelled.ask(GROWTH)
    people = list(modelled_sandbox.workspace.everyone(modelled_sandbox.clock.now()))
    assert rows[-1]["people"] == sum(row["joined"] for row in rows) == len(people)
    months = [row["month"] for row in rows]
    assert months == sorted(months)
    assert len(months) > 1


def test_unsubscribed_people_are_counted_by_month(
    modelled: Built, modelled_sandbox: Sandbox
) -> None:
    lost = {
        (facts.cio_id(row), month_of(row["metrics"]["unsubscribed"]))
        for row in facts.deliveries(modelled_sandbox)
        if "unsubscribed" in row["metrics"] and facts.cio_id(row)
    }
    assert {row["month"].strftime("%Y-%m"): row["people"] for row in modelled.ask(LOST)} == Counter(
        month for _, month in lost
    )


def month_of(second: int) -> str:
    """Year and month in UTC."""
    return datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m")


def test_segments_have_their_sizes(modelled: Built) -> None:
    rows = modelled.ask(SEGMENTS)
    counted = modelled.ask("select count(*) as n from customerio.segment_counts")
    assert [{"n": len(rows)}] == counted
    assert all(row["people"] is not None for row in rows)
