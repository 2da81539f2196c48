"""The deliveries of a workspace: reproducible, and growing with time."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from itertools import pairwise
from time import perf_counter
from typing import Any

import pytest
from harness import sender_of
from hypothesis import given
from hypothesis import strategies as st
from sandbox.sandbox_caller import DAY, SINCE

from tap_customerio.sandbox import Workspace
from tap_customerio.sandbox.world.workspace import KINDS

NOW = SINCE + 56 * DAY
SENDERS = ("campaign_id", "newsletter_id", "broadcast_id", "transactional_message_id")
WORKSPACE = Workspace(per_day=120)
ROWS = list(WORKSPACE.deliveries(SINCE, NOW, now=NOW))


def test_the_same_seed_gives_the_same_deliveries() -> None:
    assert list(Workspace(per_day=120).deliveries(SINCE, SINCE + 9 * DAY, now=NOW)) == rows_until(9)
    assert ids(Workspace(seed=2, per_day=120), SINCE, NOW).isdisjoint(row["id"] for row in ROWS)


def test_a_workspace_with_a_later_start_shows_the_same_deliveries() -> None:
    later = Workspace(since=SINCE + 30 * DAY, per_day=120)
    assert list(later.deliveries(SINCE, NOW, now=NOW)) == [
        row for row in ROWS if row["created"] >= later.since
    ]


def test_more_deliveries_a_day_keep_the_existing_ones() -> None:
    busier = ids(Workspace(per_day=100, newsletters=0), SINCE, NOW)
    assert ids(Workspace(per_day=50, newsletters=0), SINCE, NOW) < busier


def test_the_number_of_deliveries_on_an_average_day_is_configurable() -> None:
    for workspace in (Workspace(), Workspace(newsletters=0)):
        count = workspace.count_deliveries(SINCE, SINCE + 364 * DAY, now=SINCE + 365 * DAY)
        assert count == pytest.approx(280 * 364, rel=0.1)


def test_weekends_are_quiet_and_newsletters_cause_peaks() -> None:
    by_day = Counter(row["created"] // DAY for row in ROWS)
    plain = Counter(row["created"] // DAY for row in ROWS if not row["newsletter_id"])
    weekend = [count for day, count in plain.items() if day % 7 in {2, 3}]
    assert max(weekend) < sum(plain.values()) / len(plain)
    assert max(by_day.values()) > 2.5 * max(plain.values())


def test_deliveries_come_in_the_order_of_creation_and_share_seconds() -> None:
    created = [row["created"] for row in ROWS]
    assert all(a <= b for a, b in pairwise(created))
    assert len(set(created)) < 0.9 * len(created)


def test_ids_are_unique_and_look_like_base64_of_different_lengths() -> None:
    assert len({row["id"] for row in ROWS}) == len(ROWS)
    assert {row["id"].count("=") for row in ROWS} == {0, 1, 2}
    assert not any(char in row["id"] for row in ROWS for char in "+/")
    assert any(char in row["id"] for row in ROWS for char in "-_")


def test_every_delivery_has_the_same_keys_and_exactly_one_sender() -> None:
    assert len({tuple(row) for row in ROWS}) == 1
    assert all(sum(row[key] is not None for key in SENDERS) == 1 for row in ROWS)
    assert all(any(row[key] for row in ROWS) for key in SENDERS)


def test_every_channel_occurs_and_most_deliveries_are_email() -> None:
    channels = Counter(row["type"] for row in ROWS)
    expected = {"email", "push", "twilio", "in_app", "webhook", "slack", "whatsapp"}
    assert channels.keys() == expected
    assert channels["email"] > len(ROWS) / 2


def test_senders_and_actions_of_deliveries_are_in_the_lists() -> None:
    lists = {
        "campaign_id": WORKSPACE.campaigns(NOW) + WORKSPACE.broadcasts(NOW),
        "newsletter_id": WORKSPACE.newsletters(NOW),
        "broadcast_id": WORKSPACE.broadcasts(NOW),
        "transactional_message_id": WORKSPACE.transactional(NOW),
    }
    for key, listed in lists.items():
        by_id = {row["id"]: row for row in listed}
        for row in ROWS:
            if row[key] is not None:
                sender = by_id[row[key]]
                actions = {action["id"]: action["type"] for action in sender.get("actions", ())}
                assert row["action_id"] is None or actions[row["action_id"]] == row["type"]


def test_newsletters_go_out_on_the_day_they_are_sent() -> None:
    sent = {row["id"]: row["sent_at"] for row in WORKSPACE.newsletters(NOW)}
    delivered = [row for row in ROWS if row["newsletter_id"]]
    assert all(0 <= row["created"] - sent[row["newsletter_id"]] < 3600 for row in delivered)
    due = {n for n, at in sent.items() if at is not None and SINCE <= at < NOW - 3600}
    assert due == {row["newsletter_id"] for row in delivered}


def test_recipients_are_people_of_the_workspace() -> None:
    names = {
        person["identifiers"]["cio_id"]: person["identifiers"] for person in WORKSPACE.everyone(NOW)
    }
    for row in ROWS:
        assert names[row["customer_identifiers"]["cio_id"]] == row["customer_identifiers"]
        assert row["customer_id"] == row["customer_identifiers"]["id"]
    assert any(row["customer_id"] is None for row in ROWS)


def test_new_people_get_deliveries_only_after_they_joined() -> None:
    joined = {
        person["identifiers"]["cio_id"]: int(person["attributes"]["created_at"])
        for person in WORKSPACE.everyone(NOW)
    }
    since = [joined[row["customer_identifiers"]["cio_id"]] for row in ROWS]
    assert all(at <= row["created"] for at, row in zip(since, ROWS, strict=True))
    assert sum(at > SINCE for at in since) > len(ROWS) / 100


def test_an_email_without_an_address_is_undeliverable() -> None:
    lost = [r for r in ROWS if r["type"] == "email" and not r["customer_identifiers"]["email"]]
    assert lost
    assert all(row["recipient"] is None for row in lost)
    assert all(row["metrics"].keys() == {"undeliverable"} for row in lost)


def test_states_are_shown_only_after_they_happened() -> None:
    workspace, start = WORKSPACE, SINCE + 20 * DAY
    ever = {row["id"]: row["metrics"] for row in workspace.deliveries(start, NOW, now=NOW * 2)}
    for now in (start, start + 3600, start + 3 * DAY, NOW):
        for row in workspace.deliveries(start, start + 5 * DAY, now=now):
            assert row["created"] <= now
            assert row["metrics"] == {n: at for n, at in ever[row["id"]].items() if at <= now}


def test_states_follow_the_creation_and_opens_end_after_six_months() -> None:
    for row in WORKSPACE.deliveries(SINCE, NOW, now=NOW * 2):
        stamps = row["metrics"]
        assert all(row["created"] <= at <= row["created"] + 183 * DAY for at in stamps.values())
        assert stamps.get("opened", 0) <= stamps.get("human_opened", NOW * 2)
        if "converted" in stamps:
            assert stamps["human_opened"] <= stamps["converted"] <= row["created"] + 90 * DAY


def test_the_deduplicate_id_contains_the_newest_state_or_the_creation() -> None:
    now = ROWS[500]["created"]
    rows = list(WORKSPACE.deliveries(SINCE, now + 1, now=now))
    for row in rows:
        newest = max(row["metrics"].values(), default=row["created"])
        assert row["deduplicate_id"] == f"{row['id']}:{newest}"
    assert any(not row["metrics"] for row in rows)


def test_opens_come_within_minutes_and_sometimes_after_months() -> None:
    delays = sorted(
        row["metrics"]["human_opened"] - row["created"]
        for row in WORKSPACE.deliveries(SINCE, NOW, now=NOW * 2)
        if "human_opened" in row["metrics"]
    )
    assert delays[len(delays) // 2] < 3600
    assert delays[len(delays) * 9 // 10] > DAY
    assert 150 * DAY < delays[-1] <= 183 * DAY


def test_every_state_occurs() -> None:
    names = {name for row in ROWS for name in row["metrics"]}
    assert names >= {
        "sent", "delivered", "opened", "human_opened", "prefetch_opened", "clicked",
        "human_clicked", "link:2", "human_link:2", "converted", "bounced", "unsubscribed", "failed",
        "attempted", "spammed", "dropped", "undeliverable", "prefetch_clicked",
    }  # fmt: skip


def test_failures_have_a_reason_as_soon_as_they_happen() -> None:
    failures = {"bounced", "dropped", "failed", "undeliverable"}
    failed = [row for row in ROWS if not failures.isdisjoint(row["metrics"])]
    assert {row["id"] for row in ROWS if row["failure_message"]} == {row["id"] for row in failed}
    for row in failed[:40]:
        at = row["created"]
        for early in WORKSPACE.deliveries(at, at + 1, now=at):
            assert bool(early["failure_message"]) == (not failures.isdisjoint(early["metrics"]))


def test_forgotten_deliveries_have_no_content() -> None:
    forgotten = [row for row in ROWS if row["forgotten"]]
    assert forgotten
    assert all(row["subject"] is None and row["recipient"] is None for row in forgotten)


def test_drafts_are_separate_deliveries() -> None:
    drafts = list(WORKSPACE.deliveries(SINCE, NOW, now=NOW, drafts=True))
    assert len(drafts) == pytest.approx(3 * 56, rel=0.3)
    assert all(row["metrics"].keys() <= {"drafted"} for row in drafts)
    assert {row["id"] for row in drafts}.isdisjoint(row["id"] for row in ROWS)
    assert WORKSPACE.count_deliveries(SINCE, NOW, now=NOW, drafts=True) == len(drafts)


def test_gaps_have_no_deliveries_and_change_no_others() -> None:
    start, end = SINCE + 5 * DAY + 40_000, SINCE + 7 * DAY + 50_000
    gaps = [(start, end), (SINCE + 9 * DAY, SINCE + 9 * DAY + 60)]
    workspace = Workspace(gaps=gaps, per_day=120)
    rest = [row for row in ROWS if not any(a <= row["created"] < b for a, b in gaps)]
    assert list(workspace.deliveries(SINCE, NOW, now=NOW)) == rest
    assert workspace.count_deliveries(SINCE, NOW, now=NOW) == len(rest) < len(ROWS)


def test_gaps_end_before_their_last_second() -> None:
    gaps = [(row["created"] - 1, row["created"]) for row in rows_until(1)]
    workspace = Workspace(gaps=gaps, per_day=120)
    rest = [row for row in rows_until(1) if (row["created"], row["created"] + 1) not in gaps]
    assert list(workspace.deliveries(SINCE, SINCE + DAY, now=NOW)) == rest != []


def test_bursts_add_deliveries_to_one_second() -> None:
    at = SINCE + 3 * DAY + 12_345
    workspace = Workspace(bursts={at: 2500, at + 1: 10}, per_day=120)
    burst = list(workspace.deliveries(at, at + 1, now=NOW))
    assert 2500 <= len(burst) < 2510
    assert len({row["id"] for row in burst}) == len(burst)
    everything = list(workspace.deliveries(SINCE, NOW, now=NOW))
    known = {row["id"] for row in ROWS}
    assert [row for row in everything if row["id"] in known] == ROWS
    assert workspace.count_deliveries(SINCE, NOW, now=NOW) == len(everything) == len(ROWS) + 2510


@pytest.mark.slow
@given(st.integers(SINCE - DAY, NOW + DAY), st.integers(0, 9 * DAY), st.integers(0, 90))
def test_any_window_can_be_counted_and_read(start: int, length: int, age: int) -> None:
    end, now = start + length, NOW - age * DAY // 2
    expected = [row["id"] for row in ROWS if start <= row["created"] < min(end, now + 1)]
    assert [row["id"] for row in WORKSPACE.deliveries(start, end, now=now)] == expected
    assert WORKSPACE.count_deliveries(start, end, now=now) == len(expected)


def test_a_workspace_begins_at_a_midnight() -> None:
    with pytest.raises(ValueError, match="midnight"):
        Workspace(since=SINCE + 1)


@pytest.mark.parametrize("kind", ["campaigns", "newsletters", "broadcasts", "transactional"])
def test_a_workspace_may_have_no_senders_of_a_type(kind: str) -> None:
    counts: dict[str, Any] = {kind: 0}
    workspace = Workspace(**counts, per_day=50)
    rows = list(workspace.deliveries(SINCE, SINCE + 20 * DAY, now=NOW))
    kinds = {sender_of(row, workspace)[0] for row in rows}
    assert kinds == {*KINDS} - {kind.removesuffix("s")}
    assert getattr(workspace, kind)(NOW) == []


def test_a_workspace_may_be_empty() -> None:
    workspace = Workspace(
        campaigns=0, newsletters=0, broadcasts=0, transactional=0, people=0, drafts_per_day=0
    )
    assert workspace.count_deliveries(SINCE, NOW, now=NOW) == 0
    assert list(workspace.everyone(NOW)) == []


def test_deliveries_without_a_recipient_name_no_one() -> None:
    rows = list(Workspace(people=0).deliveries(SINCE, SINCE + DAY, now=NOW))
    assert all(row["customer_identifiers"] is None for row in rows)
    assert all(row["metrics"].keys() == {"undeliverable"} for row in rows)


def test_a_million_deliveries_take_little_memory_and_time() -> None:
    workspace = Workspace(per_day=5600)
    end = SINCE + 180 * DAY
    tracemalloc.start()
    began = perf_counter()
    assert workspace.count_deliveries(SINCE, end, now=end) > 950_000
    page = workspace.newest_first(SINCE, end, now=end, skip=900_000)
    assert len({next(page).id for _ in range(100)}) == 100
    assert perf_counter() - began < 1
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def rows_until(days: int) -> list[dict[str, Any]]:
    """The deliveries of the first days."""
    return [row for row in ROWS if row["created"] < SINCE + days * DAY]


def ids(workspace: Workspace, start: int, end: int) -> set[str]:
    """The ids of a workspace's deliveries."""
    return {row["id"] for row in workspace.deliveries(start, end, now=NOW)}
