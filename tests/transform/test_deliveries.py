"""Marts of deliveries match the sandbox."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from e2e import truth
from e2e.rows import SENDER_STREAMS
from harness import SINCE, few_senders, new_sandbox, sender_of
from transform.dbt_run import TRANSFORM, Built

from tap_customerio.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_customerio.sandbox import Sandbox

    Row = dict[str, Any]

pytestmark = pytest.mark.slow

COUNTS = {
    "deliveries": "created",
    "sent": "sent",
    "delivered": "delivered",
    "opened": "human_opened",
    "clicked": "human_clicked",
    "machine_opened": "prefetch_opened",
    "machine_clicked": "machine_clicked",
    "converted": "converted",
    "bounced": "bounced",
    "failed": "failed",
}
INCREMENTAL = ("customerio__deliveries", "customerio__message_events")
COMPARED = ("customerio__deliveries", "customerio__reconciliation")
BACKFILLED = datetime(2026, 2, 22)  # noqa: DTZ001
SETTLED = datetime(2026, 3, 13)  # noqa: DTZ001 - 20 days before the newest change, in UTC
MARTS = sorted((TRANSFORM / "models" / "marts").glob("*.yml"))


def deliveries(sandbox: Sandbox) -> list[Row]:
    """All deliveries, as the API shows them."""
    now = sandbox.clock.now()
    return list(sandbox.workspace.deliveries(SINCE, int(now), now=now))


def moment(seconds: int | None) -> datetime | None:
    """A time as in the warehouse: UTC, without a time zone."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)


@pytest.mark.parametrize("path", MARTS, ids=lambda path: path.stem)
def test_every_column_is_described(modelled: Built, path: Any) -> None:
    for model in yaml.safe_load(path.read_text())["models"]:
        described = {column["name"]: column.get("description") for column in model["columns"]}
        columns = f"information_schema.columns where table_name = '{model['name']}'"
        found = {row["c"] for row in modelled.ask(f"select column_name as c from {columns}")}
        assert found == described.keys()
        assert all(described.values())
        assert model["description"]


def test_deliveries_have_their_sender_and_the_time_of_each_state(
    modelled: Built, modelled_sandbox: Sandbox
) -> None:
    names = {
        (kind, row["id"]): row["name"]
        for kind, listed in SENDER_STREAMS.items()
        for row in listed(modelled_sandbox.workspace, modelled_sandbox.clock.now())
    }
    found = {
        row["delivery_id"]: row for row in modelled.ask("select * from customerio__deliveries")
    }
    expected = deliveries(modelled_sandbox)
    assert found.keys() == {row["id"] for row in expected}
    for row in expected:
        delivery, metrics = found[row["id"]], row["metrics"]
        sender = sender_of(row, modelled_sandbox.workspace)
        assert (delivery["source_type"], delivery["source_id"]) == sender
        assert delivery["source_name"] == names[sender]
        assert delivery["part_name"]
        assert delivery["first_open_at"] == moment(metrics.get("human_opened"))
        assert delivery["first_click_at"] == moment(metrics.get("human_clicked"))
        for state, at in metrics.items():
            if ":" not in state:
                assert delivery[f"{state}_at"] == moment(at)
        if "human_opened" in metrics:
            hours = (metrics["human_opened"] - metrics["sent"]) / 3600
            assert float(delivery["hours_to_open"]) == pytest.approx(hours)


def test_events_occur_once_and_name_people_and_machines(
    modelled: Built, modelled_sandbox: Sandbox
) -> None:
    expected = Counter[tuple[Any, ...]]()
    for row in deliveries(modelled_sandbox):
        metrics = row["metrics"]
        by_machine = "prefetch_clicked" in metrics
        for state, at in metrics.items():
            name, _, link = state.partition(":")
            event = {"link": "clicked", "human_link": "human_clicked"}.get(name, name)
            event = event.removeprefix("human_").removeprefix("prefetch_")
            if name.startswith(("human_", "prefetch_")):
                actor = "human" if name.startswith("human_") else "machine"
            elif event in {"opened", "clicked"}:
                details = {f"human_{state}", f"prefetch_{state}"} & metrics.keys()
                if details:
                    continue
                actor = "machine" if link and by_machine else "unknown"
            else:
                actor = None
            expected[row["id"], event, actor, link or None, moment(at)] += 1
    query = "select delivery_id, event, actor, link_id, occurred_at from customerio__message_events"
    found = Counter(tuple(row.values()) for row in modelled.ask(query))
    assert found == expected
    assert {("opened", "unknown"), ("clicked", "machine")} <= {key[1:3] for key in found}


def test_sender_counts_match_the_api(modelled: Built, modelled_sandbox: Sandbox) -> None:
    now = modelled_sandbox.clock.now()
    rows = modelled.ask("select * from customerio__senders")
    found = {(row["source_type"], row["source_id"]): row for row in rows}
    assert found.keys() == set(truth.senders(modelled_sandbox))
    for key, row in found.items():
        counts = modelled_sandbox.workspace.metric_counts(*key, SINCE, int(now) + 1, now)
        assert {name: row[name] for name in COUNTS} == {n: counts[c] for n, c in COUNTS.items()}
        if counts["sent"]:
            assert float(row["open_rate"]) == pytest.approx(counts["human_opened"] / counts["sent"])
        else:
            assert row["open_rate"] is None


