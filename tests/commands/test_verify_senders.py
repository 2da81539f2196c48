"""verify: which sender a loaded delivery counts for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from commands.verifying import EDGES, counted, sent

if TYPE_CHECKING:
    from commands.verifying import Verify


SOURCE_COLUMNS = (
    "alter table customerio.messages add column source_type varchar",
    "alter table customerio.messages add column source_id bigint",
)
"""Columns of newer taps."""


def test_a_broadcast_may_be_called_a_campaign(verify: Verify) -> None:
    messages = [*EDGES, sent("2026-03-02 10:00", "campaign", 9)]
    screen = verify(messages, [counted("2026-03-02", 1, "broadcast", source=9)])
    assert "2026-03: 1 sent by Customer.io, 1 loaded." in screen.out


def test_the_tap_decides_the_sender_type(verify: Verify) -> None:
    messages = [*EDGES, sent("2026-03-02 10:00", "campaign", 9), sent("2026-03-02 10:00")]
    metrics = [counted("2026-03-02", 1, "broadcast", source=9), counted("2026-03-02", 1)]
    screen = verify(
        messages,
        metrics,
        then=[
            *SOURCE_COLUMNS,
            "update customerio.messages set source_type = 'broadcast' where campaign_id = 9",
            "update customerio.messages set source_id = 9, campaign_id = 0 where campaign_id = 9",
            "alter table customerio.messages drop column newsletter_id",  # not selected
        ],
    )
    assert screen.code == 0, screen.err
    assert "2026-03: 2 sent by Customer.io, 2 loaded." in screen.out


def test_an_id_of_a_listed_broadcast_and_a_counted_campaign_is_of_either(verify: Verify) -> None:
    messages = [*EDGES, sent("2026-03-02 10:00", "campaign", 9), sent("2026-03-05 10:00")]
    screen = verify(
        messages,
        [counted("2026-03-02", 1, source=9), counted("2026-03-04", 1, source=9)],
        then=["create table customerio.broadcasts as select 9 as id"],
    )
    assert (
        "2026-03: 2 sent by Customer.io, 0 loaded; "
        "1 more loaded, which Customer.io's counts do not cover; "
        "1 more loaded, sent by a campaign or a broadcast."
    ) in screen.words()
    assert screen.code == 0


def test_an_id_of_both_is_of_either_also_where_the_tap_wrote_broadcast(verify: Verify) -> None:
    messages = [*EDGES, sent("2026-03-02 10:00", "campaign", 9)]
    named = [
        *SOURCE_COLUMNS,
        "update customerio.messages set source_id = 9 where campaign_id = 9",
        "update customerio.messages set source_type = 'broadcast' where campaign_id = 9",
    ]
    lists = [f"create table customerio.{each} as select 9 as id" for each in LISTS]
    screen = verify(messages, [counted("2026-03-02", 4, source=9)], then=[*named, *lists])
    assert "1 more loaded, sent by a campaign or a broadcast" in screen.words()


LISTS = ("broadcasts", "campaigns")
WITHOUT_BROADCASTS = [
    *SOURCE_COLUMNS,
    "update customerio.messages set source_id = campaign_id",
]
"""Rows of a tap that could not read the list of broadcasts."""


def test_a_sender_that_may_be_a_broadcast_is_not_counted_as_a_campaign(verify: Verify) -> None:
    days = ("2026-03-02 10:00", "2026-03-03 10:00", "2026-03-03 11:00")
    messages = [*EDGES, *(sent(day, "campaign", 9) for day in days)]
    metrics = [counted("2026-03-02", 1, "newsletter", source=9)]
    screen = verify(messages, metrics, then=WITHOUT_BROADCASTS)
    assert (
        "2026-03: 1 sent by Customer.io, 0 loaded, 1 missing; "
        "3 more loaded, sent by a campaign or a broadcast."
    ) in screen.words()


@pytest.mark.slow
@pytest.mark.parametrize(
    "known",
    [
        "create table customerio.campaigns as select 9 as id",
        "create table customerio.broadcasts as select 9 as id",
        "insert into customerio.metrics select 'broadcast', 9, 'days', 'UTC', '2026-04-1', 0, null",
    ],
)
def test_lists_and_counts_decide_what_a_sender_is(verify: Verify, known: str) -> None:
    messages = [*EDGES, sent("2026-03-02 10:00", "campaign", 9)]
    screen = verify(messages, [counted("2026-03-05", 1)], then=[*WITHOUT_BROADCASTS, known])
    assert (
        "2026-03: 1 sent by Customer.io, 0 loaded, 1 missing; 1 more loaded, which"
    ) in screen.words()


def test_an_id_without_a_type_may_be_of_any_sender(verify: Verify) -> None:
    messages = [*EDGES, sent("2026-03-02 10:00", "newsletter", 9)]
    then = [
        *WITHOUT_BROADCASTS,
        "update customerio.messages set source_id = newsletter_id where newsletter_id is not null",
        "alter table customerio.messages drop column newsletter_id",
    ]
    screen = verify(messages, [counted("2026-03-02", 1, source=1)], then=then)
    assert "1 more loaded, sent by a campaign" in screen.words()
