"""No target loses a row that the API still has: all mirrors, with all possible faults."""

from __future__ import annotations

import copy
import io
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from harness import (
    NOW,
    Output,
    config_for,
    few_senders,
    new_sandbox,
    restored_signals,
    run_tap,
    select,
)

from tap_customerio.backfill.job import Job
from tap_customerio.sandbox.server.shifting import Shift
from tap_customerio.streams import all_streams
from tap_customerio.streams.base import CustomerioStream
from tap_customerio.sync.progress import Progress
from tap_customerio.tap import TapCustomerio
from tap_customerio.windows import DAY, Window, parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox

SMALL = few_senders(
    since=parse("2026-03-24"),
    per_day=2,
    people=8,
    campaigns=2,
    newsletters=1,
    objects_per_type=2,
)
MIRRORS = sorted(stream_class.name for stream_class in all_streams() if stream_class.is_mirror)
ALWAYS: dict[str, Any] = {"customers_sync": "full", "refresh_hours": 0}
"""Settings for full syncs."""

ONE_OF_EACH_CLASS = {
    base
    if (base := stream_class.__mro__[1]) is not CustomerioStream
    else stream_class: stream_class.name
    for stream_class in all_streams()
    if stream_class.is_mirror
}.values()

COUNTED = {"customers", "objects", "segment_memberships"}
"""Mirrors whose rows the API also counts elsewhere."""


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """A sandbox without changes."""
    with new_sandbox(workspace=SMALL) as sandbox:
        yield sandbox


def _sync(
    box: Sandbox,
    state: dict[str, Any] | None,
    streams: Collection[str] = MIRRORS,
    **settings: Any,
) -> Output:
    config = config_for(box, **{**ALWAYS, **settings})
    kept = copy.deepcopy(state)
    return run_tap(config, streams=streams, state=kept, full_table=streams, fails=None)


@pytest.fixture(scope="module")
def state(box: Sandbox) -> dict[str, Any]:
    """The state of a full sync."""
    return _sync(box, None).states[-1]


class Complete(NamedTuple):
    """A second full sync, and the paths that it requested."""

    output: Output
    paths: set[str]


@pytest.fixture(scope="module")
def complete(box: Sandbox, state: dict[str, Any]) -> Complete:
    """A full sync with the state of an earlier one."""
    box.forget()
    return Complete(_sync(box, state), {call.path for call in box.calls})


@pytest.mark.slow
def test_complete_reads_activate_every_mirror(complete: Complete) -> None:
    assert complete.output.activated == set(MIRRORS)


def _with_an_end(box: Sandbox, state: dict[str, Any], *_: Any) -> Output:
    return _sync(box, state, end_date=rfc3339(NOW))


def _in_batches(box: Sandbox, state: dict[str, Any], _: Complete, folder: Path) -> Output:
    storage = {"root": folder.as_uri()}
    encoding = {"format": "jsonl", "compression": "gzip"}
    return _sync(box, state, batch_config={"encoding": encoding, "storage": storage})


def _with_failures(box: Sandbox, state: dict[str, Any], complete: Complete, _: Path) -> Output:
    for path in complete.paths:
        box.fail(status=403, path=path)
    output = _sync(box, state)
    box.middleware.failures.clear()
    assert all(name in output.problem for name in MIRRORS)
    return output


def _run(tap: TapCustomerio, how: Callable[[], Any]) -> Output:
    stdout = io.BytesIO()
    with restored_signals(), redirect_stdout(io.TextIOWrapper(stdout, write_through=True)):
        for name in MIRRORS:
            tap.streams[name].forced_replication_method = "FULL_TABLE"
        how()
        tap.client.close()
    return Output.of(stdout.getvalue().splitlines())


def _in_a_test(box: Sandbox, state: dict[str, Any], *_: Any) -> Output:
    tap = TapCustomerio(config=config_for(box), catalog=select(MIRRORS), state=state)
    output = _run(tap, lambda: tap.run_sync_dry_run(1, [tap.streams[name] for name in MIRRORS]))
    assert "RECORD" in output.types
    return output


def _in_a_shard(box: Sandbox, state: dict[str, Any], *_: Any) -> Output:
    job = Job(config_for(box), select(MIRRORS), Window(NOW - DAY, NOW), MIRRORS, 1, 2)
    tap = job.tap()
    assert state
    return _run(tap, tap.sync_all)


@pytest.mark.slow
@pytest.mark.parametrize(
    "read", [_with_an_end, _in_batches, _with_failures, _in_a_test, _in_a_shard]
)
def test_only_a_complete_read_activates_a_mirror(
    box: Sandbox,
    state: dict[str, Any],
    complete: Complete,
    tmp_path: Path,
    read: Callable[[Sandbox, dict[str, Any], Complete, Path], Output],
) -> None:
    output = read(box, copy.deepcopy(state), complete, tmp_path)
    assert {m["stream"] for m in output.messages if m["type"] == "SCHEMA"} == set(MIRRORS)
    assert not output.activated


FILTERED = {"customers", "customer_relationships", "esp_suppressions", "subscription_preferences"}


