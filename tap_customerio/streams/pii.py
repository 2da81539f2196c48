"""Fields with personal data or credentials, and masked records."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

PERSONAL = (
    *("*.email", "*.user_email", "*.phone", "*.address", "*.recipient", "*.created_by"),
    *("*.customer_id", "*identifiers.id", "customers.id", "object_relationships.id"),
    *("segment_memberships.id", "subscription_preferences.id", "customers.devices.id"),
    *("*.attributes", "*.data", "*.conditions", "*_filters", "*_triggers", "*.filter_*_attributes"),
    *("messages.subject", "messages.tracked_responses", "*.failure_message"),
    *("esp_suppressions.reason", "activities.url"),
    *("sender_identities.name", "*.from", "*.reply_to", "*.cc", "*.bcc"),
    *("collection_contents.value", "newsletters.recipient_file_error"),
    *("*_actions.headers", "*_variants.headers"),
    "*_actions.url",  # webhook URLs may hold credentials
)
"""Fields as `stream.field.member`, with `*` as wildcard; includes all nested members."""

MASK = "***"

_ADDRESS = re.compile(r"[^\s<>\"',;:=?&/]+(@|%40)[\w-]+(\.[\w-]+)+")


def is_personal(field: str) -> bool:
    """Whether a field, named as `stream.field.member`, holds personal data or credentials."""
    parts = field.split(".")
    within = (".".join(parts[:count]) for count in range(2, len(parts) + 1))
    return any(fnmatchcase(name, pattern) for name in within for pattern in PERSONAL)


def mask(field: str, value: Any) -> Any:
    """Mask personal fields of a record or value, and e-mail addresses in all fields."""
    if isinstance(value, list):
        return [mask(field, item) for item in value]
    if isinstance(value, dict):
        return {name: mask(f"{field}.{name}", member) for name, member in value.items()}
    if value is None or value == "":
        return value
    if is_personal(field):
        return MASK
    return _ADDRESS.sub(MASK, value) if isinstance(value, str) else value
