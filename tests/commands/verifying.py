"""Rows of messages and metrics."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

from terminal import Screen

Verify = Callable[..., Screen]

NEW_YORK = "America/New_York"
COLUMNS = {"campaign": 0, "newsletter": 1, "broadcast": 2, "transactional": 3}
Rows = list[tuple[Any, ...]]


def sent(at: str, kind: str = "campaign", number: int = 1, *, is_sent: bool = True) -> Any:
    """A row of messages."""
    ids: list[int | None] = [None] * 4
    ids[COLUMNS[kind]] = number
    metrics = {"sent": at} if is_sent else {"failed": at}
    return (*ids, at, at, json.dumps(metrics))


def counted(  # noqa: PLR0913 - the columns of metrics
    day: str,
    number: int,
    kind: str = "campaign",
    *,
    zone: str = "UTC",
    resolution: str = "days",
    source: int = 1,
    is_partial: bool = False,
) -> Any:
    """A row of metrics."""
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc)
    return (kind, source, resolution, zone, start.replace(tzinfo=None), number, is_partial)


EDGES = [sent("2026-01-01 12:00"), sent("2026-05-01 12:00")]
"""Deliveries before and after March, so that March is fully loaded."""
