"""Models of partial loads, of several workspaces, and with custom conversions."""

from __future__ import annotations

import copy
import datetime as dt
import itertools
import json
import math
import random
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pytest
from e2e.rows import instant
from transform.dbt_run import FOR_MARTS

from transform import sandbox_facts as facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness import Output
    from transform.dbt_run import Built
    from transform.sandbox_facts import Row

    from tap_customerio.sandbox import Sandbox

Touch = tuple[str, dt.datetime, int, str]

pytestmark = pytest.mark.slow

LOADED = ("customers", "messages", "subscription_topics")
"""Streams of people, without those that name senders, links or preferences."""

COUNTS = [(1, "2026-03-01T01:00:00Z", 10), (1, "2026-03-01T23:00:00Z", 12)]
COUNTS += [(1, "2026-03-02T01:00:00Z", 9), (1, "2026-03-09T01:00:00Z", 18)]
COUNTS += [(2, "2026-03-02T01:00:00Z", 0), (2, "2026-03-03T01:00:00Z", 4)]


COMPUTED, CHOSEN = "_cio_subscription_preferences_computed", "cio_subscription_preferences"
PEOPLE: dict[str, dict[str, str]] = {
    "blocked": {COMPUTED: '{"topics":{"topic_1":false}}'},
    "bounced": {COMPUTED: '{"topics":{"topic_2":false}}', CHOSEN: '{"topics": {"topic_2": true}}'},
    "odd": {COMPUTED: "topic_1", CHOSEN: '{"topics":'},
}
"""People by name, with the topics in their profiles."""


def drawn_tests() -> dict[int, list[tuple[int, int]]]:
    """Made-up A/B tests: the number of sent and clicked deliveries of each group."""
    rng = random.Random(11)
    tests = {1: [(80, 2), (80, 30)], 2: [(90, 9), (85, 10)], 3: [(60, 5), (60, 40), (60, 38)]}
    tests |= {4: [(60, 3), (60, 40), (60, 10)], 5: [(50, 0), (0, 0)], 6: [(30, 30), (30, 2)]}
    for newsletter in range(7, 16):
        sizes = [rng.randint(1, 60) for _ in range(rng.randint(2, 3))]
        tests[newsletter] = [(size, rng.randint(0, size)) for size in sizes]
    return tests


TESTS = drawn_tests()


@pytest.fixture(scope="module")
def partial(make_built: Callable[..., Built], modelled_output: Output) -> Built:
    """A workspace with few loaded streams, and one with made-up tests and counts."""
    built = make_built("duckdb")
    built.variables["customerio_workspaces"] = {"acme": "cio_a", "bora": "cio_b"}
    built.variables["customerio_human_only"] = False
    every = modelled_output.messages
    built.load([message for message in every if message.get("stream") in LOADED], "cio_a")
    built.load(made_up(modelled_output), "cio_b")
    built.dbt("build", "--select", FOR_MARTS)
    return built


def made_up(output: Output) -> list[Row]:
    """Deliveries of TESTS, and COUNTS, as Singer messages."""
    rows = made_up_tests(output.records["messages"][0])
    rows["segment_counts"] = [
        {"segment_id": segment, "observed_at": at, "count": count} for segment, at, count in COUNTS
    ]
    person = output.records["customers"][0]
    rows["customers"] = [
        {**person, "cio_id": name, "email": f"{name}@example.org", "attributes": attributes}
        for name, attributes in PEOPLE.items()
    ]
    topics = output.records["subscription_topics"][:2]  # of which the first is on by default
    rows["subscription_topics"] = topics
    rows["esp_suppressions"] = [
        {"suppression_type": "blocks", "domain": "*", "email": "blocked@example.org"},
        {"suppression_type": "bounces", "domain": "*", "email": "Bounced@example.org"},
    ]
    schemas = {
        message["stream"]: message for message in output.messages if message["type"] == "SCHEMA"
    }
    return [
        message
        for stream, records in rows.items()
        for message in (
            schemas[stream],
            *({"type": "RECORD", "stream": stream, "record": record} for record in records),
        )
    ]


