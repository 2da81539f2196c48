"""The commands in README and docs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import click

from tap_customerio.cli import command

ROOT = Path(__file__).parents[1]
TAP = command()
PAGES = (
    *("README.md", "CONTRIBUTING.md", "SECURITY.md", "tests/README.md"),
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))),
)
OWN = frozenset(TAP.list_commands(click.Context(TAP)))
PROGRAMS = ("tap-customerio", "meltano", "pip", "pipx", "uv", "python", "pytest", "dagster", "dg")


class Typed(NamedTuple):
    """A command and its page."""

    page: str
    text: str


def fenced() -> list[Typed]:
    """Every line of every shell block; continued lines are joined."""
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text()
        for block in re.findall(
            r"^ *```(?:sh|bash|shell|console)\n(.*?)```", text, re.MULTILINE | re.DOTALL
        ):
            lines = re.sub(r" *\\\n *", " ", block).splitlines()
            found += [Typed(page, line.strip()) for line in lines if line.strip()]
    return found


def inline() -> list[Typed]:
    """Every command inside a sentence; the name tap-customerio may be omitted."""
    found = []
    for page in PAGES:
        text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
        for span in re.findall(r"`([^`]+)`", text):
            words = span.split()
            if len(words) > 1 and words[0] in OWN:
                found.append(Typed(page, " ".join(["tap-customerio", *words])))
            elif len(words) > 1 and words[0] in PROGRAMS:
                found.append(Typed(page, " ".join(words)))
    return found


def line(beginning: str, page: str = "README.md") -> str:
    """The only line of a page's shell blocks with this beginning."""
    [found] = [text for where, text in fenced() if where == page and text.startswith(beginning)]
    return found
