"""Selections of streams and fields for Meltano and Singer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_customerio.commands.command_tap import CommandTap
from tap_customerio.streams import all_streams

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def meltano(selection: Mapping[str, Sequence[str]]) -> str:
    """The `select` of an extractor in meltano.yml, from names of top-level fields by stream.

    Meltano selects an object without its members, so they need another line.
    """
    stream_classes = {stream_class.name: stream_class for stream_class in all_streams()}
    rules = []
    for stream, names in selection.items():
        for name in names:
            rules.append(f"{stream}.{name}")
            if stream_classes[stream].schema["properties"].get(name, {}).get("properties"):
                rules.append(f"{stream}.{name}.*")
    return "\n".join(
        ["select:", *(f'- "{rule}"' if "*" in rule else f"- {rule}" for rule in rules)]
    )


def catalog(selection: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The whole catalog, with only these fields and the keys selected."""
    made: dict[str, Any] = CommandTap({"app_api_key": "unused"}).catalog_dict
    for entry in made["streams"]:
        names = selection.get(entry["tap_stream_id"], ())
        for item in entry["metadata"]:
            path = item["breadcrumb"]
            whole = "*" in names or not path
            item["metadata"]["selected"] = bool(names) and (whole or path[1] in names)
    return made
