"""Models and verify on tables from an older tap, another loader or a broken sync."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from terminal import typed

if TYPE_CHECKING:
    from collections.abc import Callable

    from transform.dbt_run import Built

    Row = dict[str, Any]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("modelled", ["duckdb"], indirect=True),
    pytest.mark.usefixtures("modelled"),  # also where it is not asked: pytest sorts tests by it
]

MODELS = ("deliveries", "message_events", "deliverability", "reconciliation")
LOST = datetime(2026, 3, 26)  # noqa: DTZ001 - six days before the present, in UTC
RECIPIENTS = {
    "ada@one.example, bob@two.example": "one.example",
    "Ada <ada@one.example>": "one.example",
    '"Ada @ home" <ada@One.example>, bob@two.example': "one.example",
    "ada@one.example;bob@two.example": "one.example",
    "ada@one.example bob": "one.example",
    "ada@": None,
    "ada": None,
}
SENDERS = """
    select source_type, source_id, count(*) as n from int_customerio__messages
    group by 1, 2 order by 1, 2
"""


DECIDING = ("broadcasts", "campaigns", "metrics")


class Odd:
    """The warehouse, its original data, and the changed rows."""

    def __init__(self, built: Built) -> None:
        self.built = built
        self.senders = built.ask(SENDERS)
        self.verified = self.verify()
        self.decided: list[Row] = []
        self.undecided: list[Row] = []
        self.derived: list[Row] = []
        self.verified_again: Row = {}
        rows = built.ask(
            "select delivery_id, source_type, source_id, created_at from customerio__deliveries "
            "where channel = 'email' and source_type = 'campaign' and sent_at is not null "
            f"and created_at < timestamp '{LOST}' order by delivery_id"
        )
        self.moved, self.emptied, self.broken, self.ancient, *rest = rows
        self.addressed = dict(zip(RECIPIENTS, rest, strict=False))

    def verify(self) -> Row:
        """The output of verify, as JSON."""
        url = f"duckdb:///{self.built.folder / 'warehouse.duckdb'}"
        found: Row = json.loads(typed("verify", "--warehouse", url, "--json").out)
        return found

    def change(self, what: str, row: Row) -> None:
        """Change a delivery in the raw table."""
        self.built.ask(f"update customerio.messages set {what} where id = '{row['delivery_id']}'")


@pytest.fixture(scope="module")
def odd(modelled: Built, make_built: Callable[..., Built]) -> Odd:
    """A copy with many changes, built again."""
    built = make_built("duckdb", modelled)
    changed = Odd(built)
    built.ask("update customerio.messages set source_type = null where campaign_id is not null")
    changed.decided = built.ask(SENDERS)
    empty = "; ".join(f"delete from customerio.{table}" for table in DECIDING)
    changed.undecided = built.ask(f"begin; {empty}; {SENDERS}")  # closing undoes it
    built.ask("update customerio.messages set source_type = null, source_id = null")
    built.ask("delete from customerio.broadcasts")
    changed.derived, changed.verified_again = built.ask(SENDERS), changed.verify()
    changed.change("campaign_id = 77, created = created - interval '1' day", changed.moved)
    changed.change("metrics = '{}', links = '[]', other_metrics = '{}'", changed.emptied)
    changed.change("updated = timestamp '5138-01-01'", changed.broken)
    changed.change("created = timestamp '0001-01-01'", changed.ancient)
    built.ask(
        "delete from customerio.messages where created > '2012-01-01' and created < "
        "(select min(created) + interval '30' hour from customerio.messages "
        "where created > '2012-01-01')"
    )
    for recipient, row in changed.addressed.items():
        changed.change(f"recipient = '{recipient}'", row)
    built.ask(f"delete from customerio.messages where created >= timestamp '{LOST}'")
    built.dbt("run", "--select", *(f"customerio__{name}" for name in MODELS))
    return changed


def test_senders_are_derived_from_ids_without_the_taps_columns(odd: Odd) -> None:
    assert odd.derived == odd.senders
    assert {row["source_type"] for row in odd.senders} == {
        *("campaign", "newsletter", "broadcast", "transactional")
    }
    assert odd.verified_again == odd.verified


def test_lists_and_counts_decide_what_the_tap_could_not(odd: Odd) -> None:
    assert odd.decided == odd.senders


def test_a_sender_that_may_be_a_broadcast_is_unknown(odd: Odd) -> None:
    may_be = {"campaign", "broadcast"}
    expected = [
        {**row, "source_type": "unknown"} if row["source_type"] in may_be else row
        for row in odd.senders
    ]
    assert Counter(map(str, odd.undecided)) == Counter(map(str, expected))


def test_events_follow_the_sender_and_time_of_their_delivery(odd: Odd) -> None:
    query = """
        select distinct source_type, source_id, created_at from customerio__message_events
        where delivery_id = '{delivery_id}'
    """
    assert odd.built.ask(query.format(**odd.moved)) == [
        {
            "source_type": "campaign",
            "source_id": 77,
            "created_at": odd.moved["created_at"] - timedelta(days=1),
        }
    ]


def test_a_delivery_without_states_has_no_events(odd: Odd) -> None:
    query = "select event from customerio__message_events where delivery_id = '{delivery_id}'"
    assert odd.built.ask(query.format(**odd.emptied)) == []
    query = "select sent_at from customerio__deliveries where delivery_id = '{delivery_id}'"
    assert odd.built.ask(query.format(**odd.emptied)) == [{"sent_at": None}]


def test_one_time_in_the_future_settles_nothing(odd: Odd) -> None:
    query = "select distinct is_settled from customerio__deliveries where created_at > '2012-01-01'"
    assert odd.built.ask(query) == [{"is_settled": False}]


def test_one_time_long_ago_does_not_make_the_loading_begin_then(odd: Odd) -> None:
    [first] = odd.built.ask(
        "select min(created_at) as at from customerio__deliveries where created_at > '2012-01-01'"
    )
    rows = odd.built.ask("select day, status from customerio__reconciliation order by day")
    early = [row for row in rows if row["day"] < first["at"].date()]
    assert {row["status"] for row in early} == {"before loading"}
    assert early[0]["day"].year == first["at"].year


@pytest.mark.parametrize(("recipient", "domain"), RECIPIENTS.items())
def test_domains_contain_nothing_else(odd: Odd, recipient: str, domain: str | None) -> None:
    query = "select recipient_domain from customerio__deliveries where delivery_id = '{}'"
    found = odd.built.ask(query.format(odd.addressed[recipient]["delivery_id"]))
    assert found == [{"recipient_domain": domain}]


def test_deliveries_are_missing_if_they_stop_while_counts_continue(odd: Odd) -> None:
    rows = odd.built.ask("select * from customerio__reconciliation where status = 'missing'")
    days = {row["day"] for row in rows if row["day"] >= LOST.date()}
    assert {date(2026, 3, 27), date(2026, 3, 28)} <= days
    assert max(days) <= date(2026, 3, 29), "the last two days may come later"
    verified = odd.verify()
    missing = {each["day"] for month in verified.values() for each in month["missing"]}
    assert {day.isoformat() for day in days} <= missing
