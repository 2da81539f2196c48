"""The streams as Dagster knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from tap_customerio import errors
from tap_customerio.dagster.coordinator import GROUP
from tap_customerio.streams import all_streams
from tap_customerio.streams.schema import json_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_customerio.streams.base import CustomerioStream

Kinds = dict[str, "type[CustomerioStream]"]


def chosen(names: Sequence[str] | None) -> Kinds:
    """The streams of these names, or those that are selected by default.

    Raises:
        TapError: When there is no such stream.
    """
    kinds = {kind.name: kind for kind in sorted(all_streams(), key=lambda kind: kind.name)}
    for name in names or ():
        if name not in kinds:
            raise errors.names.unknown("stream", name, kinds, "'tap-customerio fields'")
    return {
        name: kind
        for name, kind in kinds.items()
        if (kind.selected_by_default if names is None else name in names)
    }


def asset_key(stream: str) -> dg.AssetKey:
    """The key of a stream's asset."""
    return dg.AssetKey([GROUP, stream])


def spec(kind: type[CustomerioStream]) -> dg.AssetSpec:
    """A stream as an asset."""
    about = kind.about()
    return dg.AssetSpec(
        asset_key(kind.name),
        group_name=GROUP,
        description=about[:1].upper() + about[1:],
        kinds={"singer"},
        metadata={"dagster/column_schema": dg.TableSchema(columns=_columns(kind))},
    )


def _columns(kind: type[CustomerioStream]) -> list[dg.TableColumn]:
    return [
        dg.TableColumn(name, json_type(column), column.get("description"))
        for name, column in kind.schema["properties"].items()
    ]
