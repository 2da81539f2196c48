"""Files and designs, in nested folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_customerio.sandbox.world.rng import DAY, Rng, Row

if TYPE_CHECKING:
    from tap_customerio.sandbox.world.change_log import ChangeLog

FOLDERS = ("Banners", "Logos", "Product", "Icons", "Archive", "2025")
PARENTS = (None, None, None, 2, 3, 4)
"""The parent of each folder: three are at the root, the others are nested."""

SIZES = {
    "assets": 40,
    "asset_folders": len(FOLDERS),
    "design_studio_emails": 36,
    "design_studio_components": 14,
    "design_studio_folders": len(FOLDERS),
}
"""Number of items by kind."""


class DesignStudio:
    """Assets and Design Studio: files, e-mails and components in folders."""

    def __init__(self, rng: Rng, change_log: ChangeLog, since: int) -> None:
        self._rng = rng
        self._change_log = change_log
        self._since = since

    def rows(self, collection: str, now: float) -> list[Row]:
        """All items of one kind, in all folders."""
        return [self._row(collection, place, now) for place in range(SIZES[collection])]

    def _row(self, collection: str, place: int, now: float) -> Row:
        words = self._rng.draw(collection, place)
        parent = PARENTS[place] if collection.endswith("folders") else words[0] % 9 - 2
        if parent is not None and not 0 <= parent < len(FOLDERS):
            parent = None
        key = self._key(collection, place)
        created = self._since - DAY - words[1] * 900
        natural = created + words[2] % DAY if words[3] % 3 else created
        return {
            "id": key,
            "parent_folder_id": None if parent is None else self._folder(collection, parent),
            **_details(collection, place, words),
            "created": created,
            "updated": self._change_log.latest(collection, key, now, natural),
        }

    def _folder(self, collection: str, place: int) -> int | str:
        folders = "asset_folders" if collection.startswith("asset") else "design_studio_folders"
        return self._key(folders, place)

    def _key(self, collection: str, place: int) -> int | str:
        """Assets have numeric ids, Design Studio items UUIDs."""
        if collection.startswith("asset"):
            return place + (2 if collection == "asset_folders" else 8)
        words = self._rng.draw("uuid", collection, place)
        text = "".join(f"{word:04x}" for word in words[:8])
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def _details(collection: str, place: int, words: tuple[int, ...]) -> Row:
    """The keys of this kind."""
    if collection.endswith("folders"):
        return {"name": FOLDERS[place]}
    if collection == "assets":
        name = f"banner {place}.png"
        return {"name": name, "path": f"https://cdn.example.net/{place}.png", "size": words[4]}
    if collection == "design_studio_components":
        return {"name": f"Component {place}", "tag": f"x-part-{place % 5}"}
    return {
        "name": f"Design {place * 7 % 36:02d}",
        "is_template": words[5] % 4 == 0,
        "is_linked": words[6] % 2 == 0,
        "has_translations": words[7] % 5 == 0,
    }
