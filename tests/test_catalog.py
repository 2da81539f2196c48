"""The catalog changes only on purpose, and the same value has the same type everywhere.

`python tests/test_catalog.py` renews the saved catalog, whose diff shows the changes.
"""

from __future__ import annotations

import json
import signal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_customerio.streams import all_streams
from tap_customerio.tap import TapCustomerio

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = Path(__file__).parent / "catalog.json"
RENEW = "If this is meant, renew the kept catalogue: python tests/test_catalog.py"

IDS = {
    "person": ("string", "*cio_id"),
    "person, by the workspace": (
        "string",
        *("customers.id", "object_relationships.id", "segment_memberships.id"),
        *("subscription_preferences.id", "*customer_id", "*identifiers.id"),
    ),
    "e-mail address": ("string", "*.email", "exports.user_email"),
    "device": ("string", "customers.devices[].id"),
    "delivery": ("string", "messages.id", "*.delivery_id"),
    "deduplication": ("string", "*.deduplicate_id"),
    "activity": ("string", "activities.id"),
    "event": ("string", "messages.trigger_event_id"),
    "link": ("string", "*.link_id"),
    "object": ("string", "*.cio_object_id"),
    "object, by the workspace": ("string", "*.object_id"),
    "object type": ("integer", "object_types.id", "*.object_type_id"),
    "sender of any kind": ("integer", "*.source_id"),
    "campaign": ("integer", "campaigns.id", "*.campaign_id", "*_usage.campaigns[]"),
    "newsletter": ("integer", "newsletters.id", "*.newsletter_id", "*_usage.*_newsletters[]"),
    "broadcast": ("integer", "broadcasts.id", "*.broadcast_id"),
    "broadcast trigger": ("integer", "broadcast_triggers.id"),
    "transactional message": (
        "integer",
        *("transactional_messages.id", "*.transactional_id", "*.transactional_message_id"),
    ),
    "action": ("integer", "*_actions.id", "*.actions[].id", "*action_id"),
    "content": (
        "integer",
        *("newsletter_variants.id", "transactional_variants.id", "*.content_id"),
        "*.content_ids[]",
    ),
    "action or content": ("integer", "action_metrics.part_id"),
    "template": (
        "integer",
        *("*.msg_templates[].id", "*.msg_template_ids[].id", "*.msg_template_id"),
        "*.message_template_id",
    ),
    "test group": ("integer", "newsletter_test_groups.id", "*.test_group_id"),
    "response": ("integer", "messages.tracked_responses.*.id"),
    "segment": ("integer", "segments.id", "*.segment_id", "*segment_ids[]"),
    "topic": (
        "integer",
        *("subscription_topics.id", "*.topics[].id", "*.subscription_topic_id"),
    ),
    "channel": ("integer", "subscription_channels.id"),
    "sender identity": (
        "integer",
        *("sender_identities.id", "*.sender_identity_id", "*.from_id", "*.reply_to_id"),
    ),
    "collection": ("integer", "collections.id", "*.collection_id"),
    "incoming webhook": ("integer", "campaigns.webhook_id"),
    "reporting webhook": ("integer", "reporting_webhooks.id"),
    "workspace": ("integer", "workspaces.id"),
    "recipient environment": ("integer", "*.recipient_environment_id"),
    "export": ("integer", "exports.id"),
    "account user": ("integer", "*.user_id"),
    "asset": ("integer", "assets.id"),
    "asset folder": ("integer", "asset_folders.id", "asset*.parent_folder_id"),
    "Design Studio e-mail": ("string", "design_studio_emails.id"),
    "Design Studio component": ("string", "design_studio_components.id"),
    "Design Studio folder": (
        "string",
        *("design_studio_folders.id", "design_studio_*.parent_folder_id"),
    ),
}
"""The type of each kind of id, and every field with such an id."""

