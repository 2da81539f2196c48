"""An inventory as files: an HTML page, a CSV table to correct, and JSON."""

from __future__ import annotations

import csv
import io
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from tap_customerio.privacy.categories import CATEGORIES, guarded
from tap_customerio.privacy.evidence import utc_now
from tap_customerio.privacy.html_report import document, items, minute, table
from tap_customerio.settings import NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_customerio.privacy.folder import Folder
    from tap_customerio.privacy.inventory import Field, Inventory

COLUMNS = (
    *("source", "name", "category", "guessed_by", "share", "have", "of"),
    *("origin", "stream", "column"),
)
CAVEATS = (
    "Categories are guessed from names and shapes of values: correct them in inventory.csv.",
    "Pass the corrected file with --categories in later runs.",
    "Shares are of a sample. A field that no one in the sample has is missing here.",
    "Values were read, but none is kept.",
    "Texts of messages, snippets and collections may contain personal data, but are not listed.",
)
_SHOWN = {
    "name": "field",
    "source": "of",
    "share": "share",
    "by": "guessed by",
    "origin": "comes from",
    "place": "in the warehouse",
}


def write_inventory(folder: Folder, inventory: Inventory, fields: Sequence[Field]) -> None:
    """Write inventory.json, inventory.csv and inventory.html.

    Raises:
        TapError: The files cannot be written.
    """
    report: dict[str, Any] = {
        "format": f"{NAME} privacy inventory 1",
        "tap_version": version(NAME),
        "created_at": utc_now(),
        "sampled": inventory.sampled,
        "not_read": inventory.not_read,
        "categories": CATEGORIES,
        "fields": [field.as_json() for field in fields],
        "caveats": list(CAVEATS),
    }
    folder.write_json("inventory.json", report)
    folder.write("inventory.csv", _csv(fields))
    folder.write("inventory.html", _page(report, fields))


def _csv(fields: Sequence[Field]) -> str:
    text = io.StringIO()
    rows = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    rows.writeheader()
    for field in fields:
        row = {name: value for name, value in field.as_json().items() if name in COLUMNS}
        guards = {name: guarded(value) for name, value in row.items() if isinstance(value, str)}
        rows.writerow(row | guards)
    return text.getvalue()


def _page(report: dict[str, Any], fields: Sequence[Field]) -> str:
    parts = [
        "<h1>Personal data in this Customer.io workspace</h1>",
        f"<p>Created on {minute(report['created_at'])}. Fields found: {len(fields)}.</p>",
        "<p>This page contains no values.</p>",
        "<h2>What was sampled</h2>",
        table("Samples", report["sampled"], {"what": "what", "count": "sampled", "how": "how"}),
    ]
    for category, meaning in CATEGORIES.items():
        rows = [_row(field) for field in fields if field.guess.category == category]
        if rows:
            parts += [f"<h2>{category.capitalize()}</h2>", f"<p>{meaning.capitalize()}.</p>"]
            parts.append(table(f"Fields: {len(rows)}", rows, _SHOWN))
    unread = [f"{each['what']}: {each['why']}" for each in report["not_read"]]
    parts += [items("What could not be read", unread), items("Good to know", CAVEATS)]
    return document("Personal data in a Customer.io workspace", parts)


def _row(field: Field) -> dict[str, str]:
    return {
        "name": field.name,
        "source": field.source,
        "share": field.share,
        "by": field.guess.by,
        "origin": field.origin,
        "place": f"{field.stream}.{field.column}",
    }
