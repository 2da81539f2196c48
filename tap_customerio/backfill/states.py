"""The state file of a backfill, which is replaced atomically."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from tap_customerio import errors
from tap_customerio.files import write_private
from tap_customerio.pipeline.target import parse_state

if TYPE_CHECKING:
    from pathlib import Path

    from tap_customerio.backfill.job import State


class StateFile:
    """A file of one state, or of a target's output lines; the last complete line counts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> State | None:
        """The last state; None if there is none.

        Raises:
            TapError: The file exists, but cannot be read.
        """
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from None
        if (state := parse_state(text)) is not None:
            return state
        states = map(parse_state, reversed(text.splitlines()))
        return next((state for state in states if state is not None), None)

    def write(self, state: State) -> None:
        """Replace the file atomically; only its owner may read it.

        Raises:
            TapError: The file cannot be written.
        """
        try:
            write_private(self.path, json.dumps(state) + "\n")
        except OSError as error:
            raise self._unusable(error) from None

    def forget(self) -> None:
        """Empty the file in place, because a shell may be about to append to it.

        Raises:
            TapError: The file cannot be written.
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
