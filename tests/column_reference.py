"""Write docs/columns.md from the schemas: contents of every column, and joins.

`python tests/column_reference.py` renews it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_customerio.streams import all_streams
from tap_customerio.streams.schema import json_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_customerio.streams.base import CustomerioStream

PAGE = Path(__file__).parent.parent / "docs" / "columns.md"
STREAMS = {stream.name: stream for stream in sorted(all_streams(), key=lambda one: one.name)}

_SENDERS = ("campaigns.id", "newsletters.id", "broadcasts.id", "transactional_messages.id")
_ACTIONS = ("campaign_actions.id", "broadcast_actions.id")
_USAGE = {
    f"{stream}.{column}": (target,)
    for stream in ("segment_usage", "sender_usage")
    for column, target in {
        "campaigns": "campaigns.id",
        "draft_newsletters": "newsletters.id",
        "sent_newsletters": "newsletters.id",
    }.items()
}
_IDENTIFIERS = {
    f"{stream}.{column}": (f"customers.{column}",)
    for stream in ("object_relationships", "segment_memberships", "subscription_preferences")
    for column in ("id", "email")
}
_FOLDERS = {
    f"{stream}.parent_folder_id": (f"{folders}.id",)
    for folders, streams in {
        "asset_folders": ("assets", "asset_folders"),
        "design_studio_folders": (
            *("design_studio_components", "design_studio_emails", "design_studio_folders"),
        ),
    }.items()
    for stream in streams
}
JOINS: dict[str, tuple[str, ...]] = {
    "action_metrics.source_id": _SENDERS[:3],
    "action_metrics.part_id": (*_ACTIONS, "newsletter_variants.id"),
    "broadcast_actions.campaign_id": ("broadcasts.id",),
    "esp_suppressions.email": ("customers.email",),
    "messages.action_id": _ACTIONS,
    "messages.campaign_id": ("campaigns.id", "broadcasts.id"),
    "messages.content_id": ("newsletter_variants.id", "transactional_variants.id"),
    "newsletters.content_ids": ("newsletter_variants.id",),
    "newsletter_test_groups.content_ids": ("newsletter_variants.id",),
    "newsletter_variants.test_group_id": ("newsletter_test_groups.id",),
    "*.broadcast_id": ("broadcasts.id",),
    "*.campaign_id": ("campaigns.id",),
    "*.cio_id": ("customers.cio_id",),
    "*.cio_object_id": ("objects.cio_object_id",),
    "*.collection_id": ("collections.id",),
    "*.customer_id": ("customers.id",),
    "*.delivery_id": ("messages.id",),
    "*.filter_segment_ids": ("segments.id",),
    "*.from_id": ("sender_identities.id",),
    "*.newsletter_id": ("newsletters.id",),
    "*.object_type_id": ("object_types.id",),
    "*.recipient_segment_ids": ("segments.id",),
    "*.reply_to_id": ("sender_identities.id",),
    "*.segment_id": ("segments.id",),
    "*.sender_identity_id": ("sender_identities.id",),
    "*.source_id": _SENDERS,
    "*.subscription_topic_id": ("subscription_topics.id",),
    "*.transactional_id": ("transactional_messages.id",),
    "*.transactional_message_id": ("transactional_messages.id",),
    "*.trigger_segment_ids": ("segments.id",),
    **_FOLDERS,
    **_IDENTIFIERS,
    **_USAGE,
}
"""The columns that a column joins, by stream or for all streams."""

ALONE = {
    *("deduplicate_id", "link_id", "message_template_id", "msg_template_id", "msg_template_ids"),
    *(
        "multi_language_branch_action_id",
        "parent_action_id",
    ),  # branches send nothing and are not listed
    *("object_id", "recipient_environment_id", "trigger_event_id", "user_id", "webhook_id"),
}
"""Ids that join no stream."""

_SHOWN = 6
"""The reference omits the members of larger objects."""

_OWN = {"customers.cio_id", "objects.cio_object_id"}

COUNTS = {
    "action_metrics": "deliveries",
    "journey_metrics": "journeys",
    "link_metrics": "clicks",
    "metrics": "deliveries",
}
"""Units of the counts, by stream."""

UNITS = {
    "assets.size": "bytes",
    "campaigns.start_hour": "hour, 0 to 23",
    "campaigns.start_minutes": "minute, 0 to 59",
    "collections.bytes": "bytes",
    "collections.rows": "rows",
    "exports.downloads": "downloads",
    "exports.total": "rows",
    "segment_counts.count": "people",
    "segments.progress": "percent",
    "workspaces.billable_messages_sent": "messages",
    "workspaces.messages_sent": "messages",
    "workspaces.object_types": "object types",
    "workspaces.objects": "objects",
    "workspaces.people": "people",
}
"""Units of other numbers."""

AREAS = {
    "Senders and messages": (
        *("campaigns", "newsletters", "broadcasts", "transactional_messages", "messages"),
        *("campaign_actions", "broadcast_actions", "newsletter_variants", "sender_identities"),
        *("transactional_variants", "newsletter_test_groups"),
    ),
    "People, segments, objects and lists": (
        *("customers", "segments", "objects", "object_types", "collections", "asset_folders"),
        *("design_studio_folders", "subscription_topics"),
    ),
}
"""Targets of joins, by diagram."""

HEAD = """\
# Columns

