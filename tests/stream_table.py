"""The table of streams in docs/streams.md, and their number in the README.

`python tests/stream_table.py` renews both.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from harness import discovered

from tap_customerio.streams import all_streams

ROOT = Path(__file__).parent.parent
PAGE, README = ROOT / "docs" / "streams.md", ROOT / "README.md"
TABLE = re.compile(r"(?<=<!-- streams: begin -->\n).*(?=\n<!-- streams: end -->)", re.DOTALL)
COUNT = re.compile(r"(?<=\n)\d+(?= of them, each a table)")


def table() -> str:
    """The text between the markers, from the catalog and the classes' docstrings."""
    rows = ["| stream | key | replication | what it holds |", "|---|---|---|---|"]
    catalog = {entry["tap_stream_id"]: entry for entry in json.loads(discovered())["streams"]}
    for stream_class in sorted(all_streams(), key=lambda stream_class: stream_class.name):
        entry = catalog[stream_class.name]
        keys = ", ".join(f"`{key}`" for key in entry["key_properties"])
        words = ["full" if entry["replication_method"] == "FULL_TABLE" else ""]
        words.append(f"by `{entry['replication_key']}`" if entry.get("replication_key") else "")
        replication = " or ".join(word for word in words if word)
        rows.append(f"| `{stream_class.name}` | {keys} | {replication} | {stream_class.about()} |")
    return "\n".join(rows)


def pages() -> dict[Path, str]:
    """The expected text of both pages."""
    made = {PAGE: (TABLE, table()), README: (COUNT, str(len(list(all_streams()))))}
    return {
        path: place.sub(lambda _, text=text: text, path.read_text())  # type: ignore[misc]
        for path, (place, text) in made.items()
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
