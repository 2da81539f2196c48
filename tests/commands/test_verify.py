"""verify: loaded deliveries compared with the counts of Customer.io."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from commands.verifying import EDGES, NEW_YORK, counted, sent
from terminal import typed

if TYPE_CHECKING:
    from pathlib import Path

    from commands.verifying import Verify


def test_matching_months_are_listed_with_their_numbers(verify: Verify) -> None:
    messages = [*EDGES, *[sent(f"2026-03-0{day} 10:00") for day in (1, 2, 2)]]
    messages += [sent("2026-03-02 11:00", is_sent=False), sent("2026-02-05 10:00")]
    screen = verify(messages, [counted("2026-03-01", 1), counted("2026-03-02", 2)])
    assert screen.code == 0
    assert "2026-03: 3 sent by Customer.io, 3 loaded.\n" in screen.out
    assert (
        "2026-02: 0 sent by Customer.io, 0 loaded; 1 more loaded, which Customer.io's" in screen.out
    )


def test_missing_deliveries_are_reported_and_fail(verify: Verify) -> None:
    messages = [*EDGES, sent("2026-03-02 10:00")]
    metrics = [counted("2026-03-02", 2), counted("2026-03-10", 3, "newsletter", source=7)]
    screen = verify(messages, metrics)
    assert screen.code == 1
    assert "2026-03: 5 sent by Customer.io, 1 loaded, 4 missing." in screen.out
    assert "  2026-03-02 campaign 1: 2 sent, 1 loaded" in screen.out
    assert "  2026-03-10 newsletter 7: 3 sent, 0 loaded" in screen.out
    assert "--from 2026-03-02 --to 2026-03-12" in screen.words()


def test_a_range_may_end_within_a_period(verify: Verify) -> None:
    late = sent("2026-03-10 23:50")
    messages = [EDGES[0], (*late[:5], "2026-05-01 12:00", late[6])]
    cut = counted("2026-03-10", 3, zone=NEW_YORK)
    assert verify(messages, [cut]).code == 0


def test_counts_after_the_newest_delivery_are_missing_deliveries(verify: Verify) -> None:
    late = sent("2026-03-10 23:50")
    messages = [EDGES[0], (*late[:5], "2026-05-01 12:00", late[6])]
    screen = verify(messages, [counted(f"2026-03-{day}", 3, zone=NEW_YORK) for day in (10, 11)])
    assert screen.code == 1
    assert "2026-03: 6 sent by Customer.io, 1 loaded, 3 missing." in screen.words()


def test_the_json_output(verify: Verify) -> None:
    screen = verify(EDGES, [counted("2026-03-02", 2)], "--json")
    month = json.loads(screen.out)["2026-03"]
    assert month == {
        "counted": 2,
        "loaded": 0,
        "uncounted": 0,
        "unknown_sender": 0,
        "missing": [
            {
                "source_type": "campaign",
                "source_id": 1,
                "day": "2026-03-02",
                "sent": 2,
                "loaded": 0,
            }
        ],
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "metric",
    [
        counted("2026-01-01", 5),  # the first day was not loaded in full
        counted("2025-12-01", 5),  # nor any earlier one
        counted("2026-04-30", 5),  # states of the last days may come later
        counted("2026-03-10", 5, is_partial=True),
    ],
)
def test_an_explained_difference_is_no_failure(verify: Verify, metric: Any) -> None:
    screen = verify(EDGES, [metric])
    assert screen.code == 0
    assert "5 sent by Customer.io, " in screen.out


def test_deliveries_that_the_api_may_no_longer_list_are_no_failure(verify: Verify) -> None:
    messages = [sent("2025-01-01 12:00"), sent("2026-05-01 12:00")]
    assert verify(messages, [counted("2025-03-10", 5)]).code == 0


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["UTC", NEW_YORK, "Asia/Kolkata", "Pacific/Auckland"])
@pytest.mark.parametrize("resolution", ["hours", "days", "weeks", "months"])
def test_deliveries_count_in_the_bucket_of_the_time_zone(
    verify: Verify, zone: str, resolution: str
) -> None:
    start = datetime(2026, 3, 1, tzinfo=ZoneInfo(zone))  # a Sunday
    moments = [start, start - timedelta(seconds=1)]
    utc = [moment.astimezone(timezone.utc).replace(tzinfo=None) for moment in moments]
    messages = [*EDGES, sent(str(utc[0])), sent(str(utc[0])), sent(str(utc[1]))]
    before = {"hours": "2026-02-28T23:00", "days": "2026-02-28", "weeks": "2026-02-22"}
    metrics = [
        counted("2026-03-01", 2, zone=zone, resolution=resolution),
        counted(before.get(resolution, "2026-02-01"), 1, zone=zone, resolution=resolution),
    ]
    screen = verify(messages, metrics, "--json")
    found = json.loads(screen.out)
    assert (found["2026-02"]["loaded"], found["2026-03"]["loaded"]) == (1, 2)
    assert screen.code == 0


def test_days_of_another_time_zone_than_stated_are_no_failure(verify: Verify) -> None:
    messages = [*EDGES, sent("2026-03-02 02:00"), sent("2026-03-03 02:00")]
    assert verify(messages, [counted("2026-03-01", 1), counted("2026-03-02", 1)]).code == 0


def test_deliveries_are_missing_if_they_stop_while_counts_continue(verify: Verify) -> None:
    days = [f"2026-03-{day:02}" for day in range(1, 21)]
    messages = [sent(f"{day} 12:00") for day in days[:10]]
    screen = verify(messages, [counted(day, 1) for day in days], "--json")
    missing = json.loads(screen.out)["2026-03"]["missing"]
    assert screen.code == 1
    assert [each["day"] for each in missing] == days[10:17], "the last two days may come later"


def test_deleted_rows_do_not_count(verify: Verify) -> None:
    messages = [*EDGES, sent("2026-03-02 10:00"), sent("2026-03-03 10:00")]
    metrics = [counted("2026-03-02", 1), counted("2026-03-03", 1), counted("2026-03-04", 9)]
    mark = "alter table customerio.{} add column _sdc_deleted_at timestamp"
    screen = verify(
        messages,
        metrics,
        then=[
            *(mark.format(table) for table in ("messages", "metrics")),
            "update customerio.messages set _sdc_deleted_at = created where day(created) = 3",
            "update customerio.metrics set _sdc_deleted_at = period_start where sent = 9",
        ],
    )
    assert screen.code == 1
    assert "2026-03: 2 sent by Customer.io, 1 loaded, 1 missing." in screen.out


def test_one_time_in_the_future_does_not_make_all_others_too_old(verify: Verify) -> None:
    messages = [*EDGES, sent("2026-03-02 10:00"), sent("5138-01-01 10:00")]
    screen = verify(messages, [counted("2026-03-02", 2)])
    assert screen.code == 1
    assert "  2026-03-02 campaign 1: 2 sent, 1 loaded" in screen.out


def test_rows_of_nulls_are_no_error(verify: Verify) -> None:
    messages = [*EDGES, sent("2026-03-02 10:00"), [None] * 7]
    screen = verify(messages, [counted("2026-03-02", 1), [None] * 7])
    assert screen.code == 0, screen.err
    assert "2026-03: 1 sent by Customer.io, 1 loaded.\n" in screen.out


@pytest.mark.slow
@pytest.mark.parametrize("then", [("days", "months"), ("months", "days"), ("weeks", "months")])
def test_a_new_resolution_replaces_the_former_from_its_first_bucket(
    verify: Verify, then: tuple[str, str]
) -> None:
    former, new = then
    starts = {"days": ("02-11", "03-10"), "weeks": ("02-01", "03-08"), "months": ("02-01", "03-01")}
    metrics = [
        counted(f"2026-{starts[former][0]}", 7, resolution=former),
        counted(f"2026-{starts[former][1]}", 7, resolution=former, is_partial=True),
        counted("2026-02-01", 5, resolution=new),
        counted("2026-04-01", 5, resolution=new, is_partial=True),
    ]
    screen = verify(EDGES, metrics)
    assert "2026-02: 5 sent by Customer.io, " in screen.out


def test_days_do_not_hide_what_the_former_months_count(verify: Verify) -> None:
    messages = [*EDGES, sent("2026-03-02 10:00")]
    metrics = [counted("2026-03-01", 5, resolution="months"), counted("2026-05-01", 1)]
    metrics += [counted("2026-05-01", 1, resolution="months", is_partial=True)]
    screen = verify(messages, metrics)
    assert screen.code == 1
    assert "2026-03: 5 sent by Customer.io, 1 loaded, 4 missing" in screen.out


def test_days_count_before_the_former_week_is_over(verify: Verify) -> None:
    messages = [sent(f"2026-03-{day:02} 12:00") for day in (1, 11, 17, 18, 20)]
    metrics = [counted("2026-03-15", 3, resolution="weeks", is_partial=True)]
    metrics += [counted(f"2026-03-{day}", 1) for day in (11, 12, 17, 18)]
    screen = verify(messages, metrics)
    assert screen.code == 1
    assert "  2026-03-12 campaign 1: 1 sent, 0 loaded" in screen.out


def test_days_count_once_the_former_month_is_over(verify: Verify) -> None:
    messages = [
        *EDGES,
        sent("2026-02-02 10:00"),
        sent("2026-03-10 10:00"),
        sent("2026-04-02 10:00"),
    ]
    metrics = [counted(f"2026-{month}-01", 2, resolution="months") for month in ("02", "03")]
    metrics += [counted("2026-03-20", 9), counted("2026-04-02", 3), counted("2026-05-01", 1)]
    found = json.loads(verify(messages, metrics, "--json").out)
    months = {name: (each["counted"], each["loaded"]) for name, each in found.items()}
    assert months["2026-02"] == (2, 1), "by month, which days must not hide"
    assert months["2026-03"] == (2, 1), "the whole month, and no day of it twice"
    assert months["2026-04"] == (3, 1), "by day"
    assert found["2026-04"]["missing"][0]["day"] == "2026-04-02"


def test_a_month_that_is_over_counts_beyond_the_last_of_the_former_days(verify: Verify) -> None:
    messages = [*EDGES, *[sent("2026-02-10 10:00")] * 5, *[sent("2026-03-10 10:00")] * 5]
    days = [counted("2026-02-10", 5), counted("2026-03-10", 5)]
    months = [counted("2026-02-01", 5, resolution="months")]
    months += [counted("2026-03-01", 505, resolution="months")]
    screen = verify(messages, [*days, *months])
    assert "2026-03: 505 sent by Customer.io, 5 loaded, 500 missing" in screen.words()


def test_a_running_month_does_not_count_beside_its_days(verify: Verify) -> None:
    messages = [*EDGES, sent("2026-03-10 10:00"), sent("2026-03-20 10:00")]
    former = counted("2026-03-01", 7, resolution="months", is_partial=True)
    screen = verify(messages, [former, counted("2026-03-20", 1), counted("2026-05-01", 1)])
    assert "2026-03: 1 sent by Customer.io, 1 loaded; 1 more loaded" in screen.out


@pytest.mark.parametrize("kinds", [("campaign", "broadcast"), ("campaign",)])
def test_an_id_of_a_campaign_and_a_broadcast_is_no_loss(
    verify: Verify, kinds: tuple[str, ...]
) -> None:
    messages = [*EDGES, *[sent("2026-03-02 10:00")] * 3]
    metrics = [counted("2026-03-02", 3, kind) for kind in kinds]
    lists = ["create table customerio.broadcasts as select 1 as id"]
    screen = verify(messages, metrics, then=lists)
    assert screen.code == 0
    number = 3 * len(kinds)
    assert (
        f"2026-03: {number} sent by Customer.io, 0 loaded; 3 more loaded, sent by a campaign"
        in (screen.words())
    )


def test_a_campaign_without_a_broadcast_of_its_id_is_checked(verify: Verify) -> None:
    metrics = [counted("2026-03-02", 3), counted("2026-03-02", 0, "broadcast", source=2)]
    assert verify(EDGES, metrics).code == 1


@pytest.mark.slow
@pytest.mark.parametrize("zone", [NEW_YORK, "Pacific/Auckland"])
@pytest.mark.parametrize("resolution", ["days", "months"])
def test_impossible_times_are_left_out(verify: Verify, zone: str, resolution: str) -> None:
    far = ["0001-01-01 00:00", "1970-01-01 00:00", "9999-12-31 23:59:59"]
    messages = [*EDGES, sent("2026-03-01 15:00"), *map(sent, far), sent("2026-03-01 16:00")]
    metric = counted("2026-03-01", 2, zone=zone, resolution=resolution)
    metrics = [metric, *((*metric[:4], moment, 5, False) for moment in far)]
    then = ["insert into customerio.messages (created) values ('infinity'), ('290000-01-01')"]
    screen = verify(messages, metrics, then=then)
    assert "Left out: 5 loaded deliveries created before 2012, in the future or" in screen.err
    assert {line[:4] for line in screen.out.splitlines() if line[:1].isdigit()} == {"2026"}


def test_one_time_long_ago_does_not_make_the_loading_begin_then(verify: Verify) -> None:
    messages = [*EDGES, sent("1970-01-01 10:00")]
    assert verify(messages, [counted("2025-12-20", 5), counted("2026-03-02", 0)]).code == 0


def test_it_reports_that_there_is_nothing_to_compare(verify: Verify) -> None:
    screen = verify(EDGES, [])
    assert screen.code == 1
    assert "load the streams messages and metrics" in " ".join(screen.err.split())


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://root:secret@host/a", "is not a URL of a known warehouse"),
        ("duckdb://[x", "is not a URL of a known warehouse"),
        ("duckdb://a.duckdb", "is not a URL of a known warehouse"),
        ("duckdb:", "is not a URL of a known warehouse"),
        ("duckdb:///none.duckdb", "/none.duckdb, which --warehouse names: write duckdb:/// before"),
        (f"duckdb:///{'x' * 300}", "There is no file"),
        ("postgresql://ada:secret@127.0.0.1:1/none", "Cannot connect to PostgreSQL: check host"),
        ("postgresql://ada:secret@[x/none", "Cannot connect to PostgreSQL: check host"),
    ],
)
def test_an_unreachable_warehouse_is_reported_without_its_password(url: str, sentence: str) -> None:
    screen = typed("verify", "--warehouse", url)
    assert screen.code == 1
    assert sentence in " ".join(screen.err.split())
    assert "secret" not in screen.err


def test_a_file_that_is_not_a_database_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    path.write_text("hello")
    screen = typed("verify", "--warehouse", f"duckdb:///{path}")
    assert screen.code == 1
    assert "check that it is a DuckDB database" in " ".join(screen.err.split())


def test_an_error_quotes_no_value_of_the_tables(verify: Verify) -> None:
    screen = verify(
        EDGES,
        [counted("2026-03-02", 1)],
        then=[
            "alter table customerio.messages alter metrics type varchar",
            "update customerio.messages set metrics = 'ada@example.com'",
        ],
    )
    assert screen.code == 1
    assert "Cannot read the tables in schema 'customerio' (InvalidInputException)" in (
        " ".join(screen.err.split())
    )
    assert "ada" not in screen.err


@pytest.mark.parametrize("stream", ["messages", "metrics"])
def test_a_stream_that_was_not_loaded_is_named(verify: Verify, stream: str) -> None:
    drop = [f"drop table customerio.{stream}"]
    screen = verify(EDGES, [counted("2026-03-02", 1)], then=drop)
    assert screen.code == 1
    assert f"has no table {stream}: load this stream, too" in " ".join(screen.err.split())


def test_a_schema_without_the_tables_is_reported(verify: Verify) -> None:
    screen = verify(EDGES, [counted("2026-03-02", 1)], "--schema", "other")
    assert screen.code == 1
    assert "Cannot read the tables in schema 'other'" in " ".join(screen.err.split())
