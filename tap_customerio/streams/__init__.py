"""The streams, by area of the API; a class with a name is a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.streams import (
    audience,
    contents,
    messages,
    metrics,
    objects,
    people,
    sends,
    workspace,
)
from tap_customerio.streams.base import CustomerioStream

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "all_streams",
    "audience",
    "contents",
    "messages",
    "metrics",
    "objects",
    "people",
    "sends",
    "workspace",
]


def all_streams(
    base: type[CustomerioStream] = CustomerioStream,
) -> Iterator[type[CustomerioStream]]:
    """Every stream class there is."""
    for kind in base.__subclasses__():
        if "name" in vars(kind):
            yield kind
        yield from all_streams(kind)