def made_up_tests(template: Row) -> dict[str, list[Row]]:
    """Groups and deliveries of TESTS, by stream."""
    rows: dict[str, list[Row]] = {"messages": [], "newsletter_test_groups": []}
    for newsletter, groups in TESTS.items():
        for group, (sent, clicked) in enumerate(groups, 1):
            content = newsletter * 10 + group
            test_group = {"newsletter_id": newsletter, "id": group, "label": "AB C"[group]}
            rows["newsletter_test_groups"].append({**test_group, "content_ids": [content]})
            for number in range(sent):
                row = copy.deepcopy(template)
                row["id"] = f"{content}-{number}"
                row |= {"newsletter_id": newsletter, "content_id": content}
                row |= {"source_type": "newsletter", "source_id": newsletter}
                row["transactional_message_id"] = None
                row["metrics"] = {"sent": row["created"]}
                if number < clicked:
                    row["metrics"]["clicked"] = row["created"]
                rows["messages"].append(row)
    return rows


def bounds(part: int, whole: int) -> tuple[float, float]:
    """The Wilson interval: both solutions of |share - p| = z · sqrt(p (1 - p) / whole)."""
    z, share = 1.959964, part / whole
    a, b, c = 1 + z * z / whole, -2 * share - z * z / whole, share * share
    root = math.sqrt(b * b - 4 * a * c)
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def is_above(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether the share of one group is significantly above another's."""
    if not one[0] or not other[0]:
        return False
    (share, low), (other_share, high) = (
        (one[1] / one[0], bounds(one[1], one[0])[0]),
        (other[1] / other[0], bounds(other[1], other[0])[1]),
    )
    return share - other_share > math.hypot(share - low, high - other_share)


def test_streams_that_are_not_loaded_do_no_harm(partial: Built) -> None:
    for model in ("journey_funnel", "attribution"):
        assert partial.ask(f"select * from customerio__{model}") == []
    covered = "select distinct is_covered from customerio__reconciliation"
    assert partial.ask(covered) == [{"is_covered": False}]
    links = "select distinct href, counted_clicks from customerio__links where workspace = 'acme'"
    assert partial.ask(links) == [{"href": None, "counted_clicks": None}]
    people = """
        select distinct subscription_state from customerio__people where workspace = 'acme'
    """
    assert {row["subscription_state"] for row in partial.ask(people)} == {
        *("subscribed", "unsubscribed")
    }


def test_machines_count_if_configured(partial: Built, modelled_sandbox: Sandbox) -> None:
    sent = facts.deliveries(modelled_sandbox)
    of_machines = sum("opened" in row["metrics"] for row in sent)
    assert of_machines > sum("human_opened" in row["metrics"] for row in sent)
    query = """
        select sum(opened) as opened from customerio__senders where workspace = 'acme'
    """
    assert [int(row["opened"]) for row in partial.ask(query)] == [of_machines]
    clicks = sum(state.startswith("link:") for row in sent for state in row["metrics"])
    query = "select sum(clicked) as clicked from customerio__links where workspace = 'acme'"
    assert [int(row["clicked"]) for row in partial.ask(query)] == [clicks]


def test_topics_are_read_from_profiles_too(partial: Built, modelled_output: Output) -> None:
    defaults = {
        f"topic_{row['id']}": row["subscribed_by_default"]
        for row in modelled_output.records["subscription_topics"]
    }
    expected = {}
    for person in modelled_output.records["customers"]:
        for topic, default in defaults.items():
            chosen, known_from, is_choice = default, "default", False
            for name in ("_cio_subscription_preferences_computed", "cio_subscription_preferences"):
                topics = json.loads(person["attributes"].get(name) or "{}").get("topics", {})
                if topic in topics:
                    chosen, known_from = topics[topic], "profile"
                    is_choice = name == CHOSEN or chosen != default
            expected[person["cio_id"], topic] = (chosen, known_from, is_choice)
    query = "select * from customerio__consents where scope = 'topic' and workspace = 'acme'"
    found = {
        (row["cio_id"], row["subject"]): (
            *(row["is_allowed"], row["known_from"], row["is_choice"]),
        )
        for row in partial.ask(query)
    }
    assert found == expected
    assert {known_from for _, known_from, _ in found.values()} == {"default", "profile"}


def test_a_choice_has_priority_over_a_computed_value_and_that_over_the_default(
    partial: Built,
) -> None:
    query = """
        select cio_id, subject, is_allowed from customerio__consents
        where workspace = 'bora' and scope = 'topic'
    """
    assert {(row["cio_id"], row["subject"]): row["is_allowed"] for row in partial.ask(query)} == {
        ("blocked", "topic_1"): False,
        ("blocked", "topic_2"): False,
        ("bounced", "topic_1"): True,
        ("bounced", "topic_2"): True,
        ("odd", "topic_1"): True,
        ("odd", "topic_2"): False,
    }


def test_a_blocked_message_does_not_suppress_its_address(partial: Built) -> None:
    query = """
        select cio_id, is_suppressed from customerio__people
        where workspace = 'bora' and has_profile
    """
    assert {row["cio_id"]: row["is_suppressed"] for row in partial.ask(query)} == {
        "blocked": False,
        "bounced": True,
        "odd": False,
    }


def test_growth_is_the_difference_of_two_counted_days(partial: Built) -> None:
    query = """
        select segment_id, cast(day as varchar) as day, people, growth, growth_rate
        from customerio__segment_growth order by segment_id, day
    """
    assert [tuple(row.values()) for row in partial.ask(query)] == [
        (1, "2026-03-01", 12, None, None),
        (1, "2026-03-02", 9, -3, -0.25),
        (1, "2026-03-09", 18, 9, 1.0),
        (2, "2026-03-02", 0, None, None),
        (2, "2026-03-03", 4, 4, None),
    ]


def test_rates_of_tests_have_intervals_and_lift(partial: Built) -> None:
    rows = partial.ask("select * from customerio__ab_tests where workspace = 'bora'")
    assert len(rows) == sum(map(len, TESTS.values()))
    for row in rows:
        groups = TESTS[row["newsletter_id"]]
        sent, clicked = groups[row["group_id"] - 1]
        assert (row["sent"], row["clicked"]) == (sent, clicked)
        assert facts.is_equal(row["share"], sent / sum(size for size, _ in groups))
        assert row["is_baseline"] == (row["group_id"] == 1)
        low, high = bounds(clicked, sent) if sent else (None, None)
        assert facts.is_equal(row["click_rate_low"], low)
        assert facts.is_equal(row["click_rate_high"], high)
        first_sent, first = groups[0]
        is_compared = row["group_id"] > 1 and sent and first
        lift = clicked / sent / (first / first_sent) - 1 if is_compared else None
        assert facts.is_equal(row["click_lift"], lift)


def test_a_winning_variant_is_significantly_better_than_all_others(
    partial: Built,
) -> None:
    expected = {
        (newsletter, group + 1)
        for newsletter, groups in TESTS.items()
        for group, one in enumerate(groups)
        if all(is_above(one, groups[other]) for other in range(len(groups)) if other != group)
    }
    assert {(1, 2), (4, 2), (6, 1)} <= expected
    assert not {(2, 2), (3, 2), (5, 1)} & expected
    query = "select newsletter_id, group_id from customerio__ab_tests where is_winner"
    assert {tuple(row.values()) for row in partial.ask(query)} == expected


WRONG = [
    (
        {"table": "shop.nothing"},
        {},
        "customerio_conversions: there is no table warehouse.shop.nothing",
    ),
    (
        {"model": "customerio__people", "id": "person_key", "at": "nothing"},
        {},
        "customerio_conversions: at must name a column of the table, which has no nothing",
    ),
    ({"person_is": "phone"}, {}, "person_is of customerio_conversions must be one of cio_id, id"),
    (
        {},
        {"customerio_ab_metric": "opens", "customerio_attribution_touches": ["seen"]},
        "customerio_attribution_touches must be one of sent, delivered, opened, clicked, not seen.",
    ),
]


@pytest.mark.parametrize(("conversions", "others", "sentence"), WRONG)
def test_a_wrong_variable_is_named(
    partial: Built, conversions: Row, others: Row, sentence: str
) -> None:
    kept = partial.variables
    partial.variables = {**kept, "customerio_conversions": conversions, **others}
    models = ("customerio__attribution", "customerio__ab_tests")
    try:
        said = partial.dbt("run", "--select", *models, succeeds=False)
    finally:
        partial.variables = kept
    assert sentence in said
    metric = "customerio_ab_metric must be one of opened, clicked, converted, not opens."
    assert (metric in said) == ("customerio_ab_metric" in others)


ORDERS = {
    "table": "shop.orders",
    "id": "order_id",
    "at": "ordered_at",
    "person": "who",
    "person_is": "email",
    "value": "total",
}
"""The variable for the table of conversions."""


def test_conversions_are_attributed_to_the_last_touch_before_them(
    modelled: Built, modelled_sandbox: Sandbox
) -> None:
    touches = sorted(touches_of(facts.deliveries(modelled_sandbox)))
    every = list(conversions(touches))
    execute(
        modelled,
        [
            "drop schema if exists shop cascade",
            "create schema shop",
            "create table shop.orders (order_id text, ordered_at timestamp, who text, total text)",
            *(
                f"insert into shop.orders values ('{one}', '{at}', '{who.upper()}', '{one}.5')"
                for one, (who, at) in enumerate(every)
            ),
        ],
    )
    modelled.variables["customerio_conversions"] = ORDERS
    try:
        modelled.dbt("build", "--select", "customerio__attribution")
        rows = modelled.ask("select * from customerio__attribution")
    finally:
        del modelled.variables["customerio_conversions"]
        modelled.ask("delete from customerio__attribution")  # as without the variable
    found = {int(row["conversion_id"]): row for row in rows}
    assert found.keys() == set(range(len(every)))
    for one, (who, at) in enumerate(every):
        last = last_touch(touches, who, at)
        row = found[one]
        assert (row["touched_at"], row["touch"]) == last if last else not row["is_attributed"]
        assert float(row["value"]) == one + 0.5
        assert row["delivery_id"] is not None or not last
    assert 0 < sum(row["is_attributed"] for row in found.values()) < len(found)


def touches_of(rows: list[Row]) -> Iterable[Touch]:
    """Opens and clicks of people: address, time, and type; the later the better."""
    for row in rows:
        email = (row["customer_identifiers"] or {}).get("email")
        for rank, touch in enumerate(("opened", "clicked")):
            if email and f"human_{touch}" in row["metrics"]:
                yield email, instant(row["metrics"][f"human_{touch}"]), rank, touch


def conversions(
    touches: list[Touch],
) -> Iterable[tuple[str, dt.datetime]]:
    """People and times: at, around and long after touches, and before all of them."""
    after = (0, 1, 3600, 7 * 86_400, 7 * 86_400 + 1, -90 * 86_400)
    for (who, at, _, _), seconds in zip(touches[::3], itertools.cycle(after), strict=False):
        yield who, at + dt.timedelta(seconds=seconds)
    yield "nobody@example.org", touches[0][1]


def last_touch(touches: list[Touch], who: str, at: dt.datetime) -> tuple[dt.datetime, str] | None:
    """The last one within a week before, and its type."""
    within = [
        (when, rank, touch)
        for email, when, rank, touch in touches
        if email == who and 0 <= (at - when).total_seconds() <= 7 * 86_400
    ]
    return (max(within)[0], max(within)[2]) if within else None


def execute(built: Built, statements: list[str]) -> None:
    """Change the warehouse."""
    connection: Any
    if built.postgres:
        connection = psycopg.connect(built.postgres)
    else:
        connection = duckdb.connect(str(built.folder / "warehouse.duckdb"))
    with connection:
        for statement in statements:
            connection.execute(statement)
