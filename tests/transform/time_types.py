"""Find comparisons of times of different types, which BigQuery rejects."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, cast

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from transform.compile_offline import types

if TYPE_CHECKING:
    from pathlib import Path

Columns = dict[str, dict[str, str]]

_COMPARED = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
_SAME = {"TIMESTAMPNTZ": "TIMESTAMP", "DATETIME": "TIMESTAMP"}
"""TIMESTAMP is without a time zone in Snowflake, and DATETIME in BigQuery."""


def mixed(compiled: dict[str, Path], kind: str) -> list[str]:
    """Comparisons and unions of two types of times in compiled models."""
    queries = {name: sqlglot.parse_one(path.read_text(), kind) for name, path in compiled.items()}
    needed = {
        name: {table.name.lower() for table in query.find_all(exp.Table)}
        & (queries.keys() - {name})
        for name, query in queries.items()
    }
    known: Columns = {}
    found = []
    for name in TopologicalSorter(needed).static_order():
        tables = {table.name: table for table in queries[name].find_all(exp.Table)}
        schema: dict[str, dict[str, Columns]] = {}
        for table in tables.values():
            if (of_table := _columns(table.name, known, kind)) is not None:
                schema.setdefault(table.catalog, {}).setdefault(table.db, {})[table.name] = of_table
        options: dict[str, Any] = {"schema": schema, "dialect": kind}
        qualified = qualify(queries[name], validate_qualify_columns=False, **options)
        typed = cast("exp.Query", annotate_types(qualified, **options))
        known[name] = {
            each.alias_or_name: each.type.sql(kind) for each in typed.selects if each.type
        }
        found += [f"{name}: {each}" for each in _mixed(typed)]
    return found


def _columns(table: str, known: Columns, kind: str) -> dict[str, str] | None:
    """Types of the columns of a model, or of a loader's table."""
    if table.lower() in known:
        return known[table.lower()]
    try:
        return types(table, kind)
    except FileNotFoundError:  # a common table expression
        return None


def _mixed(query: exp.Query) -> list[str]:
    """Pairs of expressions of one query."""
    pairs = [(each.left, each.right) for each in query.find_all(*_COMPARED)]
    for each in query.find_all(exp.Coalesce):
        pairs += [(each.this, other) for other in each.expressions]
    for union in query.find_all(exp.Union):
        pairs += zip(union.left.selects, union.right.selects, strict=True)
    found = [
        f"{one.sql()[:200]} and {other.sql()[:200]}"
        for one, other in pairs
        if len({_time_type(one), _time_type(other), None}) > 2
    ]
    moved = [each for each in query.find_all(exp.Timestamp) if each.args.get("zone")]
    return found + [each.sql()[:200] for each in moved if _time_type(each.this) != "TIMESTAMP"]


def _time_type(expression: Any) -> str | None:
    """The type of a time; None for other values."""
    type_ = expression.type
    if type_ is None or not type_.is_type(*exp.DataType.TEMPORAL_TYPES):
        return None
    name: str = type_.this.name
    return _SAME.get(name, name)
