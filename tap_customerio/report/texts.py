"""Numbers and names as the report writes them."""

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
    """With separators."""
    return f"{number:,}"


def percent(share: float | None) -> str:
    """A share, or a dash if there is none."""
    return _NONE if share is None else f"{max(share, 0):.1%}"


def rate(part: int, whole: int) -> str:
    """The share of a whole, or a dash if there is none."""
    return percent(part / whole if whole else None)


def label(name: str | None, fallback: str, workspace: str | None = None) -> str:
    """A name that people gave, shortened and without e-mail addresses."""
    text = _clean(mask("senders.title", name)) or _clean(fallback)
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return f"{_clean(workspace)}: {text}" if workspace else text


def _clean(text: str | None) -> str:
    """On one line, and without characters that end the drawing of charts or turn text around."""
    return " ".join(_UNFIT.sub(" ", text or "").split())


def all_distinct(texts: Iterable[tuple[str, object]]) -> list[str]:
    """Texts, each with its number if an earlier one is the same."""
    found: list[str] = []
    for text, number in texts:
        found.append(distinct(text, found, number))
    return found


def distinct(text: str, known: Collection[str], number: object) -> str:
    """The text, with a number if another row has it: a chart draws equal labels as one."""
    return f"{text} ({number})" if text in known else text
