"""preview: the sender of each delivery, and counts by sender."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW
from terminal import Screen, config_file, typed

from tap_customerio.commands.preview import _newest_of_each
from tap_customerio.commands.senders import shown
from tap_customerio.streams.senders import SENDER_STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox


@pytest.fixture
def preview(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Screen]:
    """Run the command on the shared sandbox."""
    config = config_file(sandbox, tmp_path)
    return lambda *words, **options: typed("preview", *words, "--config", config, **options)


def table(screen: Screen) -> list[str]:
    """The rows of a table, without headings."""
    assert screen.code == 0, screen.err
    return [line for line in screen.lines[3:] if line.startswith(" ") and line.strip()]


def test_deliveries_show_person_sender_time_and_outcome(
    preview: Callable[..., Screen], sandbox: Sandbox
) -> None:
    screen = preview("messages", "--limit", "12", columns=80)
    assert screen.lines[1].split() == ["created", "recipient", "sender", "opened", "clicked"]
    assert len(table(screen)) == 12
    assert any("***@***" in line for line in table(screen))
    names = {f"{row['id']}: {row['name']}"[:20] for row in sandbox.workspace.campaigns(NOW)}
    assert any(name in line for name in names for line in table(screen))
    assert any(" s " in line or " min " in line for line in table(screen))
    lists = {
        stream_class.path for stream_class in SENDER_STREAMS.values() if not stream_class.page_size
    }
    asked = [call.path for call in sandbox.calls if call.path in lists]
    assert 2 <= len(asked) == len({*asked})


def test_a_sender_without_a_readable_name_keeps_its_type_and_id(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    box = make_sandbox()
    box.fail(status=403, path="/v1/campaigns", times=100)
    screen = typed("preview", "messages", "--config", config_file(box, tmp_path))
    assert any(" campaign 2 " in line for line in table(screen))


def test_outcomes_use_one_unit() -> None:
    times = {"opened": "2026-03-01T02:20:10Z", "clicked": None}
    delivery = {"created": "2026-03-01T00:00:00Z", "metrics": times, "type": "sms"}
    sms = {**delivery, "recipient": "+15550000142"}
    found = shown("messages", sms, Any, personal=False)  # type: ignore[arg-type]
    assert (found["opened"], found["clicked"], found["recipient"]) == ("2 h", None, "***42")


@pytest.mark.parametrize("limit", [3, 7])
def test_counts_state_the_number_of_senders(preview: Callable[..., Screen], limit: int) -> None:
    screen = preview("metrics", "--limit", str(limit), columns=80)
    assert screen.lines[1].split()[:3] == ["source_type", "sender", "period_start"]
    rows = table(screen)
    assert len(rows) == limit
    assert len({tuple(row.split()[:2]) for row in rows}) == limit
    assert len({row.split()[0] for row in rows}) >= 3


COUNTS = {
    "metrics": "source_type sender period_start sent opened clicked",
    "action_metrics": "sender part_id period_start sent opened clicked",
    "link_metrics": "sender href period_start clicked",
    "journey_metrics": "sender period_start started messaged converted",
}


@pytest.mark.slow
@pytest.mark.parametrize("stream", COUNTS)
def test_counts_show_their_sender_on_80_columns(
    preview: Callable[..., Screen], sandbox: Sandbox, stream: str
) -> None:
    screen = preview(stream, "--limit", "9", columns=80)
    headings = screen.lines[1].split()
    assert headings[: len(COUNTS[stream].split())] == COUNTS[stream].split()
    assert not {"resolution", "timezone", "is_partial"} & {*headings}
    names = {f"{row['id']}: {row['name']}"[:14] for row in sandbox.workspace.campaigns(NOW)}
    assert any(name in line for name in names for line in table(screen))
    assert "https://" not in screen.out
    assert "WARNING" not in screen.err


def test_an_unavailable_range_is_an_error(preview: Callable[..., Screen]) -> None:
    assert preview("metrics", "--limit", "3").err == ""
    screen = preview("metrics", "--limit", "3", "--from", "2025-12-01")
    assert screen.err.startswith("Warning: The API counts only the last 45 days of newsletters")


@pytest.mark.slow
def test_a_wide_table_is_masked_too(preview: Callable[..., Screen], sandbox: Sandbox) -> None:
    people = sandbox.workspace.everyone(NOW)
    ids = {person["identifiers"].get("id") for person in people} - {None, ""}
    screen = preview("messages", "--limit", "50", columns=900)
    words = {*screen.out.replace('"', " ").replace(",", " ").split()}
    assert "customer_identifiers" in words
    assert not words & ids
    shown = preview("messages", "--limit", "50", "--show-personal-data", columns=900)
    assert {*shown.out.replace('"', " ").replace(",", " ").split()} & ids


def test_json_has_the_fields_of_the_stream(preview: Callable[..., Screen]) -> None:
    [line] = preview("messages", "--limit", "1", "--json").lines
    assert "sender" not in json.loads(line)


def test_buckets_of_the_same_sender_fill_the_table() -> None:
    rows = [[{"period_start": f"2026-03-{day:02}", "s": s} for day in (9, 8, 7)] for s in "ab"]
    found = [(row["s"], row["period_start"][-1]) for row in _newest_of_each(iter(rows), 4)]
    assert found == [("a", "9"), ("b", "9"), ("a", "8"), ("b", "8")]
    assert len(_newest_of_each(iter(rows), 9)) == 6
