"""report: the page in a real browser; CI runs this part by name, `pytest -m browser`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import date
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from report.marts_warehouse import Size, make_warehouse
from terminal import typed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.browser]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MISSING = f"needs one of {', '.join(BROWSERS)}"
LOOK = """<!doctype html><title>look</title><pre id="seen"></pre><script>
const look = (frame) => {
  const inside = frame.contentDocument, root = inside.documentElement;
  const shown = [...inside.querySelectorAll("svg")].filter((each) => each.getBBox().width
    && each.getBoundingClientRect().width);
  const style = (each) => frame.contentWindow.getComputedStyle(each);
  return {
    width: frame.clientWidth, needed: root.scrollWidth,
    sizes: [...new Set(shown.map((each) => each.dataset.size || "key"))].sort(),
    inks: [...new Set(shown.flatMap((each) => [...each.querySelectorAll("text")])
      .map((each) => style(each).fill))],
    strokes: [...new Set(shown.flatMap((each) => [...each.querySelectorAll(".mark-line path")])
      .map((each) => style(each).stroke))],
    words: style(inside.body).color, page: style(inside.body).backgroundColor,
  };
};
addEventListener("load", () => { document.getElementById("seen").textContent =
  JSON.stringify([...document.querySelectorAll("iframe")].map(look)); });
</script><iframe src="report.html" style="border:0;width:360px;height:900px"></iframe>
<iframe src="report.html" style="border:0;width:1200px;height:900px"></iframe>"""


def browser() -> str:
    """The browser that there has to be."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.fail(MISSING)
    return found


def look(folder: Path, *words: str) -> tuple[list[dict[str, Any]], str]:
    """Measure the page in the browser at two widths; returns also the console."""
    (folder / "look.html").write_text(LOOK)
    done = subprocess.run(
        [
            *(browser(), "--headless=new", "--no-sandbox", "--disable-gpu"),
            *("--allow-file-access-from-files", "--enable-logging=stderr", "--dump-dom"),
            *(f"--user-data-dir={folder / 'profile'}", *words, f"file://{folder / 'look.html'}"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    [seen] = re.findall(r'<pre id="seen">(.+?)</pre>', done.stdout)
    return json.loads(unescape(seen)), done.stderr


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2."""

    def light(color: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_fits_phones_and_is_readable_in_both_themes(tmp_path: Path, theme: str) -> None:
    url = make_warehouse(tmp_path / "a.duckdb", Size(days=700, senders=30, first=date(2024, 3, 1)))
    path = str(tmp_path / "report.html")
    assert typed("report", "--warehouse", url, "--output", path).code == 0
    scheme = {"light": 1, "dark": 0}[theme]
    found, console = look(tmp_path, f"--blink-settings=preferredColorScheme={scheme}")
    assert "CONSOLE" not in console
    assert [each["sizes"] for each in found] == [
        ["key", "narrow", "small"],
        ["key", "small", "wide"],
    ]
    for each in found:
        assert each["needed"] <= each["width"], "the page scrolls sideways"
        assert (contrast(each["page"], "rgb(0, 0, 0)") < 2) == (theme == "dark")
        for color in [each["words"], *each["inks"]]:
            assert contrast(color, each["page"]) >= 4.5
        assert len(each["strokes"]) == 6
        for color in each["strokes"]:
            assert contrast(color, each["page"]) >= 3
