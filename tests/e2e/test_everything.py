"""All streams by `meltano run` into DuckDB, and by a pipe into PostgreSQL.

They are complete, typed, and without duplicates.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from typing import TYPE_CHECKING

import pytest
from e2e import rows, truth
from e2e.processes import State, sync, tap_command
from e2e.project import settings
from e2e.warehouse import SCHEMA, TYPES, Warehouse
from harness import new_sandbox

from tap_customerio.sandbox import Workspace
from tap_customerio.sandbox.world.records import EMPTIABLE
from tap_customerio.windows import DAY, HOUR, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from e2e.project import Project

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.e2e

SINCE = parse("2026-03-01")
NOW = parse("2026-04-01T12:00:00Z")
EDITED = 3
COUNTS = ("created", "sent", "delivered", "opened", "human_opened", "clicked", "bounced", "failed")

each_stream = pytest.mark.parametrize("stream", truth.COLUMNS)


@dataclass
class Loaded:
    """A sandbox that was loaded into a warehouse.

    Attributes:
        load: Runs the next sync; returns the tap's log.
        state: Returns the last state.
        log: The log of the first sync.
    """

    sandbox: Sandbox
    warehouse: Warehouse
    load: Callable[[], str]
    state: Callable[[], State]
    log: str

    def bookmark(self, stream: str) -> str:
        """The last bookmark of a stream."""
        return str(self.state()["bookmarks"][stream]["replication_key_value"])


@pytest.fixture(scope="module", params=TYPES)
def loaded(
    request: pytest.FixtureRequest,
    make_warehouse: Callable[..., Warehouse],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Loaded]:
    """The first sync: Meltano loads DuckDB, a pipe loads PostgreSQL."""
    kind: str = request.param
    folder = tmp_path_factory.mktemp(kind)
    warehouse = make_warehouse(kind, folder)
    workspace = Workspace(
        since=SINCE,
        per_day=12,
        people=20,
        campaigns=4,
        newsletters=3,
        broadcasts=1,
        transactional=2,
        activities_per_day=10,
        objects_per_type=3,
    )
    with new_sandbox(now=NOW, workspace=workspace) as box:
        if kind == "duckdb":
            project: Project = request.getfixturevalue("project")
            load, state = meltano_runs(project, box, warehouse)
        else:
            target = request.getfixturevalue("target_command")(warehouse, folder)
            load, state = piped_runs(box, target, folder)
        yield Loaded(box, warehouse, load, state, load())


def meltano_runs(
    project: Project, box: Sandbox, warehouse: Warehouse
) -> tuple[Callable[[], str], Callable[[], State]]:
    """Syncs by `meltano run`, first of the plugins, then of the job."""
    place = {f"TARGET_DUCKDB_{name}".upper(): value for name, value in warehouse.place.items()}
    runs = chain([("tap-customerio", warehouse.loader)], repeat(("nightly-sync",)))

    def load() -> str:
        command = ("run", "--state-id-suffix", "everything", *next(runs))
        return project.run(*command, **settings(box, ["*"]), **place).log

    state_id = f"dev:tap-customerio-to-{warehouse.loader}:everything"
    return load, partial(project.state, state_id)


def piped_runs(
    box: Sandbox, target: Sequence[str], folder: Path
) -> tuple[Callable[[], str], Callable[[], State]]:
    """Syncs by `tap | target`, each with the last state of the one before."""
    states: list[State] = [{}]
    options = {"rescan_ages": [], "requests_per_second": 1000, "customers_sync": "full"}

    def load() -> str:
        tap = tap_command(box, folder, streams=truth.STREAMS, state=states[-1], **options)
        states.extend(sync(tap, target, folder))
        return (folder / "tap.log").read_text()

    return load, lambda: states[-1]


def left_out(log: str) -> list[str]:
    """The fields and rows that the log reports as not loaded."""
    return [line for line in log.splitlines() if "left out" in line]


def test_every_stream_has_a_table_with_as_many_rows_as_the_workspace(loaded: Loaded) -> None:
    counts = truth.counts(loaded.sandbox, truth.STREAMS)
    assert min(counts.values()) > 0
    assert loaded.warehouse.counts() == counts
    assert loaded.warehouse.keys(truth.STREAMS) == truth.keys(loaded.sandbox, truth.STREAMS)
    assert loaded.bookmark("messages") == loaded.bookmark("metrics") == rfc3339(NOW)


def test_keys_and_columns_have_the_right_types(loaded: Loaded) -> None:
    names, types = TYPES[loaded.warehouse.name], loaded.warehouse.types()
    if loaded.warehouse.name == "postgres":  # target-duckdb merges by key without a constraint
        expected_keys = {stream: truth.key(stream).keys() for stream in truth.STREAMS}
        assert loaded.warehouse.primary_keys() == expected_keys
    for stream in truth.STREAMS:
        expected = {column: names[kind] for column, kind in truth.key(stream).items()}
        assert {column: types[stream][column] for column in expected} == expected
        assert set(types[stream].values()) <= set(names.values())


def test_nothing_is_left_out(loaded: Loaded) -> None:
    assert set(re.findall(r"Beginning sync of '(\w+)'", loaded.log)) == set(truth.STREAMS)
    assert left_out(loaded.log) == []


def test_segment_counts_are_the_numbers_of_members(loaded: Loaded) -> None:
    counted = f"select segment_id, count from {SCHEMA}.segment_counts where count > 0"
    members = f"select segment_id, count(*) from {SCHEMA}.segment_memberships group by 1"
    found = loaded.warehouse.ask(counted)
    assert sorted(found) == sorted(loaded.warehouse.ask(members)) != []


def test_actions_links_and_journeys_add_up(loaded: Loaded) -> None:
    workspace, now = loaded.sandbox.workspace, loaded.sandbox.clock.now()
    end, senders = int(now) + 1, truth.senders(loaded.sandbox)
    expected = {
        "sum(created) from action_metrics": sum(
            workspace.metric_counts(kind, sender, SINCE, end, now)["created"]
            for kind, sender in senders
            if kind != "transactional"
        ),
        "sum(clicked) from link_metrics": sum(
            link["clicked"]
            for kind, sender in senders
            for link in workspace.link_counts(kind, sender, SINCE, end, now).values()
        ),
        "sum(started) from journey_metrics": sum(
            workspace.journey_counts(campaign, SINCE, end, now)["started"]
            for campaign in workspace.ids("campaigns", now)
        ),
    }
    found = {
        what: loaded.warehouse.ask(f"select {what.replace('from ', f'from {SCHEMA}.')}")[0][0]
        for what in expected
    }
    assert found == expected
    assert min(expected.values()) > 0


@each_stream
def test_every_column_has_the_right_type(loaded: Loaded, stream: str) -> None:
    names, types = TYPES[loaded.warehouse.name], loaded.warehouse.types()[stream]
    expected = {column: names[kind] for column, kind in truth.kinds(stream).items()}
    assert {column: types.get(column) for column in expected} == expected


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


def test_a_day_later_new_rows_are_added_and_changed_ones_replaced(loaded: Loaded) -> None:
    box, warehouse = loaded.sandbox, loaded.warehouse
    before = truth.keys(box, truth.STREAMS)
    tables = {stream: warehouse.table(stream) for stream in ("campaigns", "messages")}
    box.clock.advance(DAY)
    box.workspace.edit("campaigns", EDITED, at=NOW + HOUR)
    box.forget()
    assert left_out(loaded.load()) == []
    asked = [call.query["start_ts"] for call in box.calls if call.path == "/v1/messages"]
    late = NOW - 6 * HOUR  # may be listed after the first run
    assert sorted(asked) == [str(late), str(NOW)]
    assert loaded.bookmark("messages") == rfc3339(NOW + DAY)
    # Old activities, exports and segment counts stay, though the API no longer returns them.
    now_there = truth.keys(box, truth.STREAMS)
    after = warehouse.keys(truth.STREAMS)
    assert after == {stream: before[stream] | now_there[stream] for stream in truth.STREAMS}
    added = after["segment_counts"] - before["segment_counts"]
    segments = box.workspace.segments(NOW)
    assert added == Counter((segment["id"], rows.instant(NOW + DAY)) for segment in segments)

    messages, campaigns = warehouse.table("messages"), warehouse.table("campaigns")
    assert len(messages) - len(tables["messages"]) == truth.deliveries(box, NOW) > 0
    old = {key for key, row in messages.items() if row["created"] < rows.instant(late)}
    assert all(messages[key] == tables["messages"][key] for key in old)
    assert any(messages[key] != row for key, row in tables["messages"].items())
    newest = truth.table(box, "messages")
    assert all(messages[key] == newest[key] for key in messages.keys() - old)
    assert tables["campaigns"][EDITED,]["updated"] < rows.instant(NOW)
    assert campaigns[EDITED,]["updated"] == rows.instant(NOW + HOUR)
    test_metrics_add_up_to_the_deliveries(loaded)


def test_streams_without_rows_have_empty_tables(
    make_sandbox: Callable[..., Sandbox],
    make_warehouse: Callable[..., Warehouse],
    target_command: Callable[..., list[str]],
    tmp_path: Path,
) -> None:
    workspace = Workspace(
        since=SINCE,
        per_day=0,
        people=0,
        campaigns=0,
        newsletters=0,
        broadcasts=0,
        transactional=0,
        activities_per_day=0,
        empty=EMPTIABLE,
    )
    box = make_sandbox(now=NOW, workspace=workspace)
    warehouse = make_warehouse("postgres", tmp_path)
    tap = tap_command(box, tmp_path, streams=truth.STREAMS, requests_per_second=1000)
    sync(tap, target_command(warehouse, tmp_path), tmp_path)
    counts = truth.counts(box, truth.STREAMS)
    always = {"ip_addresses", "segment_counts", "segment_usage", "segments", "workspaces"}
    assert {stream for stream, count in counts.items() if count} == always
    assert warehouse.counts() == counts
