"""Unknown names, and suggestions for them."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from tap_customerio.errors.base import TapError

if TYPE_CHECKING:
    from collections.abc import Iterable


def alike(name: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """Similar names, the most likely first."""
    return get_close_matches(name.lower(), known, n=3, cutoff=cutoff)


def unknown(what: str, name: str, known: Iterable[str], where: str) -> TapError:
    """An unknown name with suggestions."""
    near = alike(name, known)
    guess = f"did you mean {' or '.join(near)}?" if near else f"see {where}."
    return TapError(f"There is no {what} {name!r}: {guess}")


def no_such(what: str, name: str, known: Iterable[str]) -> str:
    """The same as a clause, with only the most similar name."""
    near = alike(name, known)
    guess = f": did you mean {near[0]!r}?" if near else ""
    return f"there is no {what} {name!r}{guess}"
