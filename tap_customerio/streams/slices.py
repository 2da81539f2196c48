"""Slices that cannot be named, since the list they follow from cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tap_customerio.problems import Fatal, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")


def attempted(read: Callable[[], Iterable[T]]) -> Iterator[T | Problem]:
    """What can be read; then, where that ends too early, the problem, as a slice that fails.

    Raises:
        Fatal: When no other slice would fare better.
    """
    try:
        yield from read()
    except Fatal:
        raise
    except Problem as problem:
        yield problem


def checked(piece: T | Problem) -> T:
    """The slice.

    Raises:
        Problem: When it could not be named.
    """
    if isinstance(piece, Problem):
        raise piece
    return piece
