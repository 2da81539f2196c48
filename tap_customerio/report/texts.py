"""Numbers and names in the report's format."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tap_customerio.streams.pii import mask

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_LONGEST = 80
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_NONE = "\N{EN DASH}"


def count(number: int) -> str:
    """A number with separators."""
    return f"{number:,}"


def percent(share: float | None) -> str:
    """A percentage, or a dash without one."""
    return _NONE if share is None else f"{max(share, 0):.1%}"


def rate(part: int, whole: int) -> str:
    """A part divided by a whole, or a dash for an empty whole."""
    return percent(part / whole if whole else None)


def label(name: str | None, fallback: str, workspace: str | None = None) -> str:
    """A name from the account, shortened and without e-mail addresses."""
    text = _clean(mask("senders.title", name)) or _clean(fallback)
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return f"{_clean(workspace)}: {text}" if workspace else text


def _clean(text: str | None) -> str:
    """One line without control characters, which break charts or reverse text."""
    return " ".join(_UNFIT.sub(" ", text or "").split())


def all_distinct(texts: Iterable[tuple[str, object]]) -> list[str]:
    """Texts, with a number added to repeated ones."""
    found: list[str] = []
    for text, number in texts:
        found.append(distinct(text, found, number))
    return found


def distinct(text: str, known: Collection[str], number: object) -> str:
    """The text, numbered if another row has it: a chart merges equal labels."""
    return f"{text} ({number})" if text in known else text
