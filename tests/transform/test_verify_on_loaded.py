"""verify: on data that real targets loaded into DuckDB and PostgreSQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pytest
from terminal import typed

from tap_customerio.windows import DAY, parse
from transform import sandbox_facts as facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from terminal import Screen
    from transform.dbt_run import Built

    from tap_customerio.sandbox import Sandbox

pytestmark = pytest.mark.slow

GONE = "2026-03-10"


@pytest.fixture
def loaded(modelled: Built, make_built: Callable[..., Built]) -> Built:
    """A copy that the test may change."""
    return make_built("postgres" if modelled.postgres else "duckdb", modelled)


def verified(built: Built) -> Screen:
    """The output of verify."""
    url = built.postgres or f"duckdb:///{built.folder / 'warehouse.duckdb'}"
    return typed("verify", "--warehouse", url, "--json")


def test_loaded_data_is_complete_until_a_day_is_missing(
    loaded: Built, modelled_sandbox: Sandbox
) -> None:
    screen = verified(loaded)
    assert screen.code == 0, screen.err
    sent = [row for row in facts.deliveries(modelled_sandbox) if "sent" in row["metrics"]]
    found = json.loads(screen.out)
    assert sum(month["loaded"] + month["uncounted"] for month in found.values()) == len(sent)
    assert found["2026-03"]["counted"] == found["2026-03"]["loaded"] > 0

    day = f"created >= timestamp '{GONE}' and created < timestamp '{GONE}' + interval '1' day"
    _execute(loaded, f"delete from customerio.messages where {day}")
    screen = verified(loaded)
    assert screen.code == 1
    missing = json.loads(screen.out)["2026-03"]["missing"]
    gone = sum(parse(GONE) <= row["created"] < parse(GONE) + DAY for row in sent)
    assert sum(each["sent"] - each["loaded"] for each in missing) == gone > 0
    # Some days are those of New York.
    assert {each["day"] for each in missing} <= {GONE, "2026-03-09"}


def _execute(built: Built, statement: str) -> None:
    connection: Any = (
        psycopg.connect(built.postgres)
        if built.postgres
        else duckdb.connect(str(built.folder / "warehouse.duckdb"))
    )
    with connection:
        connection.execute(statement)
