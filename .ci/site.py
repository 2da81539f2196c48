"""Pages of the site that are not in docs/, and links that leave it."""

import os
import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "tests/README.md": "faults.md",
}
LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages."""
    for source, place in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, place, content=text))


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Point links at pages of the site, or into the repository where its address is known."""
    here = page.file.src_uri
    source = next((name for name, place in PAGES.items() if place == here), f"docs/{here}")

    def moved(link: re.Match[str]) -> str:
        text, path, anchor = link[1], link[2], link[3] or ""
        target = normpath(PurePosixPath(source).parent / path)
        if not (ROOT / target).exists():
            return link[0]  # which MkDocs then complains of
        place = PAGES.get(target) or target.removeprefix("docs/")
        if place != target:
            return f"[{text}]({relpath(place, PurePosixPath(here).parent)}{anchor})"
        repository = os.environ.get("REPOSITORY_URL", "")
        return f"[{text}]({repository}/tree/main/{target}{anchor})" if repository else text

    # Python-Markdown wants four spaces in a numbered list, where GitHub takes three.
    return LINK.sub(moved, re.sub(r"^   (?=\S)", "    ", markdown, flags=re.MULTILINE))
