"""The text of an HTML page."""

from __future__ import annotations

from html.parser import HTMLParser


class Words(HTMLParser):
    """Collects text and tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Store a tag; a self-contained page has no URLs in tags."""
        self.tags.add(tag)
        assert not {"src", "href", "onclick"} & {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        """Store text."""
        self.text += data
