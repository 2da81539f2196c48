"""The smallest possible SDK tap, for comparing start-up times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Stream, Tap

if TYPE_CHECKING:
    from collections.abc import Iterator


class Things(Stream):
    """One stream with one record."""

    name = "things"
    schema: ClassVar[dict[str, Any]] = {"properties": {"id": {"type": "integer"}}}

    def get_records(self, context: object) -> Iterator[dict[str, Any]]:  # noqa: ARG002
        """The record."""
        yield {"id": 1}


class BareTap(Tap):
    """One stream, no settings."""

    name = "tap-bare"
    config_jsonschema: ClassVar[dict[str, Any]] = {"type": "object", "properties": {}}

    def discover_streams(self) -> list[Stream]:
        """The only stream."""
        return [Things(self)]


if __name__ == "__main__":
    BareTap.cli()