PEOPLE = {
    *("activities", "customer_relationships", "customers", "messages", "object_relationships"),
    *("opt_outs", "segment_memberships", "subscription_preferences"),
}
"""Streams with rows about one person."""


def discovered() -> dict[str, dict[str, Any]]:
    """A summary of each stream in the output of `--discover`."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    catalog = TapCustomerio(config={"app_api_key": "none"}).catalog_dict
    for number, handler in handlers.items():
        signal.signal(number, handler)
    found = {}
    for entry in sorted(catalog["streams"], key=lambda entry: str(entry["tap_stream_id"])):
        [whole] = [each["metadata"] for each in entry["metadata"] if not each["breadcrumb"]]
        found[entry["tap_stream_id"]] = {
            "key_properties": entry["key_properties"],
            "replication_method": entry["replication_method"],
            "replication_key": entry.get("replication_key"),
            "selected_by_default": whole["selected-by-default"],
            "required": entry["schema"]["required"],
            "fields": dict(sorted(fields(entry["schema"]))),
        }
    plain: dict[str, dict[str, Any]] = json.loads(json.dumps(found))
    return plain


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Path and type of each field: `a.b` in an object, `a.*` in a map, `a[]` in a list."""
    for name, kind in schema.get("properties", {}).items():
        yield from _field(kind, path + name)
    if isinstance(extra := schema.get("additionalProperties"), dict):
        yield from _field(extra, f"{path}*")


