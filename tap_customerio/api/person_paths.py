"""How paths spell a person's permanent id: this is undocumented, so both spellings are tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tap_customerio import errors
from tap_customerio.api.client import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_customerio.api.client import Client

T = TypeVar("T")

_PREFIXES = ("", "cio_")


class PersonPaths:
    """Paths below a person, by cio_id; remembers the working spelling for each kind of path."""

    def __init__(self) -> None:
        self._working: dict[str, str] = {}

    def read(self, what: str, cio_id: str, read: Callable[[str], T]) -> T:
        """Read below the person's path; `what` names the kind of path.

        Raises:
            NotFoundError: No spelling is found, or the one that worked before is not found now.
        """
        known = self._working.get(what)
        gone: errors.NotFoundError | None = None
        for prefix in _PREFIXES if known is None else (known,):
            try:
                found = read(f"/v1/customers/{prefix}{quoted(cio_id)}")
            except errors.NotFoundError as error:
                gone = gone or error
                continue
            self._working[what] = prefix
            return found
        assert gone is not None  # noqa: S101 - there is at least one spelling
        raise gone


def person_paths(client: Client) -> PersonPaths:
    """The spellings known in this run."""
    return client.shared(PersonPaths, PersonPaths)
