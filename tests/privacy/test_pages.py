"""Pages for people: readable on any screen, with any reader, and on paper."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from privacy_case import PrivacyCase

if TYPE_CHECKING:
    from pathlib import Path

AA = 4.5
"""The minimum contrast of text to its background in the WCAG."""

VOID = {"meta", "br", "hr", "img"}


class Outline(HTMLParser):
    """Headings, tables and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.style = self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.found.append((tag, dict(attrs)))
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Check that every opened tag is closed, in order."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Store the style and the text."""
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all tags with this name."""
        return [attributes for name, attributes in self.found if name == tag]


def luminance(colour: str) -> float:
    """Relative luminance of #rgb or #rrggbb, by the WCAG."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast of two colours."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.fixture(scope="module", params=["access", "inventory", "erase"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outline:
    """Each page for people."""
    case = PrivacyCase(tmp_path_factory.mktemp("pages"))
    with case.box:
        words = () if request.param == "inventory" else ("--email", case.known()["email"])
        agreed = ("--yes",) if request.param == "erase" else ()
        assert case.ask(request.param, *words, *agreed).code == 0
    path: Path = next((case.folder / "out").glob("*.html"))
    return Outline(path.read_text())


@pytest.mark.slow
def test_it_has_a_language_a_title_and_a_main_part(page: Outline) -> None:
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("title")) == len(page.all("main")) == 1
    scale = "width=device-width, initial-scale=1"
    assert {"name": "viewport", "content": scale} in page.all("meta")


@pytest.mark.slow
def test_headings_skip_no_level(page: Outline) -> None:
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    steps = zip(page.headings, page.headings[1:], strict=False)
    assert all(after <= before + 1 for before, after in steps)


def test_times_are_readable(page: Outline) -> None:
    assert re.search(r"\d\d:\d\d.UTC", page.text)
    assert not re.search(r"\dT\d\d:\d\d", page.text)


def test_tables_name_their_columns(page: Outline) -> None:
    assert page.all("th")
    assert {heading.get("scope") for heading in page.all("th")} == {"col"}
    assert len(page.all("thead")) == len(page.all("caption")) == len(page.all("table"))
    assert all(cell.get("data-label") for cell in page.all("td"))


def test_text_has_enough_contrast(page: Outline) -> None:
    texts = set(re.findall(r"(?<!-)\bcolor: (#[0-9a-f]+)", page.style))
    grounds = set(re.findall(r"background: (#[0-9a-f]+)", page.style))
    assert len(texts) >= 3
    assert len(grounds) == 2
    assert all(contrast(text, ground) >= AA for text in texts for ground in grounds)


def test_it_supports_narrow_screens_and_paper(page: Outline) -> None:
    assert "@media print" in page.style
    assert "max-width: 40em" in page.style
    assert not re.search(r"min-width|nowrap|\bwidth: \d+px", page.style)
