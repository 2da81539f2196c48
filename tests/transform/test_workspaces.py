"""Models of two workspaces that use the same ids, compared with one workspace alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from harness import NOW, config_for, few_senders, new_sandbox, run_tap, sender_of
from transform.dbt_run import FOR_MARTS, READ_BY_MARTS, TRANSFORM

from tap_customerio.windows import DAY
from transform import sandbox_facts as facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness import Output
    from transform.dbt_run import Built

    from tap_customerio.sandbox import Sandbox

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("modelled", ["duckdb"], indirect=True),
    pytest.mark.usefixtures("modelled"),  # also where it is not asked: pytest sorts tests by it
]

MARTS = sorted(path.stem for path in (TRANSFORM / "models" / "marts").glob("*.sql"))


@pytest.fixture(scope="module")
def other_sandbox() -> Iterator[Sandbox]:
    """A smaller workspace with the same ids, three weeks earlier."""
    size = few_senders(per_day=8, people=25)
    with new_sandbox(now=NOW - 21 * DAY, workspace=size) as box:
        yield box


@pytest.fixture(scope="module")
def united(
    make_built: Callable[..., Built], modelled_output: Output, other_sandbox: Sandbox
) -> Built:
    """The modelled workspace and the other one, in which everything has another name."""
    built = make_built("duckdb")
    built.variables["customerio_workspaces"] = {"acme": "cio_a", "bora": "cio_b"}
    other = run_tap(config_for(other_sandbox, customers_sync="full"), streams=READ_BY_MARTS)
    for rows in other.records.values():
        for row in rows:
            row.update({"name": f"Bora {row['name']}"} if row.get("name") else {})
    built.load(
        (each for each in modelled_output.messages if each.get("stream") in READ_BY_MARTS),
        "cio_a",
    )
    built.load(other.messages, "cio_b")
    built.dbt("build", "--select", FOR_MARTS)
    return built


def rows_of(built: Built, mart: str, workspace: str) -> Counter[tuple[object, ...]]:
    """Rows of a workspace without its name, and without keys and hashes, which contain it."""
    columns = built.ask(
        "select column_name as name from information_schema.columns "
        f"where table_schema = 'analytics' and table_name = '{mart}' order by 1"
    )
    named = [row["name"] for row in columns]
    chosen = [
        name for name in named if name != "workspace" and not name.endswith(("_key", "_hash"))
    ]
    query = f"select {', '.join(chosen)} from {mart} where workspace = '{workspace}'"
    return Counter(tuple(row.values()) for row in built.ask(query))


@pytest.mark.parametrize("mart", MARTS)
def test_a_workspace_is_modelled_like_a_single_one(
    modelled: Built, united: Built, mart: str
) -> None:
    alone, beside = rows_of(modelled, mart, "customerio"), rows_of(united, mart, "acme")
    assert beside == alone
    assert alone or mart == "customerio__attribution"


def test_the_other_workspace_has_its_own_counts(united: Built, other_sandbox: Sandbox) -> None:
    deliveries = facts.deliveries(other_sandbox)
    workspace = other_sandbox.workspace
    sent = Counter(sender_of(row, workspace) for row in deliveries if "sent" in row["metrics"])
    rows = united.ask(
        "select source_type, source_id, source_name, sent from customerio__senders "
        "where workspace = 'bora' and sent > 0"
    )
    assert {(row["source_type"], row["source_id"]): row["sent"] for row in rows} == dict(sent)
    assert all(row["source_name"].startswith("Bora ") for row in rows)
    [people] = united.ask(
        "select count(*) as n from customerio__people where workspace = 'bora' and has_profile"
    )
    assert people["n"] == workspace.count_people(other_sandbox.clock.now())


def test_changes_in_one_workspace_do_not_affect_the_other(modelled: Built, united: Built) -> None:
    united.ask("delete from cio_b.messages where hash(id) % 3 = 0")
    sent = "coalesce(metrics->>'sent', metrics->>'failed', '2026-03-01T00:00:00Z')"
    united.ask(f"update cio_b.messages set metrics = json_object('sent', {sent})")
    united.dbt("run", "--select", "customerio__deliveries", "customerio__message_events")
    [found] = united.ask(
        "select count(*) as deliveries, count(first_open_at) as opened, "
        "(select count(*) from cio_b.messages) as loaded, "
        "(select string_agg(distinct event) from customerio__message_events "
        "where workspace = 'bora' and link_id is null) as events "
        "from customerio__deliveries where workspace = 'bora'"
    )
    assert found["deliveries"] == found["loaded"] > 0
    assert (found["opened"], found["events"]) == (0, "sent")
    for mart in ("customerio__deliveries", "customerio__message_events"):
        assert rows_of(united, mart, "acme") == rows_of(modelled, mart, "customerio")
