"""Assets and the Design Studio: page numbers, folders, and strict parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tap_customerio.sandbox.server.routes.request import (
    BAD_REQUEST,
    NOT_FOUND,
    ApiRequest,
    Handler,
    RefusalError,
)

if TYPE_CHECKING:
    from tap_customerio.sandbox.world.rng import Row

MOST = 10_000
DEFAULT_LIMIT = 1000
SORTS = ("created", "updated", "name")
ORDERS = ("asc", "desc")
TIMES = ("created_before", "created_after", "updated_before", "updated_after")
FLAGS = ("is_template", "has_translations", "is_linked")
DESIGN = "design_studio_"


class Filters(NamedTuple):
    """The request's filters, which the response repeats."""

    parent: str | int | None
    is_direct: bool
    others: Row

    def row(self) -> Row:
        """The filters in the response."""
        folder = {"parent_folder_id": self.parent, "direct_descendants_only": self.is_direct}
        return {**folder, **self.others}


def assets_of(collection: str, key: str) -> Handler:
    """Uploaded files or their folders; the root has id 0 or none."""

    def assets(request: ApiRequest) -> Row:
        parent = request.number("parent_folder_id") or None
        filters = Filters(parent, request.is_true("direct_descendants_only"), {})
        rows = _within(request, collection, "asset_folders", filters)
        return _page(request, key, sorted(rows, key=lambda row: int(row["id"])), filters)

    return assets


def designs_of(key: str, *extra: str) -> Handler:
    """A list of the Design Studio; time bounds are exclusive at both ends."""

    def designs(request: ApiRequest) -> Row:
        filters = Filters(
            request.query.get("parent_folder_id") or None,
            request.is_true("direct_descendants_only"),
            {
                "sort_by": _word(request, "sort_by", SORTS),
                "sort_order": _word(request, "sort_order", ORDERS),
                **{name: _time(request, name) for name in TIMES},
                **{name: _extra(request, name) for name in extra},
            },
        )
        rows = [
            row
            for row in _within(request, DESIGN + key, "design_studio_folders", filters)
            if _matches(row, filters.others)
        ]
        by, order = filters.others["sort_by"], filters.others["sort_order"]
        rows.sort(key=lambda row: (row[by], row["id"]), reverse=order == "desc")
        page = _page(request, key, rows, filters)
        if key != "folders":
            page["folders"] = _folders_of(request, page[key])
        return page

    return designs


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/v1/assets"): assets_of("assets", "assets"),
    ("GET", "/v1/assets/folders"): assets_of("asset_folders", "folders"),
    ("GET", "/v1/design_studio/emails"): designs_of("emails", *FLAGS),
    ("GET", "/v1/design_studio/components"): designs_of("components", "tag"),
    ("GET", "/v1/design_studio/folders"): designs_of("folders"),
}


def _within(request: ApiRequest, collection: str, folders: str, filters: Filters) -> list[Row]:
    """The items in a folder and its subfolders."""
    rows = request.workspace.files(collection, request.now)
    above = {
        row["id"]: row["parent_folder_id"] for row in request.workspace.files(folders, request.now)
    }
    if filters.parent is not None and filters.parent not in above:
        raise RefusalError(NOT_FOUND, "parent folder not found")
    if filters.is_direct or (request.behaviours.lists_root_only and filters.parent is None):
        return [row for row in rows if row["parent_folder_id"] == filters.parent]

    def is_below(folder: str | int | None) -> bool:
        while folder not in {filters.parent, None}:
            folder = above.get(folder)
        return folder == filters.parent

    return [row for row in rows if is_below(row["parent_folder_id"])]


def _page(request: ApiRequest, key: str, rows: list[Row], filters: Filters) -> Row:
    """A page by number; empty past the end, with the current total."""
    limit = _whole(
        request, "limit", DEFAULT_LIMIT, f"limit must be an integer between 1 and {MOST}", MOST
    )
    number = _whole(request, "page", 1, "page must be an integer >= 1")
    return {
        key: rows[(number - 1) * limit : number * limit],
        "meta": {
            "pagination": {"page": number, "limit": limit, "total": len(rows)},
            "filters": filters.row(),
        },
    }


def _folders_of(request: ApiRequest, rows: list[Row]) -> list[Row]:
    """The folders of items, which have a list of their own as well."""
    ids = {row["parent_folder_id"] for row in rows}
    return [
        row for row in request.workspace.files(DESIGN + "folders", request.now) if row["id"] in ids
    ]


def _matches(row: Row, filters: Row) -> bool:
    """Whether times lie strictly between the bounds, and flags and tag match."""
    return (
        all(
            filters[f"{name}_before"] is None or row[name] < filters[f"{name}_before"]
            for name in ("created", "updated")
        )
        and all(
            filters[f"{name}_after"] is None or row[name] > filters[f"{name}_after"]
            for name in ("created", "updated")
        )
        and all(filters.get(name) is None or row[name] == filters[name] for name in (*FLAGS, "tag"))
    )


def _whole(
    request: ApiRequest, name: str, default: int, complaint: str, most: int | None = None
) -> int:
    text = request.query.get(name) or str(default)
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= (most or int(text)):
        raise RefusalError(BAD_REQUEST, complaint)
    return int(text)


def _word(request: ApiRequest, name: str, known: tuple[str, ...]) -> str:
    """One of several words; the first is the default."""
    text = request.query.get(name) or known[0]
    if text not in known:
        raise RefusalError(BAD_REQUEST, f"{name} must be one of: {', '.join(known)}")
    return text


def _time(request: ApiRequest, name: str) -> int | None:
    text = request.query.get(name)
    if text and not (text.isascii() and text.isdecimal()):
        raise RefusalError(BAD_REQUEST, f"invalid value for {name}: {text}")
    return int(text) if text else None


def _extra(request: ApiRequest, name: str) -> bool | str | None:
    """A tag, or a flag that is true, false or any."""
    text = request.query.get(name)
    if name == "tag" or not text:
        return text or None
    return {"true": True, "false": False, "any": None}[
        _word(request, name, ("true", "false", "any"))
    ]
