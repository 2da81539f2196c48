"""The changes of earlier opt-outs, from their evidence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tap_customerio import errors
from tap_customerio.privacy.choices import Choice
from tap_customerio.privacy.evidence import digest
from tap_customerio.privacy.folder import secret

if TYPE_CHECKING:
    from pathlib import Path

    from tap_customerio.privacy.identity import Person


class Opted:
    """Choices by person, from all evidence in the folder of an opt-out."""

    def __init__(self, folder: Path, key: Path) -> None:
        """Read the evidence.

        Raises:
            TapError: The evidence or the key is missing.
        """
        if not key.is_file():
            raise errors.privacy.no_opt_outs(str(folder))
        self._key = secret(key)
        self._changed: dict[str, list[Choice]] = {}
        found = [self._read(path) for path in sorted(folder.rglob("evidence*.json"))]
        if not any(found):
            raise errors.privacy.no_opt_outs(str(folder))

    def _read(self, path: Path) -> bool:
        """Add an opt-out's changes; return whether the file is evidence of an opt-out."""
        try:
            evidence = json.loads(path.read_bytes())
            is_opt_out: bool = evidence.get("action") == "opt-out"
            for person in evidence["people"] if is_opt_out else ():
                self._changed.setdefault(person["hash"], []).extend(
                    Choice(each["choice"], each["of"])
                    for each in person["choices"]
                    if each["by_this_request"] is True
                )
        except (AttributeError, KeyError, OSError, TypeError, ValueError):
            raise errors.privacy.unreadable_evidence(str(path)) from None
        return is_opt_out

    def choices(self, person: Person) -> list[Choice]:
        """The changed choices of a person, each once."""
        known = self._changed.get(digest(self._key, "cio_id", person.cio_id), ())
        return list(dict.fromkeys(known))
