"""Links, journeys, domains and A/B tests match the sandbox."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import pytest
from e2e.rows import DAY, EASTERN, REACH, ROWS, instant
from harness import sender_of

from transform import sandbox_facts as facts

if TYPE_CHECKING:
    from transform.dbt_run import Built

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.slow

STEPS = (
    *("started", "activated", "messaged", "converted", "finished", "exited_early"),
    "never_activated",
)


def test_links_count_clicks_of_people(modelled: Built, modelled_sandbox: Sandbox) -> None:
    clicks, recent, people = Counter[facts.Key](), Counter[facts.Key](), defaultdict(set)
    now = dt.datetime.fromtimestamp(modelled_sandbox.clock.now(), EASTERN)
    for row in facts.deliveries(modelled_sandbox):
        age = now.date() - dt.datetime.fromtimestamp(row["created"], EASTERN).date()
        for state in row["metrics"]:
            if state.startswith("human_link:"):
                sender = sender_of(row, modelled_sandbox.workspace)
                link = (*sender, state.partition(":")[2])
                clicks[link] += 1
                recent[link] += age < REACH
                people[link].add(facts.cio_id(row))
    rows = {
        (row["source_type"], row["source_id"], row["link_id"]): row
        for row in modelled.ask("select * from customerio__links")
    }
    assert {link: row["clicked"] for link, row in rows.items() if row["clicked"]} == clicks
    assert {link: row["people"] for link, row in rows.items() if row["people"]} == {
        link: len(found - {None}) for link, found in people.items()
    }
    counted = {link: row["counted_clicks"] for link, row in rows.items() if row["counted_clicks"]}
    assert counted == +recent
    assert all(rows[link]["href"] for link in counted)
    of_sender = Counter[facts.Key]()
    for link, number in clicks.items():
        of_sender[link[:2]] += number
    for link, row in rows.items():
        of_all = of_sender[link[:2]]
        expected = clicks[link] / of_all if of_all else None
        assert facts.is_equal(row["share_of_clicks"], expected)
        assert facts.is_equal(row["click_rate"], clicks[link] / row["sent"])


def test_the_funnel_counts_the_journeys_of_each_day(
    modelled: Built, modelled_sandbox: Sandbox
) -> None:
    workspace, now = modelled_sandbox.workspace, modelled_sandbox.clock.now()
    expected = {}
    for row in ROWS["journey_metrics"](workspace, now):
        campaign, start = row["campaign_id"], row["period_start"]
        expected[campaign, instant(start)] = workspace.journey_counts(
            campaign, start, start + DAY, now
        )
    found = modelled.ask("select * from customerio__journey_funnel")
    assert {
        (row["campaign_id"], row["period_start"]): {step: row[step] for step in STEPS}
        for row in found
    } == expected
    for row in found:
        assert row["day"] == row["period_start"].date()
        share = row["converted"] / row["started"] if row["started"] else None
        assert facts.is_equal(row["conversion_rate"], share)
        assert row["campaign_name"]


def test_domains_count_the_outcomes_of_their_mail(
    modelled: Built, modelled_sandbox: Sandbox
) -> None:
    every = facts.deliveries(modelled_sandbox)
    mail = facts.grouped(
        (row for row in every if row["type"] == "email" and row["recipient"]),
        lambda row: row["recipient"].partition("@")[2],
    )
    today = facts.day_of(instant(facts.latest(every)))
    suppressed = Counter(
        (row["suppression_type"], row["email"].partition("@")[2])
        for row in ROWS["esp_suppressions"](
            modelled_sandbox.workspace, modelled_sandbox.clock.now()
        )
    )
    rows = {
        row["recipient_domain"]: row
        for row in modelled.ask("select * from customerio__deliverability")
    }
    assert rows.keys() == mail.keys()
    for domain, row in rows.items():
        assert {name: row[name] for name in facts.COUNTED} == facts.counts(mail[domain])
        recent = [one for one in mail[domain] if today - facts.day_of(instant(one["created"])) < 30]
        assert row["recently_sent"] == facts.counts(recent)["sent"] < row["sent"]
        bounced = facts.counts(recent)["bounced"] / row["recently_sent"]
        assert facts.is_equal(row["recent_bounce_rate"], bounced)
        for kind in ("bounces", "blocks", "spam_reports"):
            assert row[f"suppressed_{kind}"] == suppressed[kind, domain]


def test_variants_of_tests_count_the_deliveries_of_their_contents(
    modelled: Built, modelled_sandbox: Sandbox
) -> None:
    by_content = facts.grouped(
        facts.deliveries(modelled_sandbox), lambda row: row["newsletter_id"] and row["content_id"]
    )
    expected, winners = {}, {}
    workspace, now = modelled_sandbox.workspace, modelled_sandbox.clock.now()
    for group in ROWS["newsletter_test_groups"](workspace, now):
        mine = [row for one in group["content_ids"] for row in by_content.get(int(one), [])]
        place = group["newsletter_id"], group["id"]
        winners[place] = group["winner"]
        counted = facts.counts(mine)
        names = ("deliveries", "sent", "opened", "clicked", "converted")
        expected[place] = {name: counted[name] for name in names}
    found = modelled.ask("select * from customerio__ab_tests")
    rows = {(row["newsletter_id"], row["group_id"]): row for row in found}
    assert {
        place: {name: row[name] for name in expected[place]} for place, row in rows.items()
    } == expected
    assert {place: row["is_declared_winner"] for place, row in rows.items()} == winners
    assert any(row["sent"] for row in found)
