"""Expected values of the models, computed from the sandbox's own deliveries."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from harness import SINCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from tap_customerio.sandbox import Sandbox

Row = dict[str, Any]
Key = tuple[Any, ...]

COUNTED = {
    "deliveries": "",
    "sent": "sent",
    "delivered": "delivered",
    "opened": "human_opened",
    "clicked": "human_clicked",
    "machine_opened": "prefetch_opened",
    "converted": "converted",
    "bounced": "bounced",
    "unsubscribed": "unsubscribed",
}
"""The state of each count."""


def deliveries(sandbox: Sandbox) -> list[Row]:
    """All deliveries except drafts, as the API shows them."""
    now = sandbox.clock.now()
    return list(sandbox.workspace.deliveries(SINCE, int(now), now=now))


def cio_id(row: Row) -> str | None:
    """The person of a delivery, if any."""
    return (row["customer_identifiers"] or {}).get("cio_id")


def grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    """Rows grouped by the result of a function; rows with None are left out."""
    found = defaultdict(list)
    for row in rows:
        if (place := key(row)) is not None:
            found[place].append(row)
    return found


def counts(rows: list[Row]) -> dict[str, int]:
    """The number of these deliveries with each state."""
    return {
        name: sum(not state or state in row["metrics"] for row in rows)
        for name, state in COUNTED.items()
    }


def moments(rows: list[Row], state: str) -> list[int]:
    """The time of a state in each delivery that has it."""
    return [row["metrics"][state] for row in rows if state in row["metrics"]]


def latest(rows: list[Row]) -> int:
    """The last change of all deliveries."""
    return max(int(at) for row in rows for at in (row["created"], *row["metrics"].values()))


def rates_of(row: Row) -> dict[str, float | None]:
    """The expected rates of a model's row, from its counts."""
    shares = {"open_rate": "opened", "click_rate": "clicked", "bounce_rate": "bounced"}
    shares |= {"delivery_rate": "delivered", "conversion_rate": "converted"}
    return {
        rate: row[count] / row["sent"] if row["sent"] else None for rate, count in shares.items()
    }


def is_equal(found: Any, expected: float | None) -> bool:
    """Whether a rate is as expected; databases return decimals or floats."""
    if expected is None or found is None:
        return found is expected
    return abs(float(found) - expected) < 1e-6


def day_of(moment: datetime) -> int:
    """The number of the day."""
    return moment.date().toordinal()
