"""The joins in the column reference are possible in the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from column_reference import STREAMS, joins

if TYPE_CHECKING:
    from harness import Output


@pytest.mark.slow
@pytest.mark.parametrize("name", STREAMS)
def test_the_ids_of_a_stream_exist_in_the_joined_stream(modelled_output: Output, name: str) -> None:
    rows = modelled_output.records[name]
    by_column: dict[str, set[Any]] = {}
    for join in joins(STREAMS[name]):
        known = by_column.setdefault(join.column, set())
        known |= {row[join.target] for row in modelled_output.records[join.stream]}
    for column, known in by_column.items():
        used = {one for row in rows for one in values(row[column])}
        assert not used or used & known, column
        if column.removesuffix("s").endswith("_id") and column != "cio_id":  # people may be deleted
            assert used <= known, column


def values(cell: Any) -> list[Any]:
    """The ids in a cell; 0 is none."""
    return [one for one in (cell if isinstance(cell, list) else [cell]) if one not in (None, 0)]
