"""Slices that cannot be listed because their parent list cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tap_customerio.errors import FatalError, TapError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")


def attempted(read: Callable[[], Iterable[T]]) -> Iterator[T | TapError]:
    """Yield the readable slices; if the list breaks off, yield its error as a failing slice.

    Raises:
        FatalError: All other slices would fail too.
    """
    try:
        yield from read()
    except FatalError:
        raise
    except TapError as error:
        yield error


def checked(slice_: T | TapError) -> T:
    """Return the slice.

    Raises:
        TapError: The slice could not be listed.
    """
    if isinstance(slice_, TapError):
        raise slice_
    return slice_
