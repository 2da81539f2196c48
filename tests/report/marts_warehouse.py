"""Small hand-made tables of the models, as dbt builds them in DuckDB."""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

if TYPE_CHECKING:
    from pathlib import Path

FIRST = date(2026, 3, 1)
_COUNTS = "sent bigint, delivered bigint, opened bigint, clicked bigint, converted bigint"
_TABLES = {
    "deliveries": "workspace text, delivery_id text, channel text, source_id bigint, cio_id text, "
    "customer_id text, recipient_domain text, created_at timestamp, sent_at timestamp, "
    "delivered_at timestamp, bounced_at timestamp, spammed_at timestamp, "
    "first_open_at timestamp, first_click_at timestamp, is_draft boolean, is_settled boolean, "
    "failure_message text",
    "senders": "workspace text, source_type text, source_id bigint, source_name text, "
    "first_delivery_at timestamp",
    "sender_daily": f"workspace text, source_type text, source_id bigint, day_of text, day date, "
    f"{_COUNTS}, unsubscribed bigint",
    "journey_funnel": "workspace text, campaign_id bigint, campaign_name text, day date, "
    "started bigint, activated bigint, messaged bigint, converted bigint, finished bigint, "
    "exited_early bigint, never_activated bigint",
    "ab_tests": "workspace text, newsletter_id bigint, newsletter_name text, group_id bigint, "
    "test_group text, sent bigint, decided_by text, is_winner boolean, "
    "open_rate double, open_rate_low double, open_rate_high double, "
    "click_rate double, click_rate_low double, click_rate_high double, "
    "conversion_rate double, conversion_rate_low double, conversion_rate_high double",
    "segment_growth": "workspace text, segment_id bigint, segment_name text, day date, "
    "people bigint",
    "consents": "workspace text, cio_id text, scope text, subject text, subject_name text, "
    "is_allowed boolean, is_choice boolean",
    "reconciliation": "day date, period_start timestamp, period_end timestamp, "
    "counted_sent bigint, loaded_sent bigint, missing_sent bigint, is_covered boolean, status text",
}


class Size(NamedTuple):
    """The sizes of the tables."""

    days: int = 10
    senders: int = 3
    per_day: int = 4
    first: date = FIRST


SMALL = Size()


def make_warehouse(path: Path, size: Size | None = SMALL, *, without: str = "") -> str:
    """Write the tables, empty without a size; returns the URL."""
    with duckdb.connect(str(path)) as database:
        database.execute("create schema analytics")
        for name, columns in _TABLES.items():
            if name != without:
                database.execute(f"create table analytics.customerio__{name} ({columns})")
        for table, rows in (_rows(size) if size else {}).items():
            if table != without:
                lines = path.with_suffix(".csv")  # inserting rows one by one takes minutes
                with lines.open("w", newline="", encoding="utf-8") as file:
                    csv.writer(file).writerows(rows)
                database.execute(
                    f"copy analytics.customerio__{table} from '{lines}' (header false)"
                )
    return f"duckdb:///{path}"


def _rows(size: Size) -> dict[str, list[tuple[Any, ...]]]:
    days = [size.first + timedelta(days=number) for number in range(size.days)]
    start = datetime(2026, 3, 1, 8)  # noqa: DTZ001 - as dbt has times
    found: dict[str, list[tuple[Any, ...]]] = {}
    found["deliveries"] = [
        (
            *("acme", f"d{number}", "email" if number < 30 or number % 2 else "twilio"),
            *(1, f"person-{number}", f"customer-{number}@example.com"),
            "few.example" if number == 0 else "many.example",
            *(start, start, None if number % 4 == 0 else start, None, None),
            start if number % 2 == 0 else None,
            *(None, False, False, "550 ada@example.com unknown"),
        )
        for number in range(40)
    ]
    unsent = ("acme", "d40", "email", 1, *[None] * 3, start, *[None] * 6, False, False, None)
    found["deliveries"].append(unsent)
    found["senders"] = [
        ("acme", "newsletter", number, f"Letter {number} of ada@example.com <b>", start)
        for number in range(1, size.senders + 1)
    ]
    n = size.per_day
    found["sender_daily"] = [
        ("acme", "newsletter", number, day_of, day, n * 10, n * 9, n * 5, n * 2, n, 0)
        for number in range(1, size.senders + 1)
        for day in (days if number == 1 else days[-1:])
        for day_of in ("sending", "event")
    ]
    return found | _audience(days)


def _audience(days: list[date]) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {}
    found["journey_funnel"] = [
        ("acme", 1, "Onboarding", day, 100, 80, 60, 20, 40, 10, 5) for day in days
    ]
    found["ab_tests"] = [
        *[("acme", 1, "Letter 1", 1, "Long subject", 100, "clicked", False)],
        *[("acme", 1, "Letter 1", 2, "Short subject", 100, "clicked", True)],
    ]
    rates = (0.5, 0.4, 0.6, 0.123, 0.1, 0.15, 0.01, 0.0, 0.02)
    found["ab_tests"] = [(*row, *rates) for row in found["ab_tests"]]
    found["segment_growth"] = [
        ("acme", number, f"Segment {number}", day, 1000 * number + place)
        for number in range(1, 9)
        for place, day in enumerate(days)
    ]
    found["consents"] = [
        *[
            ("acme", f"person-{n}", "everything", "everything", None, n > 1, n < 2)
            for n in range(10)
        ],
        *[
            ("acme", f"person-{n}", "topic", "topic_1", "Offers", n > 4, 3 <= n < 8)
            for n in range(10)
        ],
        ("acme", "person-1", "sender", "sms:+15550100001", "+15550100001", False, True),
    ]
    found["reconciliation"] = [
        (day, day, day + timedelta(days=1), 1000, 990, 10, True, "missing") for day in days
    ]
    return found
