"""Parts that need an extra."""

from __future__ import annotations


def needs_extra(part: str, extra: str) -> str:
    """As the first words of a sentence, or all of it."""
    return f"{part} needs an extra: run pip install '.[{extra}]' in a clone of the repository."
