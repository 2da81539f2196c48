"""The catalog: which part of each schema is emitted, and completion of incomplete entries."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.singerlib import Schema
from singer_sdk.singerlib.catalog import Metadata, MetadataMapping

from tap_customerio.streams.schema import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.singerlib.catalog import CatalogEntry, SelectionMask


Kind = dict[str, Any]
Breadcrumb = tuple[str, ...]


def emitted_schema(name: str, schema: Kind, metadata: MetadataMapping) -> Kind:
    """The selected part of a schema, even if the stream is not selected.

    The SDK's tests select streams only after the SDK has read the selection of fields.
    """
    wanted = MetadataMapping({**metadata, (): replace(metadata.root, selected=True)})
    return get_selected_schema(name, canonical(schema), wanted.resolve_selection())


def with_chosen_methods(catalog: Mapping[str, Any]) -> dict[str, Any]:
    """A copy whose entries have the replication method from their metadata.

    The SDK reads only the entry's own method, which discovery has filled in.
    """
    entries = [dict(entry) for entry in catalog.get("streams", ())]
    for entry in entries:
        for item in entry.get("metadata") or ():
            if not item["breadcrumb"] and (method := item["metadata"].get("replication-method")):
                entry["replication_method"] = method
    return {**catalog, "streams": entries}


def complete(entry: CatalogEntry, schema: Kind, keys: Iterable[str]) -> list[str]:
    """Complete a catalog entry for a stream; return the fields that it lacks.

    The entry may be shortened by hand, or come from another version of the tap. Fields missing from
    its schema are not sent, except for keys. An entry may also only select the stream.
    """
    if not entry.metadata:
        entry.metadata.root.selected = True
    known = entry.schema.to_dict()
    if not known.get("properties"):
        entry.schema = Schema.from_dict(schema)
        return []
    for key in keys:
        entry.metadata["properties", key] = Metadata(inclusion=Metadata.InclusionType.AUTOMATIC)
    members = known["properties"]
    if lacking := {key: schema["properties"][key] for key in keys if key not in members}:
        members |= lacking
        entry.schema = Schema.from_dict(known)
    missing = list(_missing(schema, known))
    for path in missing:
        entry.metadata[path] = Metadata(
            inclusion=Metadata.InclusionType.UNSUPPORTED, selected=False
        )
    return [".".join(path[1::2]) for path in missing]


def fields(schema: Kind, path: Breadcrumb = ()) -> Iterator[tuple[Breadcrumb, Any]]:
    """Every field of a schema and of the objects in it, by its breadcrumb."""
    for name, kind in schema.get("properties", {}).items():
        place = (*path, "properties", name)
        yield place, kind
        yield from fields(kind, place)


def deselected(mask: SelectionMask) -> set[Breadcrumb]:
    """Paths of the fields, and of the members of selected objects, that are not selected."""
    return {
        path[1::2]
        for path, is_selected in mask.items()
        if path and not is_selected and mask[path[:-2]]
    }


def _missing(schema: Kind, known: Kind, path: Breadcrumb = ()) -> Iterator[Breadcrumb]:
    members = known.get("properties", {})
    for name, kind in schema.get("properties", {}).items():
        place = (*path, "properties", name)
        if name not in members:
            yield place
        elif members[name].get("properties"):
            yield from _missing(kind, members[name], place)
