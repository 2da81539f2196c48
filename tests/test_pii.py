"""Every field is declared personal or harmless, and no personal value is shown."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest
from harness import NOW, config_for, few_rows, run_tap

from tap_customerio.streams import all_streams
from tap_customerio.streams.pii import MASK, is_personal, mask
from tap_customerio.streams.schema import json_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_customerio.sandbox import Sandbox

HARMLESS = (
    *("*.cio_id", "*.cio_object_id", "*.object_id", "*.delivery_id", "*.deduplicate_id"),
    *("*.link_id", "*.trigger_event_id", "*.parent_folder_id", "activities.id", "messages.id"),
    *("design_studio_*.id", "*.type", "*_type", "*.state", "*.status", "*_status", "*.channel"),
    *("*.resolution", "*.timezone", "*.language", "*.platform", "*.frequency", "*.method"),
    *("*.request_method", "*.preprocessor", "*.sending_state", "*.editor", "*.events"),
    *("*.label", "*.tags", "*.schema", "*.icon", "*.slug", "*_slug", "*.tag", "*.identifier"),
    *("*.description", "*.domain", "*.ip_address", "reporting_webhooks.endpoint", "assets.path"),
    *("*.event_name", "*.trigger_name", "*.singular_name", "*.date_attribute", "link_metrics.href"),
    *("*.title", "*.subtitle", "snippets.value", "*.body", "*.body_*", "*.layout"),
    *("*_actions.subject", "*_variants.subject", "*.preheader_text", "*.image_url"),
    *(
        f"{stream_class.name}.name"
        for stream_class in all_streams()
        if stream_class.name != "sender_identities"
    ),
    "subscription_preferences.topics.name",
)
"""Texts about no person, or the same for everyone."""


def texts(schema: dict[str, Any], path: str) -> Iterator[str]:
    """Every field with text of its own, or with any value."""
    for name, kind in schema.get("properties", {}).items():
        field = f"{path}.{name}"
        if kind.get("additionalProperties") is True:
            yield field
        if json_type(kind) == "string" and not kind.get("format"):
            yield field
        item = kind.get("items", {})
        if item and json_type(item) == "string":
            yield field
        yield from texts(item, field)
        yield from texts(kind, field)
        extra = kind.get("additionalProperties")
        if isinstance(extra, dict):
            yield from texts({"properties": {"any": extra}}, field)


FIELDS = [
    field
    for stream_class in all_streams()
    for field in texts(stream_class.schema, stream_class.name)
]


@pytest.mark.slow
@pytest.mark.parametrize("field", FIELDS)
def test_each_text_is_declared_personal_or_harmless(field: str) -> None:
    harmless = any(fnmatchcase(field, pattern) for pattern in HARMLESS)
    assert is_personal(field) != harmless


@pytest.mark.slow
def test_no_personal_value_is_shown_in_any_stream(make_sandbox: Callable[..., Sandbox]) -> None:
    sandbox = make_sandbox(workspace=few_rows())
    secrets: set[str] = set()
    for person in sandbox.workspace.everyone(NOW):
        names = person["identifiers"]
        devices = [device["id"] for device in person["devices"] or ()]
        secrets |= {value for value in (names["email"], names["id"], *devices) if value}
    config = config_for(sandbox, start_date="2026-03-10", metrics_resolution="weeks")
    found = run_tap(config).records
    assert found.keys() == {stream_class.name for stream_class in all_streams()}
    assert len(secrets & set(strings(found))) > len(secrets) / 2
    shown = set(strings({name: mask(name, rows) for name, rows in found.items()}))
    assert secrets.isdisjoint(shown)
    assert not [text for text in shown if "@example" in text]


def strings(value: Any) -> Iterator[str]:
    """All text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from strings(member)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("customers.attributes", {"plan": "pro", "age": None}, {"plan": MASK, "age": None}),
        ("activities.data", {"items": [{"n": 1}]}, {"items": [{"n": MASK}]}),
        ("messages", {"id": "x", "recipient": "ann"}, {"id": "x", "recipient": MASK}),
        ("segments.description", "asked by ann@example.org!", f"asked by {MASK}!"),
        ("activities.name", "https://x.org/?e=ann%40example.org", f"https://x.org/?e={MASK}"),
        ("messages.metrics", {"opened": "2026-01-01T00:00:00Z"}, None),
        ("metrics.opened", 3, None),
    ],
)
def test_values_are_masked_by_field_and_addresses_anywhere(
    field: str, value: Any, shown: Any
) -> None:
    assert mask(field, value) == (value if shown is None else shown)
