"""People, their messages and their consents match the sandbox."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from e2e.rows import ROWS, instant
from harness import sender_of

from transform import sandbox_facts as facts

if TYPE_CHECKING:
    from transform.dbt_run import Built
    from transform.sandbox_facts import Row

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.slow


def test_every_person_occurs_once_with_their_deliveries(
    modelled: Built, modelled_sandbox: Sandbox
) -> None:
    sent = facts.grouped(facts.deliveries(modelled_sandbox), facts.cio_id)
    profiles = profiles_of(modelled_sandbox)
    rows = {row["cio_id"]: row for row in modelled.ask("select * from customerio__people")}
    assert rows.keys() == profiles.keys() | sent.keys()
    for cio_id, row in rows.items():
        mine = sent.get(cio_id, [])
        assert {name: row[name] for name in facts.COUNTED} == facts.counts(mine)
        assert row["has_profile"] == (cio_id in profiles)
        assert row["email"] == profiles.get(cio_id, {}).get("email")
        for name, state in (("open", "human_opened"), ("click", "human_clicked")):
            times = [instant(at) for at in facts.moments(mine, state)]
            assert row[f"first_{name}_at"] == min(times, default=None)
            assert row[f"last_{name}_at"] == max(times, default=None)
        created = [instant(one["created"]) for one in mine]
        assert row["first_delivery_at"] == min(created, default=None)
        assert row["last_delivery_at"] == max(created, default=None)
        assert all(facts.is_equal(row[name], rate) for name, rate in facts.rates_of(row).items())


def test_people_are_classified_by_their_last_engagement(
    modelled: Built, modelled_sandbox: Sandbox
) -> None:
    every = facts.deliveries(modelled_sandbox)
    sent = facts.grouped(every, facts.cio_id)
    today = facts.day_of(instant(facts.latest(every)))
    rows = modelled.ask("select * from customerio__people")
    for row in rows:
        assert row["engagement_class"] == engagement(sent.get(row["cio_id"], []), today), row
    assert {"active", "cooling", "new", "never engaged", "not contacted"} <= {
        row["engagement_class"] for row in rows
    }


def engagement(sent: list[Row], today: int) -> str:
    """The expected class of a person with these deliveries."""
    states = ("human_opened", "human_clicked", "replied", "converted")
    engaged = [at for state in states for at in facts.moments(sent, state)]
    if not facts.moments(sent, "sent"):
        return "not contacted"
    if engaged:
        age = today - facts.day_of(instant(max(engaged)))
        return "active" if age <= 30 else "cooling" if age <= 90 else "dormant"
    first = min(row["created"] for row in sent)
    return "new" if today - facts.day_of(instant(first)) <= 30 else "never engaged"


def test_the_best_hour_is_that_of_most_opens_and_clicks(
    modelled: Built, modelled_sandbox: Sandbox
) -> None:
    sent = facts.grouped(facts.deliveries(modelled_sandbox), facts.cio_id)
    for row in modelled.ask("select * from customerio__people"):
        mine = sent.get(row["cio_id"], [])
        times = facts.moments(mine, "human_opened") + facts.moments(mine, "human_clicked")
        hours = Counter(instant(at).hour for at in times)
        best = min(hours, key=lambda hour: (-hours[hour], hour), default=None)
        most = max(hours.values(), default=None)
        assert (row["best_hour"], row["best_hour_engagements"]) == (best, most)


def test_subscription_states_match_profiles_and_the_provider(
    modelled: Built, modelled_sandbox: Sandbox
) -> None:
    profiles = profiles_of(modelled_sandbox)
    refused = refused_by(modelled_sandbox)
    opted_out = {row["cio_id"] for row in ROWS["opt_outs"](*world(modelled_sandbox))}
    rows = modelled.ask("select * from customerio__people where has_profile")
    for row in rows:
        is_suppressed = row["email"] in {email for _, email in refused}
        is_unsubscribed = profiles[row["cio_id"]]["unsubscribed"]
        state = "suppressed" if is_suppressed else "subscribed"
        assert row["subscription_state"] == ("unsubscribed" if is_unsubscribed else state)
        assert row["is_opted_out"] == (row["cio_id"] in opted_out)
    assert {row["subscription_state"] for row in rows} == {
        *("unsubscribed", "suppressed", "subscribed")
    }


def test_people_and_senders_are_counted_together(
    modelled: Built, modelled_sandbox: Sandbox
) -> None:
    sent = facts.grouped(
        (row for row in facts.deliveries(modelled_sandbox) if facts.cio_id(row)),
        lambda row: (facts.cio_id(row), *sender_of(row, modelled_sandbox.workspace)),
    )
    found = modelled.ask("select * from customerio__person_senders")
    key = ("cio_id", "source_type", "source_id")
    rows = {tuple(row[name] for name in key): row for row in found}
    assert len(rows) == len(found)
    assert rows.keys() == sent.keys()
    for place, row in rows.items():
        assert {name: row[name] for name in facts.COUNTED} == facts.counts(sent[place])
        assert row["last_delivery_at"] == instant(max(one["created"] for one in sent[place]))
        assert row["source_name"]


def test_consents_match_the_choices_of_people(modelled: Built, modelled_sandbox: Sandbox) -> None:
    found = {
        (row["cio_id"], row["scope"], row["subject"]): row["is_allowed"]
        for row in modelled.ask("select * from customerio__consents")
    }
    profiles = profiles_of(modelled_sandbox)
    workspace, now = world(modelled_sandbox)
    expected = {
        (cio_id, "everything", "everything"): not person["unsubscribed"]
        for cio_id, person in profiles.items()
    }
    for number in workspace.people.numbers(now):
        chosen = workspace.preferences(number, now)
        for topic in chosen["topics"]:
            place = chosen["identifiers"]["cio_id"], "topic", f"topic_{topic['id']}"
            expected[place] = topic["subscribed"]
    for person in ROWS["opt_outs"](workspace, now):
        for out in person["optouts"]:
            expected[person["cio_id"], "sender", f"{out['channel']}:{out['from']}"] = False
    emails = {person["email"]: cio_id for cio_id, person in profiles.items()}
    for kind, email in refused_by(modelled_sandbox):
        if email in emails:
            expected[emails[email], "address", kind] = False
    assert found == expected


def test_no_consent_is_stated_that_nobody_gave(modelled: Built) -> None:
    chosen = {
        (row["scope"], row["is_allowed"], row["known_from"])
        for row in modelled.ask("select * from customerio__consents where is_choice")
    }
    assert ("topic", True, "preferences") in chosen
    assert ("everything", False, "profile") in chosen
    assert ("everything", True, "profile") not in chosen
    assert not {known_from for *_, known_from in chosen} & {"default", "suppressions"}


def world(sandbox: Sandbox) -> tuple[Any, float]:
    """The sandbox's workspace and its current time."""
    return sandbox.workspace, sandbox.clock.now()


def profiles_of(sandbox: Sandbox) -> dict[str, Row]:
    """All people, by permanent id."""
    return {row["cio_id"]: row for row in ROWS["customers"](*world(sandbox))}


def refused_by(sandbox: Sandbox) -> set[tuple[str, str]]:
    """Addresses suppressed by the provider: list and address."""
    return {
        (row["suppression_type"], row["email"])
        for row in ROWS["esp_suppressions"](*world(sandbox))
        if row["suppression_type"] != "blocks"
    }
