"""preview: real records, newest first, without personal data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW, SINCE, config_for, new_sandbox, run_tap
from hostile import Edited
from terminal import Screen, config_file, typed

from tap_customerio.commands.command_tap import check_range
from tap_customerio.errors import TapError
from tap_customerio.sandbox import Behaviours
from tap_customerio.streams import all_streams
from tap_customerio.windows import parse, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.slow


@pytest.fixture
def preview(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Screen]:
    """Run the command on the shared sandbox."""
    config = config_file(sandbox, tmp_path)
    return lambda *words, **options: typed("preview", *words, "--config", config, **options)


def records(screen: Screen) -> list[dict[str, Any]]:
    """The records in the output of --json."""
    assert screen.code == 0, screen.err
    return [json.loads(line) for line in screen.lines]


def test_the_newest_deliveries_come_first_and_cost_three_requests(
    preview: Callable[..., Screen], sandbox: Sandbox
) -> None:
    shown = records(preview("messages", "--limit", "7", "--json"))
    truth = sandbox.workspace.deliveries(SINCE, NOW, now=NOW)
    newest = sorted((rfc3339(row["created"]) for row in truth), reverse=True)[:7]
    assert [row["created"] for row in shown] == newest
    assert len(sandbox.calls) <= 3  # one of them lists the broadcasts


def test_dates_limit_the_range(preview: Callable[..., Screen]) -> None:
    dates = ("--from", "2026-03-01", "--to", "2026-03-03")
    shown = records(preview("messages", *dates, "--limit", "1000", "--json"))
    assert shown
    days = {row["created"][:10] for row in shown}
    assert days == {"2026-03-01", "2026-03-02"}


def test_dates_filter_lists_by_their_last_change(
    preview: Callable[..., Screen], sandbox: Sandbox
) -> None:
    changes = sorted(row["updated"] for row in sandbox.workspace.campaigns(NOW))
    middle = changes[len(changes) // 2]
    shown = records(preview("campaigns", "--from", rfc3339(middle), "--json"))
    assert [parse(row["updated"]) for row in shown] == [c for c in changes if c >= middle][::-1]


def test_impossible_dates_are_rejected(preview: Callable[..., Screen]) -> None:
    screen = preview("customers", "--from", "2026-03-01")
    assert screen.code == 1
    assert "Stream 'customers' has no time range" in screen.err
    screen = preview("messages", "--from", "soon")
    assert screen.code == 2
    assert "'soon' is not a time: write 2026-01-31" in screen.err
    screen = preview("messages", "--from", "2026-03-02", "--to", "2026-03-01")
    assert screen.code == 1
    assert "--from is '2026-03-02T00:00:00Z': it must be before --to" in screen.err
    with pytest.raises(TapError, match="--to is '2012-03-01': it must be after setting start_da"):
        check_range(None, "2012-03-01", {"start_date": "2026-01-01"})
    screen = preview("messages", "--from", "2999-01-01")
    assert "--from is '2999-01-01T00:00:00Z': it is in the future" in screen.err


def test_metrics_show_several_senders(preview: Callable[..., Screen]) -> None:
    shown = records(preview("metrics", "--json"))
    assert len(shown) == 20
    assert len({(row["source_type"], row["source_id"]) for row in shown}) >= 5
    assert len(records(preview("metrics", "--limit", "3", "--json"))) == 3


def test_times_may_be_relative(preview: Callable[..., Screen]) -> None:
    assert preview("campaigns", "--from", "today", "--to", "now").code == 0
    screen = preview("campaigns", "--from", "yesterday", "--to", "2d")
    assert "it must be before --to" in screen.err


@pytest.mark.parametrize(
    ("stream", "columns"),
    [
        *((name, 60) for name in sorted(stream_class.name for stream_class in all_streams())),
        *((name, 200) for name in ("activities", "customers", "messages", "metrics", "workspaces")),
    ],
)
def test_every_stream_can_be_previewed_in_any_terminal(
    preview: Callable[..., Screen], stream: str, columns: int
) -> None:
    screen = preview(stream, "--limit", "5", columns=columns)
    assert screen.code == 0, screen.err
    assert max(map(len, screen.lines)) <= columns
    assert "@example" not in screen.out
    [stream_class] = [stream_class for stream_class in all_streams() if stream_class.name == stream]
    assert stream_class.primary_keys[0][:5] in screen.out


def test_personal_data_is_shown_only_on_request(
    preview: Callable[..., Screen], sandbox: Sandbox
) -> None:
    emails = {p["identifiers"]["email"] for p in sandbox.workspace.everyone(NOW)}
    masked = records(preview("customers", "--json"))
    assert {row["email"] for row in masked} <= {"***", None}
    assert not any(email in json.dumps(masked, ensure_ascii=False) for email in emails if email)
    assert all(row["cio_id"] not in {None, "***"} for row in masked)
    shown = records(preview("customers", "--json", "--show-personal-data"))
    assert {row["email"] for row in shown} <= emails
    assert any(row["email"] for row in shown)


def test_dotted_fields_select_members(preview: Callable[..., Screen], sandbox: Sandbox) -> None:
    names = "id,metrics.sent,metrics.never"
    shown = records(preview("messages", "--fields", names, "--limit", "3", "--json"))
    assert [list(row) for row in shown] == [names.split(",")] * 3
    assert all(row["metrics.sent"].endswith("Z") for row in shown)
    assert all(row["metrics.never"] is None for row in shown)
    table = preview("customers", "--fields", "cio_id,attributes.region", "--limit", "2")
    assert table.lines[1].split() == ["cio_id", "attributes.region"]
    regions = {person["attributes"].get("region") for person in sandbox.workspace.everyone(NOW)}
    assert table.lines[3].split(maxsplit=1)[1].strip() == "***"
    options = ("--fields", "cio_id,attributes.region", "--show-personal-data", "--json")
    assert {row["attributes.region"] for row in records(preview("customers", *options))} <= regions


def test_a_mistyped_name_gets_a_suggestion(preview: Callable[..., Screen]) -> None:
    screen = preview("mesages")
    assert screen.code == 1
    assert "There is no stream 'mesages': did you mean messages" in screen.err
    screen = preview("messages", "--fields", "recipent")
    assert "There is no field of messages 'recipent': did you mean recipient" in screen.err
    screen = preview("metrics", "--chart", "opned")
    assert "There is no count in metrics 'opned': did you mean opened" in screen.err
    screen = preview("messages", "--chart", "opened")
    assert "Stream 'messages' has no counts to draw" in screen.err


def test_a_name_is_shown_beside_the_key(preview: Callable[..., Screen]) -> None:
    assert preview("workspaces", columns=80).lines[1].split()[:2] == ["id", "name"]


def test_no_value_controls_the_terminal(tmp_path: Path) -> None:
    def rename(answer: Any) -> None:
        for row in answer["snippets"]:
            row["value"] = "a\x1b]0;b\x07c\x9bd\u202ee\nf"

    with new_sandbox() as box:
        box.middleware.app = Edited("GET /v1/snippets", rename).around(box.middleware.app)
        config = config_file(box, tmp_path)
        screen = typed("preview", "snippets", "--fields", "value", "--config", config)
    assert "a\ufffd]0;b\ufffdc\ufffdd\ufffde f" in screen.out


def test_columns_that_do_not_fit_are_listed(preview: Callable[..., Screen]) -> None:
    narrow = preview("messages", columns=60)
    assert "Too wide for these:" in narrow.out
    assert "newsletter_id" in preview("messages", "--limit", "300", columns=60).words()
    wide = preview("messages", columns=1000)
    assert "Too wide" not in wide.out


def test_a_chart_sums_what_the_tap_reads(preview: Callable[..., Screen], sandbox: Sandbox) -> None:
    dates = ("--from", "2026-03-10", "--to", "2026-03-20")
    shown = records(preview("metrics", "--chart", "opened,clicked", *dates, "--json"))
    limits = {"start_date": "2026-03-10", "end_date": "2026-03-20"}
    truth = run_tap(config_for(sandbox, **limits), streams=["metrics"]).records["metrics"]
    for name in ("opened", "clicked"):
        assert sum(row[name] for row in shown) == sum(row[name] or 0 for row in truth) > 0
    periods = [row["period"] for row in shown]
    assert periods == sorted(periods)
    assert {f"2026-03-{day}" for day in range(10, 20)} <= set(periods)


def test_a_chart_draws_thirty_buckets_in_any_terminal(preview: Callable[..., Screen]) -> None:
    for columns in (40, 60, 200):
        screen = preview("metrics", "--chart", "opened,clicked", columns=columns)
        assert max(map(len, screen.lines)) <= columns
        days = [line.split()[0] for line in screen.lines if line.startswith(" 2026")]
        assert days[-1] == "2026-04-01"
        assert 30 <= len(days) <= 31
        assert ("█" in screen.out) is (columns > 40)


def test_the_longest_bar_is_the_maximum(preview: Callable[..., Screen]) -> None:
    screen = preview("metrics", "--chart", "opened")
    drawn = [line.split() for line in screen.lines if line.startswith(" 2026")]
    bars = {int(parts[1].replace(",", "")): "".join(parts[2:]).count("█") for parts in drawn}
    assert bars[max(bars)] == max(bars.values()) > 5


def test_parents_deleted_meanwhile_are_skipped(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    box = make_sandbox()
    box.fail(status=404, path="/v1/segments/*/used_by")
    screen = typed(*("preview", "segment_usage", "--json", "--config", config_file(box, tmp_path)))
    assert len(records(screen)) == len(box.workspace.segments(NOW)) - 1


@pytest.mark.parametrize(
    ("behaviours", "said"),
    [
        (
            Behaviours(without=frozenset({"/v1/campaigns/*"})),
            "may not read GET /v1/campaigns/1/act",
        ),
        (
            Behaviours(lacking=frozenset({"/v1/campaigns/*"})),
            "the account's plan probably does not",
        ),
    ],
)
def test_an_unreadable_stream_is_an_error_with_a_fix(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path, behaviours: Behaviours, said: str
) -> None:
    box = make_sandbox(behaviours=behaviours)
    screen = typed("preview", "campaign_actions", "--config", config_file(box, tmp_path))
    assert screen.code == 1
    assert said in screen.err
    assert "Traceback" not in screen.err
