"""Parts of the tap that need an extra."""

from __future__ import annotations


def needs_extra(part: str, extra: str) -> str:
    """A clause about a missing extra; a whole sentence, or its beginning."""
    return f"{part} needs an extra: run pip install '.[{extra}]' in a clone of the repository."
