"""Expected counts of deliveries."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

OTHER_NAMES = {"dropped": "suppressed", "prefetch_clicked": "machine_clicked"}

Rows = list[dict[str, Any]]


def counted(rows: Rows) -> Counter[str]:
    """The counts of a bucket with these deliveries."""
    counts: Counter[str] = Counter()
    for row in rows:
        names = {OTHER_NAMES.get(n, n) for n in row["metrics"] if "link:" not in n} | {"created"}
        if row["type"] == "webhook" and "sent" in names:
            names.add("2xx")
        elif row["type"] == "webhook" and "failed" in names:
            names.add(f"{row['failure_message'][0]}xx")
        counts.update(names)
    return counts


def bucket(series: dict[str, list[int]], place: int) -> Counter[str]:
    """One bucket of a response, without zeros."""
    return +Counter({name: counts[place] for name, counts in series.items()})


def edge(text: str) -> int:
    """An edge of a response's window as a unix second."""
    return int(datetime.strptime(text[:25], "%Y-%m-%d %H:%M:%S %z").timestamp())
