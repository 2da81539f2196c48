"""The state of a backfill: a file that is always whole."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tap_customerio import errors
from tap_customerio.files import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from tap_customerio.backfill.job import State


def parsed(line: str | bytes) -> State | None:
    """A state that a target printed; None if the line is something else."""
    with suppress(ValueError):
        value: Any = json.loads(line)
        if isinstance(value, dict) and "bookmarks" in value:
            return value
    return None


class StateFile:
    """One state, or all that a target has printed, a line each; the last whole one counts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> State | None:
        """The last state; None if there is none.

        Raises:
            TapError: When the file is there, but cannot be read.
        """
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from None
        if (whole := parsed(text)) is not None:
            return whole
        states = map(parsed, reversed(text.splitlines()))
        return next((state for state in states if state is not None), None)

    def write(self, state: State) -> None:
        """Replace what the file holds in one step; only its owner may read it.

        Raises:
            TapError: When that is not possible.
        """
        try:
            write_private(self.path, json.dumps(state) + "\n")
        except OSError as error:
            raise self._unusable(error) from None

    def forget(self) -> None:
        """Empty the file in place: a shell may be about to append to it.

        Raises:
            TapError: When that is not possible.
        """
        try:
            with suppress(FileNotFoundError):
                os.truncate(self.path, 0)
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> errors.TapError:
        reason = error.strerror or "it is not a file"
        return errors.commands.bad_option(
            "--state", str(self.path), f"it cannot be used ({reason})"
        )
