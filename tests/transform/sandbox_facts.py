"""What the models must say, counted from the sandbox's own deliveries."""

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
"""The state that each count is of."""


def deliveries(sandbox: Sandbox) -> list[Row]:
    """All deliveries that are no drafts, as the API shows them."""
    now = sandbox.clock.now()
    return list(sandbox.workspace.deliveries(SINCE, int(now), now=now))


def cio_id(row: Row) -> str | None:
    """The person of a delivery, if any."""
    return (row["customer_identifiers"] or {}).get("cio_id")


def grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    """Rows by what a function says of each; those of which it says None are left out."""
    found = defaultdict(list)
    for row in rows:
        if (place := key(row)) is not None:
            found[place].append(row)
    return found


def counts(rows: list[Row]) -> dict[str, int]:
    """How many of these deliveries have come to each state."""
    return {
        name: sum(not state or state in row["metrics"] for row in rows)
        for name, state in COUNTED.items()
    }


def moments(rows: list[Row], state: str) -> list[int]:
    """When each of the deliveries that have come to a state did so."""
    return [row["metrics"][state] for row in rows if state in row["metrics"]]


def latest(rows: list[Row]) -> int:
    """The last change of all."""
    return max(int(at) for row in rows for at in (row["created"], *row["metrics"].values()))


def rates_of(row: Row) -> dict[str, float | None]:
    """What the rates of a row of a model must be, by its counts."""
    shares = {"open_rate": "opened", "click_rate": "clicked", "bounce_rate": "bounced"}
    shares |= {"delivery_rate": "delivered", "conversion_rate": "converted"}
    return {
        rate: row[count] / row["sent"] if row["sent"] else None for rate, count in shares.items()
    }


def is_equal(found: Any, expected: float | None) -> bool:
    """Whether a rate is what it should be; databases give decimals or floats."""
    if expected is None or found is None:
        return found is expected
    return abs(float(found) - expected) < 1e-6


def day_of(moment: datetime) -> int:
    """The number of the day."""
    return moment.date().toordinal()
