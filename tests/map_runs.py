"""Runs of the tap with stream maps or a catalog, and their output."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harness import Output, select
from terminal import Screen, config_file, typed

from tap_customerio.streams import all_streams

if TYPE_CHECKING:
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox


SCHEMAS = {stream_class.name: stream_class.schema for stream_class in all_streams()}
STREAMS = sorted(SCHEMAS)


def sync(sandbox: Sandbox, folder: Path, catalog: Any = None, **settings: Any) -> Screen:
    """Run the tap for customers, or for the streams in the catalog."""
    path = folder / "catalog.json"
    path.write_text(json.dumps(catalog or select(["customers"])))
    return typed("--config", config_file(sandbox, folder, **settings), "--catalog", str(path))


def records(screen: Screen) -> dict[str, list[dict[str, Any]]]:
    """The messages of a run, by stream."""
    return Output.of(line.encode() for line in screen.lines).records


def deselected(stream: str, *fields: str) -> dict[str, Any]:
    """A catalog of one stream without some of its fields."""
    catalog = select([stream])
    for entry in catalog["streams"]:
        for item in entry["metadata"] if entry["tap_stream_id"] == stream else ():
            if item["breadcrumb"][1::2] in [name.split(".") for name in fields]:
                item["metadata"]["selected"] = False
    return catalog