def test_days_are_counted_by_sending_and_by_event(
    modelled: Built, modelled_sandbox: Sandbox
) -> None:
    sent, happened = Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]]()
    for row in deliveries(modelled_sandbox):
        sender = sender_of(row, modelled_sandbox.workspace)
        stamps = {"created": row["created"], **row["metrics"]}
        for name, state in COUNTS.items():
            state = "prefetch_clicked" if state == "machine_clicked" else state  # noqa: PLW2901
            if state in stamps:
                sent[(*sender, stamps["created"] // DAY, name)] += 1
                happened[(*sender, stamps[state] // DAY, name)] += 1
    for basis, expected in (("sending", sent), ("event", happened)):
        rows = modelled.ask(f"select * from customerio__sender_daily where day_of = '{basis}'")
        found = Counter[tuple[Any, ...]]()
        for row, name in product(rows, COUNTS):
            day = datetime(row["day"].year, row["day"].month, row["day"].day, tzinfo=timezone.utc)
            key = (row["source_type"], row["source_id"], int(day.timestamp()) // DAY, name)
            found[key] += int(row[name])
        assert +found == expected
    assert sent != happened


def test_a_build_without_new_rows_writes_no_row(modelled: Built) -> None:
    if not modelled.postgres:  # it cannot tell when a row was written
        return
    query = "select max(cast(cast(xmin as text) as bigint)) as newest from {}"
    before = [modelled.ask(query.format(name)) for name in INCREMENTAL]
    modelled.dbt("run", "--select", *INCREMENTAL)
    assert [modelled.ask(query.format(name)) for name in INCREMENTAL] == before


BEYOND_REACH = "2026-02-15"
"""The last day before the 45 days of which the API still counts these senders."""


def test_a_missing_window_is_found(modelled: Built, make_built: Callable[..., Built]) -> None:
    covered = "select distinct status from customerio__reconciliation where is_covered"
    assert modelled.ask(covered) == [{"status": "equal"}]
    gaps = modelled.ask(
        "select distinct source_type, max(day) over () as latest "
        "from customerio__reconciliation where not is_covered"
    )
    assert {row["source_type"] for row in gaps} == {"broadcast", "newsletter", "transactional"}
    assert {str(row["latest"]) for row in gaps} == {BEYOND_REACH}
    if modelled.postgres:
        return
    built = make_built("duckdb", modelled)
    window = "created >= '2026-03-10 06:00:00' and created < '2026-03-11 18:00:00'"
    lost = built.ask(
        f"select campaign_id, newsletter_id, count(*) as n from customerio.messages "
        f"where {window} and metrics ->> 'sent' is not null group by 1, 2"
    )
    built.ask(f"delete from customerio.messages where {window}")
    said = built.dbt("build", "--select", *COMPARED, succeeds=False)
    assert "customerio_nothing_is_missing" in said
    rows = built.ask("select * from customerio__reconciliation where status = 'missing'")
    assert sum(row["missing_sent"] for row in rows) == sum(row["n"] for row in lost) > 0
    assert {str(row["day"]) for row in rows} <= {"2026-03-10", "2026-03-11"}
    assert all("backfill" in row["explanation"] for row in rows)
    found = "select distinct status from customerio__reconciliation where is_covered order by 1"
    assert [row["status"] for row in built.ask(found)] == ["equal", "missing"]


def test_three_incremental_builds_are_like_one(make_built: Callable[..., Built]) -> None:
    built = make_built("duckdb")
    built.variables |= {"customerio_settled_days": 20, "customerio_human_only": False}
    streams = ("messages", "campaigns", "newsletters", "broadcasts")
    with new_sandbox(workspace=few_senders(per_day=60, people=60)) as box:
        box.clock.advance(-10 * DAY)
        built.sync(box, streams, start_date="2026-03-01", include_drafts=True)
        built.dbt("run", "--select", *(f"+{name}" for name in INCREMENTAL))
        first = built.ask("select delivery_id from customerio__deliveries where opened_at is null")
        box.clock.advance(5 * DAY)
        box.workspace.edit("campaigns", 1, at=int(box.clock.now()) - 60)
        built.sync(box, streams, start_date="2026-03-01", include_drafts=True)
        built.dbt("run", "--select", *INCREMENTAL)
        kept, built.state = built.state, None
        built.sync(box, ["messages"], start_date="2026-02-20", end_date="2026-03-01")  # a backfill
        built.state = kept
        box.clock.advance(5 * DAY)
        built.sync(box, streams, start_date="2026-03-01", include_drafts=True)
    [gone] = built.ask("select min(delivery_id) as id from customerio__message_events")
    built.ask(f"delete from customerio.messages where id = '{gone['id']}'")
    built.ask("update customerio.campaigns set name = 'renamed' where id = 1")
    built.dbt("run", "--select", *INCREMENTAL)
    found = contents(built)
    built.dbt("run", "--full-refresh", "--select", *INCREMENTAL)
    assert found == contents(built)
    assert any("renamed" in row for row in found[0])
    assert not any(gone["id"] in row for rows in found for row in rows)
    rows = built.ask("select * from customerio__deliveries")
    unopened = {row["delivery_id"] for row in first}
    assert any(row["opened_at"] for row in rows if row["delivery_id"] in unopened)  # late opens
    assert min(row["created_at"] for row in rows) < BACKFILLED
    assert {row["is_settled"] for row in rows} == {True, False}
    assert all(row["is_settled"] == (row["created_at"] < SETTLED) for row in rows)
    assert any(row["is_draft"] for row in rows)
    assert all(row["is_draft"] == (row["drafted_at"] is not None) for row in rows)
    assert all(row["first_open_at"] == row["opened_at"] for row in rows)
    assert any(row["first_open_at"] and not row["human_opened_at"] for row in rows)


def contents(built: Built) -> list[list[tuple[Any, ...]]]:
    """The rows of the incremental models."""
    return [
        sorted((tuple(row.values()) for row in built.ask(f"select * from {name}")), key=str)
        for name in INCREMENTAL
    ]
