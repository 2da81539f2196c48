"""Odd values, rows and lists at random places of every stream: each affects only itself."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from contract_list import CONTRACTS
from harness import Output, config_for, few_senders, new_sandbox, run_tap
from hostile import SECRET, NullLists, Rows, Values, equivalents, odd

from tap_customerio.streams.pii import MASK, is_personal
from tap_customerio.sync import outcome
from tap_customerio.windows import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.slow

SEED = 20261126
SENDERS = {"campaign_id", "newsletter_id", "broadcast_id", "transactional_message_id"}
DERIVED = {
    "links": {"metrics"},
    "source_type": SENDERS,
    "source_id": SENDERS,
    "cio_id": {"customer_identifiers"},
    "updated": {"created", "deduplicate_id"},
}
"""Fields computed from others; the log names the others."""

IN_LISTS = [
    name
    for name, contract in CONTRACTS.items()
    if name != "collection_contents"
    and any(place.endswith("[]") for place in contract.responses.values())
]
FOLDERS = {name for name in IN_LISTS if name.startswith(("asset", "design_studio"))}
"""The content of a lost folder is lost with it."""


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    size = {"per_day": 15, "people": 24, "objects_per_type": 4}
    with new_sandbox(workspace=few_senders(since=parse("2026-03-16"), **size)) as sandbox:
        yield sandbox


def read(box: Sandbox, **options: Any) -> Output:
    settings = {"start_date": "2026-03-01", "metrics_resolution": "weeks"}
    return run_tap(config_for(box, **settings), **options)


@pytest.fixture(scope="module")
def fault_free(box: Sandbox) -> Output:
    return read(box)


def by_id(output: Output, stream: str) -> dict[str, dict[str, Any]]:
    """Records by their ids as the log shows them, each with a number, because masked ids repeat."""
    seen: Counter[str] = Counter()
    found = {}
    for record in output.records[stream]:
        keys = output.keys[stream]
        parts = [MASK if is_personal(f"{stream}.{k}") else str(record[k]) for k in keys]
        name = "/".join(part if len(part) <= 64 and "@" not in part else MASK for part in parts)
        seen[name] += 1
        found[f"{name} #{seen[name]}"] = record
    return found


@pytest.fixture
def read_through(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Output]:
    """Reads the sandbox with changed responses."""

    def run(hostile: Any, **options: Any) -> Output:
        monkeypatch.setattr(box.middleware, "app", hostile.around(box.middleware.app))
        return read(box, **options)

    return run


class LoggedName(NamedTuple):
    """The number of times that the log names a field of a stream, and the ids of rows."""

    times: int
    rows: set[str]


def logged_names(texts: list[str], what: str) -> dict[str, dict[str, LoggedName]]:
    """The names in the log, by stream and field."""
    found: dict[str, dict[str, LoggedName]] = {}
    for text in texts:
        if match := re.match(rf"Stream '(\w+)': {what}.*? row ids\): (.*)\. ", text):
            fields = found.setdefault(match[1], {})
            for part in match[2].split("; "):
                field = re.match(r"[^:.[]+", part)[0]  # type: ignore[index]
                count = int(re.search(r": ([\d,]+)", part)[1].replace(",", ""))  # type: ignore[index]
                rows = part.partition(" (")[2].rstrip(")").split(", ")
                before = fields.get(field, LoggedName(0, set()))
                fields[field] = LoggedName(before.times + count, before.rows | {*rows})
    return found


def test_equivalent_values_are_read_like_the_usual_ones(
    read_through: Callable[..., Output],
    fault_free: Output,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hostile = Values(equivalents, SEED, 0.3)
    output = read_through(hostile)
    assert hostile.changed.total() > 1000
    assert output.all_rows() == fault_free.all_rows()
    assert not logged_names(caplog.messages, "unreadable")


def test_odd_values_become_null_and_are_named(
    read_through: Callable[..., Output],
    fault_free: Output,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(outcome, "_SHOWN", 10**6)
    hostile = Values(odd, SEED, 0.03)
    output = read_through(hostile)
    logged = logged_names(caplog.messages, "unreadable")
    assert SECRET not in caplog.text
    assert hostile.changed.total() > 300
    for stream in CONTRACTS:
        ours, theirs = by_id(output, stream), by_id(fault_free, stream)
        assert ours.keys() == theirs.keys(), stream
        for name, record in theirs.items():
            for field, value in record.items():
                if ours[name][field] != value:
                    row = name.partition(" #")[0]
                    names = ({field} | DERIVED.get(field, set())) & logged[stream].keys()
                    found = any(row in logged[stream][each].rows for each in names)
                    assert found, f"{stream}.{field} of {name} is not named"
    assert logged.keys() >= {stream for stream, count in hostile.changed.items() if count > 5}


@pytest.mark.parametrize("stream", IN_LISTS)
def test_odd_rows_are_lost_and_set_the_exit_code(
    read_through: Callable[..., Output],
    fault_free: Output,
    stream: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hostile = Rows(stream, SEED, 0.25)
    output = read_through(hostile, streams=[stream], fails=True)
    assert output.problem.startswith(f"Incomplete: {stream} ")
    assert SECRET not in caplog.text
    left = iter(fault_free.records[stream])
    assert all(record in left for record in output.records[stream]), "in the same order"
    lost = len(fault_free.records[stream]) - len(output.records[stream])
    logged = sum(field.times for field in logged_names(caplog.messages, "rows")[stream].values())
    changed = hostile.changed[stream]
    assert 0 < changed <= lost if stream in FOLDERS | {"link_metrics"} else lost == changed > 0
    assert logged >= changed if stream in FOLDERS else logged == changed
    assert "ACTIVATE_VERSION" not in output.types


@pytest.mark.parametrize("stream", [*IN_LISTS, "collection_contents"])
def test_null_in_place_of_any_list_of_rows_is_an_empty_list(
    read_through: Callable[..., Output],
    fault_free: Output,
    stream: str,
) -> None:
    hostile = NullLists(stream)
    output = read_through(hostile, streams=[stream])
    assert hostile.changed[stream]
    assert fault_free.records[stream]
    assert not output.records[stream]