@pytest.mark.slow
def test_a_changed_filter_activates_only_at_the_next_sync(
    box: Sandbox, state: dict[str, Any]
) -> None:
    settings: dict[str, Any] = {
        "customers_filter": {"attribute": {"field": "region", "operator": "eq", "value": "Asia"}},
        "esp_suppression_domains": ["mail.example.org"],
    }
    output = _sync(box, state, **settings)
    assert output.activated == set(MIRRORS) - FILTERED
    some = FILTERED | {"segments", "snippets"}
    again = _sync(box, output.states[-1], some, **settings)
    assert again.activated == some
    assert _sync(box, again.states[-1], some).activated == some - FILTERED


@pytest.mark.slow
def test_a_stop_activates_no_mirror(
    box: Sandbox, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(progress: Progress, stream: str, rows: int) -> None:  # noqa: ARG001
        taps[-1].sync_run.signal = 15

    monkeypatch.setattr(Progress, "page", stop)
    taps: list[TapCustomerio] = []
    for name in ONE_OF_EACH_CLASS:
        kept, config = copy.deepcopy(state), config_for(box, **ALWAYS)
        taps.append(TapCustomerio(config=config, catalog=select([name]), state=kept))

        def stopped() -> None:
            with pytest.raises(SystemExit, match="143"):
                taps[-1].sync_all()

        output = _run(taps[-1], stopped)
        assert "SCHEMA" in output.types, name
        assert not output.activated, name


@pytest.mark.slow
def test_less_than_half_is_accepted_after_a_confirmation(
    box: Sandbox, state: dict[str, Any], complete: Complete, caplog: pytest.LogCaptureFixture
) -> None:
    state, once = copy.deepcopy(state), complete.output
    for facts in state["bookmarks"].values():
        facts["rows"] = 3 * facts["rows"] + 1
    output = _sync(box, state)
    assert output.activated == COUNTED
    assert "'opt_outs': two reads found" in caplog.text
    for name in MIRRORS:
        assert len(output.records[name]) == 2 * len(once.records[name]), name
        if name not in COUNTED:
            assert output.states[-1]["bookmarks"][name]["rows"] > len(once.records[name])
    again = _sync(box, output.states[-1])
    assert again.activated == set(MIRRORS)
    assert {name: len(rows) for name, rows in again.records.items()} == {
        name: len(rows) for name, rows in once.records.items()
    }


def test_an_empty_list_must_be_confirmed(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    box = make_sandbox(workspace=SMALL)
    box.shift(Shift("/v1/optouts", "optouts", {0: range(1000)}))
    first = run_tap(config_for(box), streams=["opt_outs"])
    assert not first.activated
    second = run_tap(config_for(box), streams=["opt_outs"], state=first.states[-1])
    assert second.activated == {"opt_outs"}
    asked = box.requests_by_path()["/v1/optouts"]
    assert asked == 2


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 99])
@pytest.mark.parametrize("people", [None, []])
def test_a_search_without_results_drops_no_one(
    make_sandbox: Callable[..., Sandbox], times: int, people: list[Any] | None
) -> None:
    box = make_sandbox(workspace=SMALL)
    config = config_for(box, customers_sync="full")
    first = run_tap(config, streams=["customers"])
    body = {"identifiers": people, "ids": people, "next": ""}
    box.fail(status=200, times=times, body=body, path="/v1/customers")
    second = run_tap(config, streams=["customers"], state=first.states[-1])
    assert first.activated == {"customers"}
    assert not second.activated
    assert len(second.records["customers"]) == (
        len(first.records["customers"]) if times == 1 else 0
    )


@pytest.mark.slow
def test_the_counts_of_the_workspace_outweigh_repeated_empty_searches(
    make_sandbox: Callable[..., Sandbox], caplog: pytest.LogCaptureFixture
) -> None:
    box = make_sandbox(workspace=SMALL)
    config = config_for(box, customers_sync="full")
    output = run_tap(config, streams=["customers"])
    body = {"identifiers": None, "ids": None, "next": ""}
    box.fail(status=200, times=99, body=body, path="/v1/customers")
    for _ in range(3):
        output = run_tap(config, streams=["customers"], state=output.states[-1])
        assert not output.activated
        warnings = [line.getMessage() for line in caplog.records if line.levelname == "WARNING"]
        [warning] = [line for line in warnings if "'customers'" in line]
        assert "another part of the API counts" in warning
        caplog.clear()


@pytest.mark.parametrize("left_out", [range(6), pytest.param(range(100), marks=pytest.mark.slow)])
def test_missing_segments_do_not_remove_their_members(
    make_sandbox: Callable[..., Sandbox], left_out: range
) -> None:
    box = make_sandbox(workspace=SMALL)
    first = run_tap(config_for(box, **ALWAYS), streams=["segment_memberships"])
    box.shift(Shift("/v1/segments", "segments", {0: left_out}))
    second = run_tap(
        config_for(box, **ALWAYS), streams=["segment_memberships"], state=first.states[-1]
    )
    assert not second.activated
    third = run_tap(
        config_for(box, **ALWAYS), streams=["segment_memberships"], state=second.states[-1]
    )
    assert third.activated == {"segment_memberships"}
