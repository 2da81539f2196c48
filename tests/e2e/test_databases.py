"""Load into DuckDB and PostgreSQL with meltano.yml: complete, typed, no duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from e2e import rows, truth
from e2e.processes import State, sync, tap_command
from e2e.warehouse import SCHEMA, TYPES, Warehouse
from harness import new_sandbox

from tap_customerio.sandbox import Workspace
from tap_customerio.windows import DAY, HOUR, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.e2e

SINCE = parse("2026-03-01")
NOW = parse("2026-04-01T12:00:00Z")
EDITED = 3
COUNTS = ("created", "sent", "delivered", "opened", "human_opened", "clicked", "bounced", "failed")

each_stream = pytest.mark.parametrize("stream", truth.COLUMNS)


@dataclass
class Loaded:
    """A sandbox, its database, and the state at the end."""

    sandbox: Sandbox
    warehouse: Warehouse
    state: State
    load: Callable[[State | None], State]


@pytest.fixture(scope="module", params=TYPES)
def loaded(
    request: pytest.FixtureRequest,
    make_warehouse: Callable[..., Warehouse],
    target_command: Callable[..., list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Loaded]:
    """The first run."""
    folder = tmp_path_factory.mktemp(request.param)
    warehouse = make_warehouse(request.param, folder)
    target = target_command(warehouse, folder)
    workspace = Workspace(since=SINCE, per_day=40, people=230, newsletters=6)
    with new_sandbox(now=NOW, workspace=workspace) as box:

        def load(state: State | None) -> State:
            # The log does not name people who join a workspace without churn.
            settings = {"rescan_ages": [], "requests_per_second": 1000, "customers_sync": "full"}
            tap = tap_command(box, folder, streams=truth.COLUMNS, state=state, **settings)
            return sync(tap, target, folder)[-1]

        yield Loaded(box, warehouse, load(None), load)


@each_stream
def test_every_row_is_there_once(loaded: Loaded, stream: str) -> None:
    expected = truth.keys(loaded.sandbox, [stream])
    assert expected[stream]
    assert loaded.warehouse.keys([stream]) == expected


@each_stream
def test_every_column_has_the_right_type(loaded: Loaded, stream: str) -> None:
    names = TYPES[loaded.warehouse.name]
    types = loaded.warehouse.types()[stream]
    expected = {column: names[kind] for column, kind in truth.kinds(stream).items()}
    assert {column: types.get(column) for column in expected} == expected
    assert set(types.values()) <= set(names.values())


@pytest.mark.parametrize("stream", [name for name in truth.COLUMNS if name != "metrics"])
def test_every_value_matches_the_api(loaded: Loaded, stream: str) -> None:
    found = loaded.warehouse.table(stream)
    for key, row in truth.table(loaded.sandbox, stream).items():
        assert found[key] == row


def test_text_that_looks_like_another_type_is_unchanged(loaded: Loaded) -> None:
    people = loaded.warehouse.table("customers").values()
    assert "30e00001" in {person["cio_id"] for person in people}
    addresses = [person["email"] for person in people]
    assert None in addresses
    assert any("+news" in address for address in addresses if address)
    assert any(not address.isascii() for address in addresses if address)
    subjects = {message["subject"] for message in loaded.warehouse.table("messages").values()}
    assert any("für dich 👋" in subject for subject in subjects if subject)


def test_metrics_add_up_to_the_deliveries(loaded: Loaded) -> None:
    box = loaded.sandbox
    now = box.clock.now()
    sums = ", ".join(f"sum(coalesce({name}, 0))" for name in COUNTS)
    query = f"select source_type, source_id, {sums} from {SCHEMA}.metrics group by 1, 2"
    found = {(kind, sender): counts for kind, sender, *counts in loaded.warehouse.ask(query)}
    for kind, sender in truth.senders(box):
        counts = box.workspace.metric_counts(kind, sender, SINCE, int(now) + 1, now)
        expected = [counts[name] for name in COUNTS]
        assert found.get((kind, sender), [0] * len(COUNTS)) == expected
    assert found


def test_the_state_contains_the_end_of_the_range(loaded: Loaded) -> None:
    bookmarks = loaded.state["bookmarks"]
    assert bookmarks["messages"]["replication_key_value"] == rfc3339(NOW)
    assert bookmarks["metrics"]["replication_key_value"] == rfc3339(NOW)


def test_a_second_run_adds_new_rows_and_replaces_changed_ones(loaded: Loaded) -> None:
    box, warehouse = loaded.sandbox, loaded.warehouse
    before = {stream: warehouse.table(stream) for stream in truth.COLUMNS}
    box.clock.advance(DAY)
    box.workspace.edit("campaigns", EDITED, at=NOW + HOUR)
    box.forget()
    state = loaded.load(loaded.state)
    after = {stream: warehouse.table(stream) for stream in truth.COLUMNS}
    assert warehouse.keys(truth.COLUMNS) == truth.keys(box, truth.COLUMNS)
    assert all(before[stream].keys() <= found.keys() for stream, found in after.items())
    test_metrics_add_up_to_the_deliveries(loaded)

    new = after["messages"].keys() - before["messages"].keys()
    assert len(new) == truth.deliveries(box, NOW) > 0
    assert all(after["messages"][key] == row for key, row in before["messages"].items())
    assert before["campaigns"][EDITED,]["updated"] < rows.instant(NOW)
    assert after["campaigns"][EDITED,]["updated"] == rows.instant(NOW + HOUR)

    asked = [call.query["start_ts"] for call in box.calls if call.path == "/v1/messages"]
    late = NOW - 6 * HOUR  # may be listed after the first run
    assert sorted(asked) == [str(late), str(NOW)]
    assert state["bookmarks"]["messages"]["replication_key_value"] == rfc3339(NOW + DAY)
