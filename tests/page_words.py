"""The words of a page."""

from __future__ import annotations

from html.parser import HTMLParser


class Words(HTMLParser):
    """The words of a page, and the tags it is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag; a page that needs nothing from elsewhere has no addresses in it."""
        self.tags.add(tag)
        assert not {"src", "href", "onclick"} & {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        """Note words."""
        self.text += data
