"""The streams, by area of the API; every class with a `name` is a stream."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_customerio.streams.base import CustomerioStream


def all_streams() -> Iterator[type[CustomerioStream]]:
    """Every stream class of every module here."""
    return _streams_below(_base())


@cache
def _base() -> type[CustomerioStream]:
    """The base class of all streams; all stream modules are imported first."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)
    base: type[CustomerioStream] = importlib.import_module(f"{__name__}.base").CustomerioStream
    return base


def _streams_below(base: type[CustomerioStream]) -> Iterator[type[CustomerioStream]]:
    for stream_class in base.__subclasses__():
        if "name" in vars(stream_class):
            yield stream_class
        yield from _streams_below(stream_class)
