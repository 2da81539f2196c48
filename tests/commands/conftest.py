"""The command `verify` on a warehouse of given rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest
from terminal import Screen, typed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from commands.verifying import Rows, Verify


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    """Load these rows, change them with SQL, and verify them."""

    def run(messages: Rows, metrics: Rows, *words: str, then: Sequence[str] = ()) -> Screen:
        path = tmp_path / "a.duckdb"
        with duckdb.connect(str(path)) as database:
            database.execute("create schema customerio")
            database.execute(
                "create table customerio.messages (campaign_id bigint, newsletter_id bigint, "
                "broadcast_id bigint, transactional_message_id bigint, created timestamp, "
                "updated timestamp, metrics json)"
            )
            database.execute(
                "create table customerio.metrics (source_type text, source_id bigint, "
                "resolution text, timezone text, period_start timestamp, sent bigint, "
                "is_partial boolean)"
            )
            for table, rows in (("messages", messages), ("metrics", metrics)):
                if rows:
                    marks = ", ".join("?" * len(rows[0]))
                    database.executemany(f"insert into customerio.{table} values ({marks})", rows)
            for statement in then:
                database.execute(statement)
        return typed("verify", "--warehouse", f"duckdb:///{path}", *words)

    return run
