"""Slices that cannot be named, since the list they follow from cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tap_customerio.errors import FatalError, TapError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")


def attempted(read: Callable[[], Iterable[T]]) -> Iterator[T | TapError]:
    """What can be read; then, where that ends too early, the problem, as a slice that fails.

    Raises:
        FatalError: When no other slice would fare better.
    """
    try:
        yield from read()
    except FatalError:
        raise
    except TapError as problem:
        yield problem


def checked(slice_: T | TapError) -> T:
    """The slice.

    Raises:
        TapError: When it could not be named.
    """
    if isinstance(slice_, TapError):
        raise slice_
    return slice_
