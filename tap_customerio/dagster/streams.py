"""Streams as Dagster assets."""

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

StreamClasses = dict[str, "type[CustomerioStream]"]


def select_streams(names: Sequence[str] | None) -> StreamClasses:
    """The streams with these names, or the streams selected by default.

    Raises:
        TapError: A stream does not exist.
    """
    stream_classes = {
        stream_class.name: stream_class
        for stream_class in sorted(all_streams(), key=lambda stream_class: stream_class.name)
    }
    for name in names or ():
        if name not in stream_classes:
            raise errors.names.unknown("stream", name, stream_classes, "'tap-customerio fields'")
    return {
        name: stream_class
        for name, stream_class in stream_classes.items()
        if (stream_class.selected_by_default if names is None else name in names)
    }


def asset_key(stream: str) -> dg.AssetKey:
    """The asset key of a stream."""
    return dg.AssetKey([GROUP, stream])


def spec(stream_class: type[CustomerioStream]) -> dg.AssetSpec:
    """The asset definition of a stream."""
    about = stream_class.about()
    return dg.AssetSpec(
        asset_key(stream_class.name),
        group_name=GROUP,
        description=about[:1].upper() + about[1:],
        kinds={"singer"},
        metadata={"dagster/column_schema": dg.TableSchema(columns=_columns(stream_class))},
    )


def _columns(stream_class: type[CustomerioStream]) -> list[dg.TableColumn]:
    return [
        dg.TableColumn(name, json_type(column), column.get("description"))
        for name, column in stream_class.schema["properties"].items()
    ]
