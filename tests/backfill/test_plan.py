"""Plans: close to the actual numbers, cheap, and clear about data that is not available."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from backfill.backfilling import Backfill
from harness import NOW, SINCE, few_senders

from tap_customerio.sandbox import Behaviours, Workspace
from tap_customerio.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.slow

DAY = 86_400
ONE_AT_A_TIME = {"concurrency": 1}
"""A single worker, so that window sizes depend only on the data."""


def bursts(sizes: dict[int, int]) -> dict[int, int]:
    """This many deliveries on each of some days after SINCE, spread over an hour."""
    return {
        SINCE + day * DAY + 36_000 + 60 * minute: size // 60
        for day, size in sizes.items()
        for minute in range(60)
    }


SHAPES: dict[str, dict[str, Any]] = {
    "even": {"per_day": 120},
    "growing": {"per_day": 40, "bursts": bursts({day: 4 * day for day in range(4, 58)})},
    "bursty": {"per_day": 40, "bursts": bursts(dict.fromkeys((5, 31, 49), 2_700))},
    "empty": {"per_day": 0, "campaigns": 0, "newsletters": 0, "broadcasts": 0},
}


LONG, SHORT = SINCE - 700 * DAY, SINCE + 3 * DAY + 5000


@pytest.mark.parametrize(
    ("shape", "start", "settings"),
    [
        ("even", LONG, ONE_AT_A_TIME),
        ("growing", SHORT, {}),
        ("bursty", LONG, ONE_AT_A_TIME),
        ("empty", LONG, ONE_AT_A_TIME),
    ],
)
def test_a_plan_is_close_to_the_actual_numbers(
    make_sandbox: Callable[..., Sandbox],
    tmp_path: Path,
    shape: str,
    start: int,
    settings: dict[str, int],
) -> None:
    few: dict[str, Any] = {"people": 100, "campaigns": 4, "newsletters": 4, "broadcasts": 2}
    workspace = Workspace(since=SINCE, **few | SHAPES[shape])
    backfill = Backfill(make_sandbox(workspace=workspace), tmp_path)
    options = ["--from", rfc3339(start), "--to", rfc3339(int(NOW) - 5 * DAY)]
    options += ["--stream", "messages", "--stream", "metrics"]
    plan = json.loads(backfill.run(*options, "--plan", "--json", **settings).printed)
    assert plan["complete"]
    backfill.box.forget()
    assert backfill.run(*options, **settings).code == 0
    assert plan["requests"] == pytest.approx(len(backfill.box.calls), rel=0.1)
    [messages] = [each for each in plan["streams"] if each["stream"] == "messages"]
    assert messages["requests"] == pytest.approx(len(backfill.asked()), rel=0.1)
    created = workspace.count_deliveries(max(start, SINCE), int(NOW) - 5 * DAY, now=NOW)
    assert messages["rows"] == pytest.approx(created, rel=0.1, abs=50)
    assert plan["seconds"] * plan["requests_per_second"] >= plan["requests"]


def test_streams_without_a_range_are_estimated_too(backfill: Backfill) -> None:
    names = ["campaigns", "assets", "segment_counts", "customers", "objects"]
    names += ["object_relationships", "subscription_preferences"]
    options = [*RANGE, *(word for name in names for word in ("--stream", name))]
    plan = json.loads(backfill.run(*options, "--json").printed)
    backfill.box.forget()
    output = backfill.run(*options).output
    found = {each["stream"]: each for each in plan["streams"]}
    assert found.keys() == set(names)
    assert plan["complete"]
    assert plan["requests"] == pytest.approx(len(backfill.box.calls), rel=0.05)
    for name in ("assets", "campaigns", "customers", "objects"):
        assert found[name]["rows"] == len(output.records[name])
    ends = [call.path.rpartition("/")[2] for call in backfill.box.calls]
    assert found["object_relationships"]["slices"] == ends.count("relationships")
    people = found["subscription_preferences"]
    assert people["slices"] == ends.count("subscription_preferences")
    assert people["requests"] >= people["slices"]


def test_a_plan_says_which_numbers_are_bounds(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    backfill = Backfill(make_sandbox(workspace=few_senders(siblings=[1002])), tmp_path)
    names = ("customers", "campaign_actions", "opt_outs")
    options = [*RANGE, *(word for name in names for word in ("--stream", name))]
    plan = json.loads(backfill.run(*options, "--json").printed)
    assert not plan["complete"]
    assert [name for name in names if "At least" in notes(plan).get(name, "")] == [*names[1:]]
    assert "the account's largest workspace" in notes(plan)["customers"]
    printed = backfill.run(*options, "--plan").printed
    [line] = [line for line in printed.splitlines() if line.startswith(" opt_outs")]
    assert line.split() == ["opt_outs", "1", "?", "1+", "1", "s+"]
    segment = {"and": [{"segment": {"id": 1}}]}
    plan = json.loads(backfill.run(*options, "--json", customers_filter=segment).printed)
    assert "customers_filter" in notes(plan)["customers"]
    [customers] = [each for each in plan["streams"] if each["stream"] == "customers"]
    assert customers["requests"] is None


RANGE = ("--from", "2025-01-01", "--to", "2025-06-01")


def notes(plan: dict[str, Any]) -> dict[str, str]:
    return {each["stream"]: " ".join(each["notes"]) for each in plan["streams"] if each["notes"]}


def test_a_plan_lists_what_is_not_available(backfill: Backfill) -> None:
    plan = json.loads(backfill.run(*RANGE, "--plan", "--json").printed)
    reasons = notes(plan)
    assert "keeps activities for 30 days" in reasons["activities"]
    assert "last 45 days" in reasons["link_metrics"]
    assert "of newsletters, broadcasts and transactional messages" in reasons["metrics"]
    assert "no longer return deliveries older than six months" in reasons["messages"]
    assert "journey_metrics" not in reasons
    asked = {each["stream"]: each["requests"] for each in plan["streams"]}
    assert asked["activities"] == asked["link_metrics"] == 0
    backfill.box.forget()
    backfill.run(*RANGE)
    assert not backfill.asked("/v1/activities")
    assert not [call for call in backfill.box.calls if call.path.endswith("/links")]


def test_a_recent_range_is_fully_available(backfill: Backfill) -> None:
    recent = ("--from", rfc3339(int(NOW) - 20 * DAY), "--to", rfc3339(int(NOW) - DAY))
    assert notes(json.loads(backfill.run(*recent, "--json").printed)) == {}


def test_a_plan_notices_that_old_deliveries_are_gone(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    since = (int(NOW) - 400 * DAY) // DAY * DAY
    workspace = Workspace(since=since, per_day=25, people=20, campaigns=3, newsletters=3)
    box = make_sandbox(workspace=workspace, behaviours=Behaviours(forgets_old=True))
    options = ["--from", rfc3339(since), "--to", rfc3339(int(NOW) - 1), "--stream", "messages"]
    backfill = Backfill(box, tmp_path)
    plan = json.loads(backfill.run(*options, "--json", **ONE_AT_A_TIME).printed)
    assert "no longer lists them" in notes(plan)["messages"]
    box.forget()
    output = backfill.run(*options, **ONE_AT_A_TIME).output
    assert plan["requests"] == pytest.approx(len(box.calls), rel=0.1)
    assert plan["streams"][0]["rows"] == pytest.approx(len(output.records["messages"]), rel=0.1)


def test_a_plan_of_a_resumed_backfill_covers_the_rest(backfill: Backfill) -> None:
    options = [*("--from", rfc3339(SINCE), "--to", "2026-03-20"), *backfill.target()]
    options += ["--stream", "messages", "--stream", "metrics"]
    assert backfill.run(*options).code == 0
    plan = json.loads(backfill.run(*options, "--plan", "--json").printed)
    assert (plan["requests"], plan["streams"]) == (0, [])
    again = json.loads(backfill.run(*options, "--json", "--restart").printed)
    assert [each["stream"] for each in again["streams"]] == ["messages", "metrics"]
    assert json.loads(backfill.state.read_text())["backfill"]["done"] == ["messages", "metrics"]


def test_many_senders_are_sampled(make_sandbox: Callable[..., Sandbox], tmp_path: Path) -> None:
    workspace = Workspace(since=SINCE, per_day=400, people=50, newsletters=2, campaigns=230)
    backfill = Backfill(make_sandbox(workspace=workspace), tmp_path)
    options = ["--from", rfc3339(SINCE), "--to", "2026-03-20", "--stream", "messages", "--json"]
    plan = json.loads(backfill.run(*options).printed)
    assert plan["probes"] < 150
    created = workspace.count_deliveries(SINCE, 1_773_964_800, now=NOW)
    assert plan["streams"][0]["rows"] == pytest.approx(created, rel=0.25)


def test_a_plan_for_people_is_a_table(backfill: Backfill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    printed = backfill.run(*RANGE, "--shard", "2/8", "--plan").printed
    for word in ("shard 2/8", "messages", "journey_metrics", "requests", "all", "sample requests"):
        assert word in printed
    assert "activities: The API keeps activities for 30 days" in printed
    assert '"type"' not in printed


def test_a_wrong_key_is_an_error(backfill: Backfill) -> None:
    ran = backfill.run(*RANGE, "--plan", app_api_key="wrong")
    assert ran.code == 1
    assert str(ran.problem).startswith("app_api_key was refused")


@pytest.mark.parametrize(
    ("refused", "of", "is_known"),
    [
        ("/v1/newsletters/*/metrics", "newsletters", True),
        ("/v1/broadcasts", "broadcasts", True),
        ("/v1/*/*/metrics", "campaigns", False),
    ],
)
def test_senders_that_the_key_may_not_count_are_missing_from_the_estimate(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path, refused: str, of: str, *, is_known: bool
) -> None:
    box = make_sandbox(behaviours=Behaviours(without=frozenset({refused})))
    options = ["--from", rfc3339(SINCE), "--to", "2026-03-20"]
    options += ["--stream", "messages", "--stream", "metrics"]
    plan = json.loads(Backfill(box, tmp_path).run(*options, "--json").printed)
    messages, metrics = plan["streams"]
    assert f"app_api_key may not read GET /v1/{of}" in " ".join(messages["notes"])
    assert (messages["requests"] is not None) is is_known
    assert messages["more"] is is_known
    assert metrics["more"] is (refused == "/v1/broadcasts")
    assert metrics["requests"] > 0
    assert not plan["complete"]


def test_the_table_begins_with_the_most_expensive_and_explains_its_marks(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    backfill = Backfill(make_sandbox(workspace=few_senders()), tmp_path)
    names = ("opt_outs", "customers", "messages", "metrics")
    options = [*RANGE, *(word for name in names for word in ("--stream", name))]
    printed = backfill.run(*options, "--plan").printed
    listed = [line.split() for line in printed.splitlines() if line.startswith(" ")]
    costs = [int(cells[3].rstrip("+")) for cells in listed if cells and cells[0] in names]
    assert len(costs) == len(names)
    assert costs == sorted(costs, reverse=True)
    assert "n+: at least n. ?: not known before it is read." in printed
    options = [*RANGE, "--stream", "messages"]
    assert "?:" not in backfill.run(*options, "--plan").printed
