"""A cache for one run, shared by streams."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class RunCache:
    """Results by key, and one object per class; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._results: dict[str, Future[Any]] = {}
        self._objects: dict[type, object] = {}

    def once(self, key: str, read: Callable[[], T]) -> T:
        """Return the result for a key, read by the first thread; the others wait.

        Raises:
            BaseException: The error of the first reading, for every caller.
        """
        with self._lock:
            first = key not in self._results
            future = self._results.setdefault(key, Future())
        if first:
            try:
                future.set_result(read())
            except BaseException as error:
                future.set_exception(error)
                raise
        return cast("T", future.result())

    def shared(self, shared_class: type[T], make: Callable[[], T]) -> T:
        """The run's one object of a class, created on first use."""
        with self._lock:
            if shared_class not in self._objects:
                self._objects[shared_class] = make()
            return cast("T", self._objects[shared_class])
