"""Time series of actions, contents, links and journeys, compared with their sums."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from harness import sender_of
from sandbox.sandbox_caller import DAY, SINCE, Caller, calling
from sandbox.sandbox_counting import Rows, bucket, counted, edge

from tap_customerio.sandbox import Behaviours, Clock, Sandbox, Workspace

NOW = SINCE + 70 * DAY + 50_000
WORKSPACE = Workspace(per_day=80, people=300, campaigns=4)
ROWS = list(WORKSPACE.deliveries(SINCE, NOW + 1, now=NOW))
RECENT = {"period": "months", "steps": 4}
WINDOW = {"version": 2, "res": "months", "start": SINCE, "end": NOW}
JOURNEYS = "/v1/campaigns/1/journey_metrics"
DAYS = {"start": SINCE, "end": NOW, "resolution": "days"}
LINKED = {
    "campaigns": "campaign",
    "newsletters": "newsletter",
    "broadcasts": "broadcast",
    "transactional": "transactional",
}
SENDERS = {sender_of(row, WORKSPACE) for row in ROWS}
MISSING = [
    "campaigns/1/actions/20/metrics",
    "campaigns/1/actions/20/metrics/links",
    "campaigns/1/actions/18/metrics",
    "campaigns/99/actions/10/metrics",
    "campaigns/99/metrics/links",
    "campaigns/99/journey_metrics",
    "broadcasts/5/actions/60/metrics",
    "broadcasts/5/actions/60/metrics/links",
    "newsletters/2910/contents/1/metrics",
    "newsletters/2910/contents/1/metrics/links",
    "transactional/99/metrics/links",
]


def total(body: dict[str, Any]) -> Counter[str]:
    """The sum of all buckets of a response."""
    return +Counter({name: sum(counts) for name, counts in body["metric"]["series"].items()})


def of_sender(kind: str, sender: int) -> Rows:
    """The deliveries of a sender."""
    return [row for row in ROWS if sender_of(row, WORKSPACE) == (kind, sender)]


def sent_by(key: str, value: int, rows: Rows = ROWS) -> Rows:
    """The deliveries with a value."""
    return [row for row in rows if row[key] == value]


def ids_of(api: Caller, collection: str, sender: int) -> list[int]:
    """All actions of a sender."""
    rows = api.rows(f"/v1/{collection}/{sender}/actions", "actions")
    return [int(row["id"]) for row in rows]


@pytest.mark.parametrize("path", MISSING)
def test_actions_of_other_senders_are_not_found(api: Caller, path: str) -> None:
    response = api.get(f"/v1/{path}", **DAYS)
    assert response.status_code == 404
    assert response.json()["errors"]


@pytest.mark.slow
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("campaign", [1, 2, 4])
def test_actions_of_campaigns_add_up_to_the_campaign(
    api: Caller, campaign: int, version: int
) -> None:
    query = WINDOW if version == 2 else RECENT
    whole = total(api.json(f"/v1/campaigns/{campaign}/metrics", **query))
    parts: Counter[str] = Counter()
    for action in ids_of(api, "campaigns", campaign):
        body = api.json(f"/v1/campaigns/{campaign}/actions/{action}/metrics", **query)
        assert total(body) == counted(sent_by("action_id", action))
        parts += total(body)
        assert "language_variants" not in body
    assert parts == whole == counted(of_sender("campaign", campaign))


def test_version_2_of_actions_states_width_and_window(api: Caller) -> None:
    query = {**WINDOW, "res": "weekly", "tz": "Europe/Rome"}
    body = api.json("/v1/campaigns/1/actions/10/metrics", **query)
    assert body["res"] == "weeks"
    # The year began on a Thursday, and weeks begin on Sunday.
    assert body["start"] == "2025-12-28 00:00:00 +0100 CET"
    assert (edge(body["end"]) - edge(body["start"])) % (7 * DAY) == 0
    assert list(api.json("/v1/campaigns/1/actions/10/metrics")) == ["metric"]


def test_actions_of_broadcasts_add_up_to_the_broadcast(api: Caller) -> None:
    whole = total(api.json("/v1/broadcasts/5/metrics", **RECENT))
    parts: Counter[str] = Counter()
    for action in ids_of(api, "broadcasts", 5):
        body = api.json(f"/v1/broadcasts/5/actions/{action}/metrics", **RECENT)
        assert total(body) == counted(sent_by("action_id", action))
        parts += total(body)
    assert parts == whole == counted(of_sender("broadcast", 5))


@pytest.mark.parametrize(
    ("path", "branch"), [("/v1/campaigns/2/actions", 28), ("/v1/broadcasts/6/actions", 68)]
)
def test_the_id_of_a_branch_returns_the_sum_of_its_languages_and_each_of_them(
    api: Caller, path: str, branch: int
) -> None:
    body = api.json(f"{path}/{branch}/metrics", **RECENT)
    listed = {
        row["id"]: row["language"]
        for row in api.rows(path, "actions")
        if row.get("multi_language_branch_action_id") == branch
    }
    variants = body["language_variants"]
    assert {action: v["language"] for action, v in variants.items()} == {
        str(action): language for action, language in listed.items()
    }
    assert [v["default"] for v in variants.values()] == [True] + [False] * (len(listed) - 1)
    parts: Counter[str] = Counter()
    for action, variant in variants.items():
        assert (
            variant["series"] == api.json(f"{path}/{action}/metrics", **RECENT)["metric"]["series"]
        )
        parts += total({"metric": variant})
    assert parts == total(body)
    assert sum(bool(total({"metric": variant})) for variant in variants.values()) >= 1


def test_version_2_splits_languages_too(api: Caller) -> None:
    body = api.json("/v1/campaigns/2/actions/28/metrics", **WINDOW)
    assert body["language_variants"]["20"]["series"]["created"]
    assert body["res"] == "months"


def test_counts_of_an_action_can_be_filtered_by_channel(api: Caller) -> None:
    path = "/v1/campaigns/1/actions/10/metrics"
    assert total(api.json(path, type="email", **RECENT)) == total(api.json(path, **RECENT))
    assert not total(api.json(path, type="push", **RECENT))
    assert api.get(path, type="fax").status_code == 400


@pytest.mark.slow
def test_contents_of_newsletters_add_up_to_the_newsletter(api: Caller) -> None:
    seen = 0
    for newsletter in WORKSPACE.newsletters(NOW):
        path = f"/v1/newsletters/{newsletter['id']}"
        parts: Counter[str] = Counter()
        for content in newsletter["content_ids"]:
            body = api.json(f"{path}/contents/{content}/metrics", **RECENT)
            assert body["metric"]["type"] == newsletter["type"]
            assert total(body) == counted(sent_by("content_id", content))
            parts += total(body)
        assert parts == total(api.json(f"{path}/metrics", **RECENT))
        seen += len(newsletter["content_ids"]) > 1 and parts["created"] > 0
    assert seen


@pytest.mark.slow
@pytest.mark.parametrize("collection", list(LINKED))
def test_clicks_on_links_match_the_deliveries(api: Caller, collection: str) -> None:
    kind = LINKED[collection]
    for sender in {number for found, number in SENDERS if found == kind}:
        rows = of_sender(kind, sender)
        links = api.json(f"/v1/{collection}/{sender}/metrics/links", **RECENT)["links"]
        clicked = {link["link"]["id"]: total(link) for link in links}
        assert clicked == expected_links(rows)
        whole = total(api.json(f"/v1/{collection}/{sender}/metrics", **RECENT))
        assert sum((some for some in clicked.values()), Counter()) == +Counter(
            {name: whole[name] for name in ("clicked", "human_clicked", "machine_clicked")}
        )


def expected_links(rows: Rows) -> dict[int, Counter[str]]:
    """Clicks by link, from the deliveries."""
    links: dict[int, Counter[str]] = {}
    for row in rows:
        for name in row["metrics"]:
            if name.startswith("link:"):
                counts = links.setdefault(int(name[5:]), Counter())
                is_human = f"human_{name}" in row["metrics"]
                counts.update(["clicked", "human_clicked" if is_human else "machine_clicked"])
    return links


def test_machine_clicks_on_links_count_too(api: Caller) -> None:
    links = api.json("/v1/campaigns/1/metrics/links", **RECENT)["links"]
    assert sum(sum(link["metric"]["series"]["machine_clicked"]) for link in links) > 0
    assert any("{{" in link["link"]["href"] for link in links)
    assert len({link["link"]["href"] for link in links}) == len(links) == 5


def test_links_have_buckets_and_are_omitted_without_clicks(api: Caller) -> None:
    path = "/v1/campaigns/1/metrics/links"
    for link in api.json(path, period="weeks", steps=3)["links"]:
        assert {len(counts) for counts in link["metric"]["series"].values()} == {3}
    hours = api.json("/v1/broadcasts/8/metrics/links", period="hours", steps=2)
    assert hours == {"links": []}
    assert api.get(path, period="years").status_code == 400


@pytest.mark.parametrize("kind", ["campaigns", "broadcasts"])
def test_links_of_actions_add_up_to_those_of_the_sender(api: Caller, kind: str) -> None:
    sender = 2 if kind == "campaigns" else 6
    parts: dict[int, Counter[str]] = {}
    for action in ids_of(api, kind, sender):
        path = f"/v1/{kind}/{sender}/actions/{action}/metrics/links"
        for link in api.json(path, **RECENT)["links"]:
            parts.setdefault(link["link"]["id"], Counter()).update(total(link))
    assert parts == expected_links(of_sender(LINKED[kind], sender))


def test_links_of_contents_match_their_deliveries(api: Caller) -> None:
    content = next(r["content_id"] for r in ROWS if r["newsletter_id"] and "link:1" in r["metrics"])
    path = f"/v1/newsletters/{content // 10}/contents/{content}/metrics/links"
    links = {link["link"]["id"]: total(link) for link in api.json(path, **RECENT)["links"]}
    assert links == expected_links(sent_by("content_id", content))


def test_the_workspace_counts_parts_and_links_like_the_api() -> None:
    counts = WORKSPACE.metric_counts("campaign", 2, SINCE, NOW, NOW, parts=[20])
    assert +Counter(counts) == counted(sent_by("action_id", 20))
    links = WORKSPACE.link_counts("campaign", 2, SINCE, NOW, NOW, parts=[20])
    assert {link: +Counter(some) for link, some in links.items()} == expected_links(
        sent_by("action_id", 20)
    )
    with pytest.raises(ValueError, match="campaigns"):
        WORKSPACE.link_counts("campaigns", 2, SINCE, NOW, NOW)


def test_journeys_do_not_depend_on_the_buckets(api: Caller) -> None:
    sums = []
    for resolution in ("days", "weeks", "monthly"):
        series = api.json(JOURNEYS, **{**DAYS, "resolution": resolution})["journey_metric"]
        assert len({len(counts) for counts in series.values()}) == 1
        sums.append({name: sum(counts) for name, counts in series.items()})
    assert sums[0] == sums[1] == sums[2] == WORKSPACE.journey_counts(1, SINCE, NOW, NOW)
    assert len(sums[0]) == 7


def test_journeys_count_in_the_bucket_they_began_in_with_their_progress(api: Caller) -> None:
    series = api.json(JOURNEYS, **DAYS)["journey_metric"]
    for place in (0, 30, 69):
        start = SINCE + place * DAY
        one = WORKSPACE.journey_counts(1, start, start + DAY, NOW)
        assert bucket(series, place) == +Counter(one)
    early = WORKSPACE.journey_counts(1, SINCE, SINCE + 30 * DAY, SINCE + 30 * DAY)
    late = WORKSPACE.journey_counts(1, SINCE, SINCE + 30 * DAY, NOW)
    assert early["started"] == late["started"] > 0
    assert early["finished"] < late["finished"]
    assert late["started"] == late["activated"] + late["never_activated"]
    assert late["activated"] == late["finished"] + late["exited_early"]
    assert late["converted"] < late["messaged"] <= late["activated"]


def test_journeys_begin_neither_before_the_workspace_nor_in_drafts(api: Caller) -> None:
    before = {"start": SINCE - 9 * DAY, "end": SINCE, "resolution": "days"}
    assert not any(map(any, api.json(JOURNEYS, **before)["journey_metric"].values()))
    draft = Workspace(per_day=10, campaigns=5).journey_counts(5, SINCE, NOW, NOW)
    assert not any(draft.values())


@pytest.mark.parametrize(
    "change",
    [
        {"start": None},
        {"end": None},
        {"resolution": None},
        {"resolution": "years"},
        {"end": SINCE - 1},
        {"end": SINCE + 3661 * DAY},
    ],
)
def test_malformed_requests_about_journeys_are_rejected(
    api: Caller, change: dict[str, object]
) -> None:
    query = {name: value for name, value in {**DAYS, **change}.items() if value is not None}
    assert api.get(JOURNEYS, **query).status_code == 400


def test_buckets_of_journeys_behave_like_version_2(api: Caller) -> None:
    start, end = SINCE + 5000, SINCE + 2 * DAY
    query = {"start": start, "end": end, "resolution": "days"}
    assert len(api.json(JOURNEYS, **query)["journey_metric"]["started"]) == 2
    behaviours = Behaviours(aligned_buckets=False, includes_end_bucket=True)
    with (
        Sandbox(WORKSPACE, clock=Clock(NOW), behaviours=behaviours) as sandbox,
        calling(sandbox) as other,
    ):
        series = other.json(JOURNEYS, **query)["journey_metric"]
        first = WORKSPACE.journey_counts(1, start, start + DAY, NOW)
        assert bucket(series, 0) == +Counter(first)
        on_edge = {**query, "end": start + 2 * DAY}
        assert len(other.json(JOURNEYS, **on_edge)["journey_metric"]["started"]) == 3