<!-- Generated from the schemas: python tests/column_reference.py -->

Names are those of the raw tables. Times are UTC. A *delivery* is one message to one person.
A *sender* is a campaign, newsletter, broadcast or transactional message. A *bucket* is an hour,
day, week or month.

An id without a matching row belongs to something that was deleted, or that its stream does not
list. Join `source_id` together with `source_type`. Ids are unique only within a workspace.
Loaders store lists and objects as JSON or as text. The [models](models.md) already contain
these joins.
"""


class Join(NamedTuple):
    """A column that contains a key of another stream."""

    column: str
    stream: str
    target: str


def joins(stream: type[CustomerioStream]) -> Iterator[Join]:
    """All joins of a stream, in the order of its columns."""
    for column in stream.schema["properties"]:
        place = f"{stream.name}.{column}"
        if place not in _OWN:
            for named in JOINS.get(place, JOINS.get(f"*.{column}", ())):
                target, _, key = named.partition(".")
                yield Join(column, target, key)


def text() -> str:
    """The whole page."""
    parts = [HEAD, "\n## Joins\n"]
    for area, targets in AREAS.items():
        parts.append(f"\n### {area}\n\n```mermaid\nerDiagram\n{_diagram(targets)}\n```\n")
    alone = ", ".join(f"`{name}`" for name in STREAMS if name not in _connected())
    parts.append(f"\nStreams without joins: {alone}.\n")
    parts += [_section(stream) for stream in STREAMS.values()]
    return "".join(parts)


def unit(place: str, schema: dict[str, Any]) -> str:
    """Unit of a number, or time zone; empty for other columns."""
    stream, _, column = place.partition(".")
    if schema.get("format") == "date-time":
        return "UTC"
    is_count = json_type(schema) == "integer" and not column.endswith("_id")
    return UNITS.get(place) or (COUNTS.get(stream, "") if is_count else "")


def _connected() -> set[str]:
    pairs = [(name, join.stream) for name, stream in STREAMS.items() for join in joins(stream)]
    return {name for pair in pairs for name in pair}


def _diagram(targets: tuple[str, ...]) -> str:
    return "\n".join(
        f"    {target} {_ends(stream, join)} {name} : {join.column}"
        for target in targets
        for name, stream in STREAMS.items()
        for join in joins(stream)
        if join.stream == target and join.target in STREAMS[target].primary_keys
    )


def _ends(stream: type[CustomerioStream], join: Join) -> str:
    """Cardinality of a join in Mermaid's notation."""
    if json_type(stream.schema["properties"][join.column]) == "array":
        return "}o--o{"
    if stream.primary_keys == (join.column,):
        return "||--o|"
    is_one_of_many = sum(other.column == join.column for other in joins(stream)) > 1
    is_never_null = join.column in stream.primary_keys and not is_one_of_many
    return "||--o{" if is_never_null else "|o--o{"


def _section(stream: type[CustomerioStream]) -> str:
    about = stream.about()
    keys = ", ".join(f"`{key}`" for key in stream.primary_keys)
    lines = [f"\n## {stream.name}\n", f"{about[0].upper()}{about[1:]} Key: {keys}.\n"]
    lines += ["| column | type | unit | what it holds | joins |", "|---|---|---|---|---|"]
    for column, schema in stream.schema["properties"].items():
        place = f"{stream.name}.{column}"
        found = [join for join in joins(stream) if join.column == column]
        named = ", ".join(f"[{join.stream}](#{join.stream}).{join.target}" for join in found)
        cells = (f"`{column}`", _type(schema), unit(place, schema), _about(schema), named)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _type(schema: dict[str, Any], plural: str = "") -> str:
    kind = json_type(schema)
    if kind == "array":
        return f"list of {_type(schema['items'], 's')}"
    members = schema.get("properties", ())
    shown = f" ({', '.join(members)})" if 0 < len(members) <= _SHOWN else ""
    names = {"string": "time" if "format" in schema else "text"}
    return f"{names.get(kind, kind)}{plural}{shown}"


def _about(schema: dict[str, Any]) -> str:
    return str(schema.get("description", "")).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(text())
