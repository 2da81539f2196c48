"""A name that does not exist, and the nearest that do."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from tap_customerio.errors.base import TapError

if TYPE_CHECKING:
    from collections.abc import Iterable


def alike(name: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """The names that this one may have been meant as, the likeliest first."""
    return get_close_matches(name.lower(), known, n=3, cutoff=cutoff)


def unknown(what: str, name: str, known: Iterable[str], where: str) -> TapError:
    """A name that was mistyped, perhaps."""
    near = alike(name, known)
    guess = f"did you mean {' or '.join(near)}?" if near else f"see {where}."
    return TapError(f"There is no {what} {name!r}: {guess}")


def no_such(what: str, name: str, known: Iterable[str]) -> str:
    """As a reason: a name that does not exist, and the nearest that does."""
    near = alike(name, known)
    guess = f": did you mean {near[0]!r}?" if near else ""
    return f"there is no {what} {name!r}{guess}"
