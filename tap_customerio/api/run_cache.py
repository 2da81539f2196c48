"""What is read once in a run, however many streams need it."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class RunCache:
    """Answers by question, and objects by class; for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._answers: dict[str, Future[Any]] = {}
        self._objects: dict[type, object] = {}

    def once(self, question: str, read: Callable[[], T]) -> T:
        """The answer to a question, read by the first thread that asks; the others wait.

        Raises:
            BaseException: What the first reading raised, for everyone who asks.
        """
        with self._lock:
            first = question not in self._answers
            answer = self._answers.setdefault(question, Future())
        if first:
            try:
                answer.set_result(read())
            except BaseException as error:
                answer.set_exception(error)
                raise
        return cast("T", answer.result())

    def shared(self, shared_class: type[T], make: Callable[[], T]) -> T:
        """The run's one object of a class, made when it is first asked for."""
        with self._lock:
            if shared_class not in self._objects:
                self._objects[shared_class] = make()
            return cast("T", self._objects[shared_class])