def _field(kind: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    words = {"description", "type", "format", "properties", "items", "additionalProperties"}
    notes = [kind["format"]] if "format" in kind else []
    notes += [f"{word} {kind[word]}" for word in sorted(kind.keys() - words)]
    if kind.get("additionalProperties") is True:
        notes.append("anything")
    yield (
        path,
        " ".join(
            [kind["type"] if isinstance(kind["type"], str) else "|".join(kind["type"]), *notes]
        ),
    )
    if "items" in kind:
        yield from _field(kind["items"], f"{path}[]")
    yield from fields(kind, f"{path}.")


def changes(old: dict[str, Any], new: dict[str, Any], place: str = "") -> list[str]:
    """Added, removed and changed fields, one line each."""
    lines = []
    for name in sorted(old.keys() | new.keys()):
        where = f"{place}{name}"
        if name not in old:
            lines.append(f"added    {where}: {_summary(new[name])}")
        elif name not in new:
            lines.append(f"removed  {where}: {_summary(old[name])}")
        elif isinstance(old[name], dict) and isinstance(new[name], dict):
            lines += changes(old[name], new[name], f"{where}: ")
        elif old[name] != new[name]:
            lines.append(f"changed  {where}: {_summary(old[name])} -> {_summary(new[name])}")
    return lines


def _summary(value: Any) -> str:
    if isinstance(value, dict):
        return f"a stream of {len(value['fields'])} fields"
    return value if isinstance(value, str) else json.dumps(value)


CATALOG = discovered()
FIELDS = {
    f"{stream}.{path}": kind
    for stream in CATALOG
    for path, kind in CATALOG[stream]["fields"].items()
}


def with_own_ids(known: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The same, with each list's own `id` that no other field refers to."""
    patterns = [pattern for _, *patterns in known.values() for pattern in patterns]
    own = [f"{stream}.id" for stream in CATALOG if f"{stream}.id" in FIELDS]
    new = [name for name in own if not any(fnmatchcase(name, pattern) for pattern in patterns)]
    return known | {name: (json_type(FIELDS[name]), name) for name in new}


def json_type(kind: str) -> str:
    """The only type of a field besides null."""
    [name] = set(kind.split(" ", maxsplit=1)[0].split("|")) - {"null"}
    return name


THINGS = with_own_ids(IDS)


def holders(patterns: tuple[str, ...]) -> list[str]:
    """The fields that match any of these patterns; `[]` is literal."""
    return [
        field
        for field in FIELDS
        if any(fnmatchcase(field, pattern.replace("[]", "[[]]")) for pattern in patterns)
    ]


def test_the_catalog_is_the_saved_one() -> None:
    lines = changes(json.loads(KEPT.read_text()), CATALOG)
    assert not lines, "\n".join(["The catalogue has changed:", *lines, RENEW])


def test_the_catalog_contains_all_streams() -> None:
    assert CATALOG.keys() == {stream_class.name for stream_class in all_streams()}


def test_changes_are_reported_by_stream_and_field() -> None:
    old = {
        "gone": {"fields": {"id": "integer"}},
        "kept": {"required": ["id"], "fields": {"a": "integer", "b": "string", "c": "string"}},
    }
    new = {
        "kept": {"required": ["id", "d"], "fields": {"a": "string", "b": "string", "d": "boolean"}},
        "new": {"fields": {"id": "integer", "name": "string"}},
    }
    assert changes(old, new) == [
        "removed  gone: a stream of 1 fields",
        "changed  kept: fields: a: integer -> string",
        "removed  kept: fields: c: string",
        "added    kept: fields: d: boolean",
        'changed  kept: required: ["id"] -> ["id", "d"]',
        "added    new: a stream of 2 fields",
    ]


@pytest.mark.parametrize("thing", THINGS)
def test_an_id_has_one_type_everywhere(thing: str) -> None:
    expected, *patterns = THINGS[thing]
    assert all(holders((pattern,)) for pattern in patterns), "a pattern matches no field"
    found = {field: json_type(FIELDS[field]) for field in holders(tuple(patterns))}
    assert {field: kind for field, kind in found.items() if kind != expected} == {}


def test_every_id_belongs_to_one_known_kind() -> None:
    endings = (".id", "_id", "_ids[]", "email", "_usage.campaigns[]", "_newsletters[]")
    things: dict[str, list[str]] = {
        field: []
        for field, kind in FIELDS.items()
        if field.endswith(endings) and json_type(kind) in {"integer", "string"}
    }
    for thing, (_, *patterns) in THINGS.items():
        for field in holders(tuple(patterns)):
            things.setdefault(field, []).append(thing)
    assert {field: named for field, named in things.items() if len(named) != 1} == {}


def test_people_are_identified_by_the_permanent_id_at_top_level() -> None:
    marks = ("cio_id", "customer_id", "customer_identifiers")
    about = {field.split(".")[0] for field in FIELDS if field.endswith(marks)}
    assert about == PEOPLE
    for stream in PEOPLE:
        assert json_type(CATALOG[stream]["fields"]["cio_id"]) == "string"


@pytest.mark.parametrize("stream", CATALOG)
def test_keys_are_declared_required_and_never_null(stream: str) -> None:
    entry = CATALOG[stream]
    assert entry["key_properties"]
    assert set(entry["key_properties"]) == set(entry["required"])
    for key in entry["key_properties"]:
        kind = entry["fields"][key]
        assert "null" not in kind, key
        assert json_type(kind) in {"integer", "string"}, key


@pytest.mark.parametrize("stream", CATALOG)
def test_a_replication_key_is_a_time_of_the_record(stream: str) -> None:
    entry = CATALOG[stream]
    key = entry["replication_key"]
    has_time_range = {
        "messages",
        "activities",
        *(name for name in CATALOG if name.endswith("metrics")),
    }
    assert entry["replication_method"] == (
        "INCREMENTAL" if stream in has_time_range else "FULL_TABLE"
    )
    if key:
        assert entry["fields"][key].endswith(" date-time")


def test_every_field_but_a_key_may_be_null() -> None:
    for stream, entry in CATALOG.items():
        for path, kind in entry["fields"].items():
            assert kind.startswith("null|") != (path in entry["key_properties"]), f"{stream}.{path}"


if __name__ == "__main__":
    KEPT.write_text(json.dumps(CATALOG, indent=2) + "\n")
