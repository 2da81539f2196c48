"""The contract of each stream, and the reasons for differences.

The contracts in `contracts/` were written from public sources.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from tap_customerio.streams import all_streams
from tap_customerio.streams.lists import ListStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def _load(name: str) -> dict[str, Any]:
    text = (Path(__file__).parent / "contracts" / name).read_bytes()
    document: dict[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return document


DOCUMENTS = [_load("app-api-sending.yaml"), _load("app-api-people.yaml")]


class Field(NamedTuple):
    """A field that differs from the contract in name or type, and the reason."""

    is_: str
    why: str


@dataclass(frozen=True)
class Contract:
    """The contract of a stream's rows, and its intended differences."""

    rows: tuple[str, ...]
    """Components whose members are the fields: `Name`, `Name.member`, `Name.list[]`."""

    responses: Mapping[str, str] = field(default_factory=dict)
    """Where the rows are in the example of each operation."""

    no_responses: str = ""
    """Why the contracts have no example."""

    whole: str = ""
    """The field that contains the whole row, if any."""

    per_bucket: bool = False
    """Whether each item of the lists of counts becomes one record."""

    lifted: frozenset[str] = frozenset()
    """Objects that their members replace."""

    renamed: Mapping[str, Field] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, Field] = field(default_factory=dict)
    """Fields that the contract does not have, with their types."""

    rare: frozenset[str] = frozenset()
    """Those of them that are null in all examples."""

    other_kind: Mapping[str, Field] = field(default_factory=dict)
    """Fields with another type than in the contract."""

    other_value: Mapping[str, str] = field(default_factory=dict)
    """Fields with changed values."""

    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Objects whose other members have a separate field."""

    keys_too: Mapping[str, str] = field(default_factory=dict)
    """Primary keys that the contract does not guarantee."""


def _parent(name: str) -> dict[str, Field]:
    return {name: Field("integer", "The parent's id, from the path.")}


def _lists(key: str, *paths: str) -> dict[str, str]:
    return {f"GET {path}": f"{key}[]" for path in paths}


_PERSON = {"cio_id": Field("string", "The permanent id from customer_identifiers, as everywhere.")}
_LAST_SET = Field("time", "Unix seconds, as the description says; the contract gives no unit.")
_FROM_THE_PATH = "Known before the request: it is part of the path."
_BUCKET = {
    "resolution": Field("string", "As requested."),
    "timezone": Field("string", "As requested."),
    "period_start": Field("time", "The bucket's place in the list of counts, as a time."),
    "is_partial": Field("boolean", "Whether the response is older than the bucket's end."),
}
_SOURCE = {
    "source_type": Field("string", "Which of the four types of senders was requested."),
    "source_id": Field("integer", "The sender's id, from the path."),
}
_NO_OTHER_COLUMNS = "A record has the counts that are known; others are named in the log."
_STRETCH = "resolution and period_start contain the echo."
_SERIES: dict[str, Any] = {
    "per_bucket": True,
    "lifted": frozenset({"metric", "metric.series"}),
    "renamed": {
        "metric.type": Field("channel", "What it is; type says nothing in a row of counts."),
        **{
            f"metric.series.{kind}": Field(f"http_{kind}", "Some targets take no leading digit.")
            for kind in ("2xx", "3xx", "4xx", "5xx")
        },
    },
    "left_out": {
        "metric.series.*": _NO_OTHER_COLUMNS,
        **dict.fromkeys(("res", "start", "end"), _STRETCH),
    },
}

CONTRACTS: dict[str, Contract] = {
    "messages": Contract(
        ("Delivery",),
        _lists("messages", "/v1/messages"),
        added={
            **_PERSON,
            "updated": Field("time", "The last change, taken from deduplicate_id."),
            "source_type": Field("string", "Which of the four ids is set; a broadcast may be one."),
            "source_id": Field("integer", "The one of the four ids that is set."),
            "links": Field("array", "The links of metrics."),
            "other_metrics": Field("object", "What else metrics may hold."),
        },
        rare=frozenset({"other_metrics"}),
        elsewhere={"metrics": "Flattening loses members that the schema does not name."},
    ),
    "campaign_actions": Contract(
        ("CampaignAction",),
        _lists("actions", "/v1/campaigns/{campaign_id}/actions"),
        keys_too={"campaign_id": _FROM_THE_PATH},
    ),
    "newsletter_variants": Contract(
        ("NewsletterContent",),
        _lists("contents", "/v1/newsletters/{newsletter_id}/contents"),
        keys_too={"newsletter_id": _FROM_THE_PATH},
    ),
    "newsletter_test_groups": Contract(
        ("TestGroup",),
        _lists("test_groups", "/v1/newsletters/{newsletter_id}/test_groups"),
        added=_parent("newsletter_id"),
    ),
    "broadcast_actions": Contract(
        ("BroadcastAction",),
        _lists("actions", "/v1/broadcasts/{broadcast_id}/actions"),
        keys_too={"broadcast_id": _FROM_THE_PATH},
    ),
    "broadcast_triggers": Contract(
        ("BroadcastTrigger",),
        _lists("triggers", "/v1/broadcasts/{broadcast_id}/triggers"),
        keys_too={"broadcast_id": _FROM_THE_PATH},
    ),
    "transactional_variants": Contract(
        ("TransactionalContent",),
        _lists("contents", "/v1/transactional/{transactional_id}/contents"),
        added=_parent("transactional_id"),
    ),
    "metrics": Contract(
        ("CampaignMetrics", "BroadcastMetrics", "NewsletterMetrics", "TransactionalMetrics"),
        {
            f"GET /v1/{sender}/metrics": ""
            for sender in (
                "campaigns/{campaign_id}",
                "broadcasts/{broadcast_id}",
                "newsletters/{newsletter_id}",
                "transactional/{transactional_id}",
            )
        },
        added=_SOURCE | _BUCKET,
        **_SERIES,
    ),
    "action_metrics": Contract(
        ("CampaignActionMetrics", "BroadcastActionMetrics", "NewsletterMetrics"),
        {
            f"GET /v1/{part}/metrics": ""
            for part in (
                "campaigns/{campaign_id}/actions/{action_id}",
                "broadcasts/{broadcast_id}/actions/{action_id}",
                "newsletters/{newsletter_id}/contents/{content_id}",
            )
        },
        added={
            **_SOURCE,
            "part_id": Field("integer", "The action's or content's id, from the path."),
            **_BUCKET,
        },
        **{
            **_SERIES,
            "left_out": {
                **_SERIES["left_out"],
                "language_variants": "The metric is their total already.",
            },
        },
    ),
    "link_metrics": Contract(
        ("LinkMetric",),
        {
            f"GET /v1/{sender}/metrics/links": "links[]"
            for sender in (
                "campaigns/{campaign_id}",
                "broadcasts/{broadcast_id}",
                "newsletters/{newsletter_id}",
                "transactional/{transactional_id}",
            )
        },
        per_bucket=True,
        lifted=frozenset({"link", "metric", "metric.series"}),
        renamed={"link.id": Field("link_id", "The record is a bucket of a link, not the link.")},
        left_out={"metric.series.*": _NO_OTHER_COLUMNS},
        added=_SOURCE | _BUCKET,
    ),
    "journey_metrics": Contract(
        ("JourneyMetrics",),
        {"GET /v1/campaigns/{campaign_id}/journey_metrics": ""},
        per_bucket=True,
        lifted=frozenset({"journey_metric"}),
        left_out={"journey_metric.*": _NO_OTHER_COLUMNS},
        added=_parent("campaign_id") | _BUCKET,
    ),
    "customers": Contract(
        ("CustomerProfile",),
        {"POST /v1/customers/attributes": "customers[]"},
        added={
            **{
                name: Field("string", "From identifiers, to join by.")
                for name in ("cio_id", "email")
            },
            "created_at": Field("time", "The attribute, or when cio_id was set."),
        },
        other_kind={"timestamps.*": _LAST_SET},
    ),
    "activities": Contract(("Activity",), _lists("activities", "/v1/activities"), added=_PERSON),
    "opt_outs": Contract(
        ("OptOutList.optouts[]",),
        _lists("optouts", "/v1/optouts"),
        other_value={"cio_id": "Given with the prefix `cio_` here alone."},
        keys_too={"cio_id": "The one identifier that every person has; this is a list of people."},
    ),
    "segment_counts": Contract(
        ("SegmentCount",),
        {"GET /v1/segments/{segment_id}/customer_count": ""},
        added={"observed_at": Field("time", "The count is of now; rows of many days add up.")},
        keys_too={"segment_id": _FROM_THE_PATH},
    ),
    "segment_usage": Contract(
        ("SegmentUsage",),
        {"GET /v1/segments/{segment_id}/used_by": ""},
        lifted=frozenset({"used_by"}),
        keys_too={"segment_id": _FROM_THE_PATH},
    ),
    "segment_memberships": Contract(
        ("PersonIdentifiers",),
        _lists("identifiers", "/v1/segments/{segment_id}/membership"),
        added=_parent("segment_id"),
    ),
    "subscription_preferences": Contract(
        ("SubscriptionPreferences.customer",),
        {"GET /v1/customers/{customer_id}/subscription_preferences": "customer"},
        lifted=frozenset({"identifiers"}),
    ),
    "esp_suppressions": Contract(
        ("EspSuppression",),
        _lists(
            "suppressions",
            "/v1/esp/suppression/{suppression_type}",
            "/v1/esp/domains/{domain_name}/suppression/{suppression_type}",
        ),
        added={
            "suppression_type": Field("string", "Which list it is, from the path."),
            "domain": Field("string", "Which domain's list it is, from the path."),
        },
    ),
    "object_types": Contract(
        ("ObjectType",),
        _lists("types", "/v1/object_types"),
        other_kind={"id": Field("integer", "Digits in text; a number wherever it is referred to.")},
    ),
    "objects": Contract(
        ("ObjectDetail.object",),
        {"GET /v1/objects/{object_type_id}/{object_id}/attributes": "object"},
        lifted=frozenset({"identifiers"}),
        left_out=dict.fromkeys(
            ("identifiers.id", "identifiers.email"),
            "A person's, and listed by what looks like an oversight, as the contract says.",
        ),
        other_kind={"timestamps.*": _LAST_SET},
        keys_too={"object_type_id": _FROM_THE_PATH, "cio_object_id": _FROM_THE_PATH},
    ),
    "object_relationships": Contract(
        ("ObjectRelationships.cio_relationships[]",),
        {"GET /v1/objects/{object_type_id}/{object_id}/relationships": "cio_relationships[]"},
        lifted=frozenset({"identifiers"}),
        added={"cio_object_id": Field("string", "The object's permanent id, from the path.")},
        keys_too={"object_type_id": _FROM_THE_PATH},
    ),
    "customer_relationships": Contract(
        ("PersonRelationship",),
        {"GET /v1/customers/{customer_id}/relationships": "cio_relationships[]"},
        lifted=frozenset({"identifiers"}),
        added={"cio_id": Field("string", "The person's permanent id, from the path.")},
        other_kind={"timestamps.*": _LAST_SET},
        keys_too=dict.fromkeys(
            ("object_type_id", "cio_object_id"), "All there is to tell one object from another."
        ),
    ),
    "sender_usage": Contract(
        ("SenderUsage",),
        {"GET /v1/sender_identities/{sender_id}/used_by": ""},
        added=_parent("sender_identity_id"),
    ),
    "collection_contents": Contract(
        ("CollectionContent[]",),
        {"GET /v1/collections/{collection_id}/content": "[]"},
        whole="data",
        added={
            **_parent("collection_id"),
            "row_number": Field("integer", "Rows have no name but their place."),
            "value": Field("string", "Rows that are no objects have been seen."),
        },
        rare=frozenset({"value"}),
    ),
    "reporting_webhooks": Contract(
        ("ReportingWebhook",),
        _lists("reporting_webhooks", "/v1/reporting_webhooks"),
        other_value={"endpoint": "The rest of the address can hold credentials."},
        keys_too={"id": "Of its fields only this can be an identity, and the example has it."},
    ),
    "ip_addresses": Contract(
        ("IpAddresses.ip_addresses[]",),
        _lists("ip_addresses", "/v1/info/ip_addresses"),
        whole="ip_address",
    ),
    "assets": Contract(("Asset",), _lists("assets", "/v1/assets")),
    "asset_folders": Contract(("AssetFolder",), _lists("folders", "/v1/assets/folders")),
    "design_studio_emails": Contract(
        ("DesignStudioEmail",), _lists("emails", "/v1/design_studio/emails")
    ),
    "design_studio_folders": Contract(
        ("DesignStudioFolder",),
        no_responses="The contract knows folders only as part of the list of e-mails, empty there.",
    ),
    "design_studio_components": Contract(
        ("DesignStudioFolder",),
        no_responses="Not in the contract, and no filled list was ever seen; they have a place in "
        "folders, a name and times, as folders have.",
        added={"tag": Field("string", "A live list took it as a filter.")},
    ),
}


def _plain_contracts() -> Iterator[tuple[str, Contract]]:
    """Contracts of lists that return all rows at once."""
    for stream in all_streams():
        if stream.name not in CONTRACTS and issubclass(stream, ListStream):
            for document in DOCUMENTS:
                if stream.path in document["paths"]:
                    row = _row_component(document, stream.path, stream.records_key)
                    yield stream.name, Contract((row,), _lists(stream.records_key, stream.path))


def _row_component(document: dict[str, Any], path: str, key: str) -> str:
    """The schema component for rows under a key of a response."""
    [content] = document["paths"][path]["get"]["responses"]["200"]["content"].values()
    body = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    return str(body["properties"][key]["items"]["$ref"].rpartition("/")[2])


CONTRACTS |= dict(_plain_contracts())
