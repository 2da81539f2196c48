"""Every stream's schema against the contracts of the API, and the contracts' examples through it.

The contracts in `contracts/` were written from public sources; CONTRACTS says which part of them
each stream follows, and why it differs where it does.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import jsonschema
import pytest
import requests
import yaml
from harness import run_tap

from tap_customerio.streams import all_streams
from tap_customerio.streams.lists import ListStream
from tap_customerio.streams.reader import Reader
from tap_customerio.streams.schema import json_type
from tap_customerio.sync.outcome import ReadOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from harness import Output

    from tap_customerio.streams.schema import Schema

KINDS = {"array", "boolean", "integer", "number", "object", "string"}
PRESENT = datetime(2026, 9, 12, tzinfo=timezone.utc)
"""The API's clock: just after the times of the examples."""


def _load(name: str) -> dict[str, Any]:
    text = (Path(__file__).parent / "contracts" / name).read_bytes()
    document: dict[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return document


DOCUMENTS = [_load("app-api-sending.yaml"), _load("app-api-people.yaml")]


class Field(NamedTuple):
    """A field of a stream that is not simply the contract's: its name or kind, and why."""

    is_: str
    why: str


@dataclass(frozen=True)
class Contract:
    """What a stream's rows are in the contracts, and where the stream differs on purpose."""

    rows: tuple[str, ...]
    """Components whose members are the fields: `Name`, `Name.member`, `Name.list[]`."""

    answers: Mapping[str, str] = field(default_factory=dict)
    """Where the rows stand in the example of each operation that gives them."""

    no_answers: str = ""
    """Why the contracts have no example."""

    whole: str = ""
    """The field that takes a row as it is, if there is one."""

    per_bucket: bool = False
    """Whether lists of counts become one record an item."""

    lifted: frozenset[str] = frozenset()
    """Objects whose members stand in the place of the object."""

    renamed: Mapping[str, Field] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, Field] = field(default_factory=dict)
    """Fields that no row of the contract has, with their kinds."""

    rare: frozenset[str] = frozenset()
    """Which of them no example fills."""

    other_kind: Mapping[str, Field] = field(default_factory=dict)
    """Fields whose kind is not what the contract's type says."""

    other_value: Mapping[str, str] = field(default_factory=dict)
    """Fields whose values are changed on the way."""

    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Objects whose further members have a field of their own."""

    keys_too: Mapping[str, str] = field(default_factory=dict)
    """Primary keys that the contract does not promise."""


def _parent(name: str) -> dict[str, Field]:
    return {name: Field("integer", "The parent's id, from the path.")}


def _lists(key: str, *paths: str) -> dict[str, str]:
    return {f"GET {path}": f"{key}[]" for path in paths}


_PERSON = {"cio_id": Field("string", "The permanent id from customer_identifiers, as everywhere.")}
_LAST_SET = Field("time", "Unix seconds, as the description says; the contract gives no unit.")
_FROM_THE_PATH = "Known before asking: it is part of the path."
_BUCKET = {
    "resolution": Field("string", "What was asked for."),
    "timezone": Field("string", "What was asked for."),
    "period_start": Field("time", "The bucket's place in the list of counts, as a time."),
    "is_partial": Field("boolean", "Whether the answer is older than the bucket's end."),
}
_SOURCE = {
    "source_type": Field("string", "Which of the four kinds of senders was asked about."),
    "source_id": Field("integer", "The sender's id, from the path."),
}
_NO_OTHER_COLUMNS = "A record has the counts that are known; others are named in the log."
_STRETCH = "What the echo says is in resolution and period_start."
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
        no_answers="The contract knows folders only as part of the list of e-mails, empty there.",
    ),
    "design_studio_components": Contract(
        ("DesignStudioFolder",),
        no_answers="Not in the contract, and no filled list was ever seen; they have a place in "
        "folders, a name and times, as folders have.",
        added={"tag": Field("string", "A live list took it as a filter.")},
    ),
}


def _plain_contracts() -> Iterator[tuple[str, Contract]]:
    """Contracts of lists whose rows are all that there is at their address."""
    for stream in all_streams():
        if stream.name not in CONTRACTS and issubclass(stream, ListStream):
            for document in DOCUMENTS:
                if stream.path in document["paths"]:
                    row = _row_component(document, stream.path, stream.records_key)
                    yield stream.name, Contract((row,), _lists(stream.records_key, stream.path))


def _row_component(document: dict[str, Any], path: str, key: str) -> str:
    """The component that describes the rows under a key of an answer."""
    [content] = document["paths"][path]["get"]["responses"]["200"]["content"].values()
    answer = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    return str(answer["properties"][key]["items"]["$ref"].rpartition("/")[2])


CONTRACTS |= dict(_plain_contracts())

UNREAD = {
    r"POST /v1/(customers|objects)": "Ids alone; what is behind them is read by these.",
    r"GET /v1/(messages|campaigns|newsletters|broadcasts|transactional|segments|exports"
    r"|sender_identities|collections)/\{\w+\}": "One row of a list that is read whole.",
    r"GET .*/(actions|contents)/\{\w+\}": "One row of a list that is read whole.",
    r"GET .*/language/\{language\}": "One row of a list that is read whole.",
    r"GET .*\}/messages": "Deliveries that /v1/messages has too.",
    r"GET .*/(actions|contents)/\{\w+\}/metrics/links": "Parts of what link_metrics has.",
    r"GET /v1/campaigns/\{broadcast_id\}/triggers/.*": "One trigger, and texts about people.",
    r"GET /v1/customers": "Looks up one address.",
    r"GET /v1/customers/\{\w+\}/(attributes|segments|activities|optouts)": "One person's part of "
    "what lists of everyone have.",
    r"GET /v1/esp/search_suppression/.*": "Looks up one address.",
    r"POST /v1/exports/\w+": "Begins a job.",
    r"GET /v1/exports/\{\w+\}/download": "What a job exported.",
    r"GET /v1/imports/\{\w+\}": "There is no list of imports.",
}
"""Operations that no stream reads for its rows, and why."""

STREAMS = {kind.name: kind for kind in all_streams()}
ANSWERED = [name for name, contract in CONTRACTS.items() if contract.answers]
EVERY_STREAM = pytest.mark.parametrize("name", CONTRACTS)


@dataclass(frozen=True)
class Told:
    """What a contract tells of a value; `time` is a kind of its own."""

    kinds: frozenset[str]
    nullable: bool = False
    members: Mapping[str, Told] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    rest: Told | None = None
    """Members that are not named."""
    items: Told | None = None

    @classmethod
    def read(cls, schema: Any, components: dict[str, Any], *, time: bool = False) -> Told:
        """Read a schema of a contract; the unit of an object is that of its members."""
        if schema is True:
            return cls(frozenset(KINDS), nullable=True)
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return cls.read(components[name], components, time=name == "UnixSeconds")
        if "anyOf" in schema:
            options = [cls.read(option, components) for option in schema["anyOf"]]
            [told] = [option for option in options if option.kinds]
            return replace(told, nullable=any(option.nullable for option in options))
        types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        time = time or schema.get("x-unit") == "unix-seconds"
        rest, items = schema.get("additionalProperties"), schema.get("items")
        return cls(
            kinds=frozenset(
                "time" if time and kind == "integer" else kind for kind in types if kind != "null"
            ),
            nullable="null" in types,
            members={
                name: cls.read(member, components, time=time)
                for name, member in schema.get("properties", {}).items()
            },
            required=frozenset(schema.get("required", ())),
            rest=cls.read(rest, components, time=time) if rest else None,
            items=cls.read(items, components, time=time) if items else None,
        )

    @property
    def anything(self) -> bool:
        """Whether the contract leaves open what it is."""
        return self.kinds == KINDS


@cache
def find(place: str) -> Told:
    """The part of the contracts at `Name.member.list[]`."""
    name, *steps = place.replace("[]", ".[]").split(".")
    [components] = [
        document["components"]["schemas"]
        for document in DOCUMENTS
        if name in document["components"]["schemas"]
    ]
    told = Told.read(components[name], components)
    for step in steps:
        if step == "[]":
            assert told.items is not None
            told = told.items
        else:
            told = told.members[step]
    return told


def laid_out(
    contract: Contract,
    members: Mapping[str, Any],
    inside: Callable[[Any], Mapping[str, Any]],
    path: str = "",
) -> Iterator[tuple[str, Any]]:
    """Members of a row by the field of the stream, what is left out aside."""
    for name, member in members.items():
        where = f"{path}{name}"
        if where in contract.lifted:
            yield from laid_out(contract, inside(member), inside, f"{where}.")
        elif where not in contract.left_out:
            yield contract.renamed[where].is_ if where in contract.renamed else name, member


def _inside(told: Told) -> dict[str, Told]:
    return {**told.members, **({"*": told.rest} if told.rest else {})}


def told_fields(contract: Contract) -> dict[str, Told]:
    """What the contract tells of each field of the stream that it knows."""
    found: dict[str, Told] = {}
    for place in contract.rows:
        row = find(place)
        members = {contract.whole: row} if contract.whole else row.members
        for name, member in laid_out(contract, members, _inside):
            counts = contract.per_bucket and "array" in member.kinds
            told = member.items if counts and member.items else member
            assert name not in found or found[name].kinds == told.kinds, name
            found[name] = replace(told, rest=None) if name in contract.elsewhere else told
    return found


def promised(contract: Contract) -> set[str]:
    """Fields that every row has, by the contract."""
    found = set()
    for place in contract.rows:
        row = find(place)
        named = {name: row.members[name] for name in row.required}
        named |= {name: row.members[name] for name in contract.lifted if name in row.members}
        found |= {contract.whole} if contract.whole else set()
        found |= {
            name
            for name, _ in laid_out(
                contract, named, lambda told: {name: told.members[name] for name in told.required}
            )
        }
    return found


def our_kind(kind: Schema) -> str:
    """The kind of a field in a stream's schema."""
    if kind.get("format") == "date-time":
        return "time"
    return "anything" if kind is ANYTHING else json_type(kind)


ANYTHING: Schema = {}


def member_kind(kind: Schema, name: str) -> Schema | None:
    """A member of an object in a stream's schema; None if it would be left out."""
    extra: Schema | bool | None = kind.get("additionalProperties")
    found: Schema | None = kind.get("properties", {}).get(
        name, ANYTHING if extra is True else extra
    )
    return found


def complaints(name: str, schema: Schema) -> list[str]:
    """All that is wrong with a stream's schema by its contract."""
    contract = CONTRACTS[name]
    known = told_fields(contract)
    ours = schema["properties"]
    lines = [f"{field}: known to the contract, not to the stream" for field in known - ours.keys()]
    for field_, kind in ours.items():
        if field_ in contract.added:
            if our_kind(kind) != contract.added[field_].is_:
                lines.append(f"{field_}: added as {our_kind(kind)}, not as CONTRACTS says")
        elif field_ in known:
            lines += differences(known[field_], kind, field_, contract)
        else:
            lines.append(f"{field_}: known to the stream, not to the contract")
    certain = promised(contract) | contract.added.keys() | contract.keys_too.keys()
    lines += [f"{key}: a key, which no row must have" for key in set(schema["required"]) - certain]
    return lines


def differences(told: Told, kind: Schema | None, path: str, contract: Contract) -> Iterator[str]:
    """What is wrong with one field, or a part of it."""
    if kind is None:
        yield f"{path}: known to the contract, not to the stream"
        return
    ours = our_kind(kind)
    if path in contract.other_kind:
        expected = {contract.other_kind[path].is_}
    elif told.anything:
        expected = {"anything", "string"}  # JSON text holds anything
    elif len(told.kinds) > 1:
        expected = {*told.kinds, "string"} - {"array", "object"}  # JSON text holds these as well
    else:
        expected = {*told.kinds}
    if ours not in expected:
        yield f"{path}: {ours}, but by the contract {' or '.join(sorted(expected))}"
    elif ours == "object":
        yield from _member_differences(told, kind, path, contract)
    elif ours == "array" and told.items is not None:
        yield from differences(told.items, kind["items"], f"{path}[]", contract)


def _member_differences(told: Told, kind: Schema, path: str, contract: Contract) -> Iterator[str]:
    for name, member in _inside(told).items():
        yield from differences(member, member_kind(kind, name), f"{path}.{name}", contract)
    for name in kind.get("properties", {}).keys() - told.members.keys():
        if told.rest is None:
            yield f"{path}.{name}: known to the stream, not to the contract"
        else:
            yield from differences(told.rest, kind["properties"][name], f"{path}.{name}", contract)
    if kind.get("additionalProperties") and told.rest is None:
        yield f"{path}.*: the contract knows of no further members"


def as_told(value: Any, kind: Schema | None) -> Any:
    """What a record must hold for a value of the API."""
    if value is None or not kind:
        return value
    match our_kind(kind):
        case "time":
            time = datetime.fromtimestamp(value, timezone.utc)
            result: Any = f"{time:%Y-%m-%dT%H:%M:%SZ}" if value else None
        case "string" if not isinstance(value, str):
            result = json.dumps(value, separators=(",", ":"))
        case "integer":
            result = int(value)
        case "array":
            result = [as_told(item, kind["items"]) for item in value]
        case "object":
            result = {name: as_told(item, member_kind(kind, name)) for name, item in value.items()}
        case _:
            result = value
    return result


def samples(told: Told, kind: Schema | None) -> Iterator[Any]:
    """Values of every type that the contract allows, also within."""
    if told.nullable:
        yield None
    if told.anything:
        yield from (True, 7, 1.5, "text", [1, "a", None], {"a": {"b": [1]}})
        return
    simple = {
        "time": (1_789_073_105, 0),
        "integer": (7,),
        "boolean": (True, False),
        # What is a number in one place and a text in another is digits there.
        "string": ("7",) if kind and our_kind(kind) == "integer" else ("some text", ""),
    }
    for name in sorted(told.kinds):
        if name in simple:
            yield from simple[name]
        elif name == "array":
            items = kind and kind.get("items")
            yield []
            yield list(samples(told.items, items)) if told.items else [1, "a", {"b": None}]
        else:
            inner = kind if kind and our_kind(kind) == "object" else {}
            yield {}
            for member, within in {**told.members, **_open(told)}.items():
                for sample in samples(within, member_kind(inner, member)):
                    yield {member: sample}


def _open(told: Told) -> dict[str, Told]:
    return {} if told.rest is None else {"a:new 1": told.rest}


UNTOLD: dict[str, dict[str, Any]] = {"/v1/design_studio/folders": {"folders": []}}
"""Answers that the contracts have no example of, and that no row is made from."""

CHECKER = jsonschema.FormatChecker(formats=())


@CHECKER.checks("date-time")
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or bool(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value)
    )


def validator(schema: Schema) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(schema, format_checker=CHECKER)


class Api:
    """Answers every request with the contract's example."""

    def __init__(self, *, example: int) -> None:
        """`example` is which one, where there are several."""
        self.asked: set[str] = set()
        self._example = example

    def method(self) -> Callable[..., requests.Response]:
        """Stands in for HTTPAdapter.send."""

        def send(_: object, request: requests.PreparedRequest, **__: Any) -> requests.Response:
            return self._send(request)

        return send

    def _send(self, request: requests.PreparedRequest) -> requests.Response:
        response = requests.Response()
        response.request, response.url = request, str(request.url)
        response.headers["Date"] = format_datetime(PRESENT, usegmt=True)
        path, query = urlsplit(response.url)[2:4]
        found = [operation for operation, known in OPERATIONS.items() if known.match(request, path)]
        # A path without a parameter goes before one with.
        operation = min(found, key=lambda operation: operation.count("{"), default="")
        self.asked.add(operation)
        answer = OPERATIONS[operation].example(self._example) if operation else UNTOLD[path]
        if isinstance(answer, dict):
            answer = {**answer, **({"next": ""} if "next" in answer else {})}
            if "parent_folder_id" in query:  # Nothing of the examples is in a folder.
                answer = dict.fromkeys(answer)
        response.status_code = requests.codes.ok
        response.raw = io.BytesIO(self.body(answer, request))
        return response

    def body(self, answer: Any, request: requests.PreparedRequest) -> bytes:  # noqa: ARG002
        """The answer as JSON."""
        return json.dumps(answer).encode()


class Operation(NamedTuple):
    """One operation of a contract."""

    method: str
    path: re.Pattern[str]
    examples: list[Any]

    def match(self, request: requests.PreparedRequest, path: str) -> bool:
        """Whether it is what a request asks for."""
        return request.method == self.method and self.path.fullmatch(path) is not None

    def example(self, number: int) -> Any:
        """One of its examples, or the last."""
        return self.examples[min(number, len(self.examples) - 1)]


def _operations() -> Iterator[tuple[str, Operation]]:
    for document in DOCUMENTS:
        for path, methods in document["paths"].items():
            for method, told in methods.items():
                [content] = told["responses"]["200"]["content"].values()
                examples = [each["value"] for each in content.get("examples", {}).values()]
                yield (
                    f"{method.upper()} {path}",
                    Operation(
                        method.upper(),
                        re.compile(re.sub(r"\{\w+\}", "[^/]+", path)),
                        examples or [content["example"]],
                    ),
                )


OPERATIONS = dict(_operations())


def rows_of(answer: Any, place: str) -> list[Any]:
    """The rows at `member[]`, `[]`, `member` or the whole."""
    found = answer[name] if (name := place.removesuffix("[]")) else answer
    return (found or []) if place.endswith("[]") else [found]


def expected_records(contract: Contract, row: Any, schema: Schema) -> Iterator[dict[str, Any]]:
    """What the records of one row must hold at least."""
    members = {contract.whole: row} if contract.whole else row
    for name in contract.elsewhere:
        known = schema["properties"][name]["properties"]
        members = {**members, name: {n: v for n, v in members[name].items() if n in known}}
    values = {
        name: value
        for name, value in laid_out(contract, members, lambda value: value or {})
        if name not in contract.other_value
    }
    if contract.per_bucket:
        names = {name: value for name, value in values.items() if not isinstance(value, list)}
        counts = {name: value for name, value in values.items() if isinstance(value, list)}
        buckets = [
            dict(zip(counts, bucket, strict=True)) for bucket in zip(*counts.values(), strict=True)
        ]
        found = [names | bucket for bucket in buckets if any(bucket.values())]
    else:
        found = [values]
    for each in found:
        yield {
            name: recorded(value, schema["properties"].get(name)) for name, value in each.items()
        }


def recorded(value: Any, kind: Schema | None) -> Any:
    """A field's value in a record, where no list is null."""
    return [] if value is None and kind and our_kind(kind) == "array" else as_told(value, kind)


def holds(record: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(name in record and record[name] == value for name, value in wanted.items())


def test_every_stream_has_its_contract() -> None:
    assert CONTRACTS.keys() == STREAMS.keys(), "its address is not in tests/contracts"
    for name, contract in CONTRACTS.items():
        assert contract.rows, name
        assert bool(contract.answers) != bool(contract.no_answers), name


def test_every_operation_of_the_contracts_is_read_or_left_for_a_reason() -> None:
    read = {operation for contract in CONTRACTS.values() for operation in contract.answers}
    assert read <= OPERATIONS.keys()
    for operation in OPERATIONS:
        left = [pattern for pattern in UNREAD if re.fullmatch(pattern, operation)]
        assert bool(left) != (operation in read), operation
    for pattern in UNREAD:
        assert any(re.fullmatch(pattern, operation) for operation in OPERATIONS), pattern


@EVERY_STREAM
def test_the_schema_is_what_the_contract_says(name: str) -> None:
    assert told_fields(CONTRACTS[name])
    lines = complaints(name, STREAMS[name].schema)
    assert not lines, "\n".join([f"{name} differs from the contract:", *sorted(lines)])


@EVERY_STREAM
def test_every_exception_is_needed(name: str) -> None:
    contract, schema = CONTRACTS[name], STREAMS[name].schema
    known, properties = told_fields(contract), schema["properties"]
    for exceptions in (
        *(contract.left_out, contract.renamed, contract.added, contract.other_kind),
        *(
            contract.other_value,
            contract.elsewhere,
            contract.keys_too,
            dict.fromkeys(contract.lifted, " "),
        ),
    ):
        assert all(exceptions.values())
    assert contract.added.keys() <= properties.keys() - known.keys()
    assert contract.other_value.keys() <= properties.keys() & known.keys()
    assert contract.keys_too.keys() <= set(schema["required"]) - promised(contract)
    plain = complaints(name, schema)
    for part in ("lifted", "renamed", "left_out", "other_kind", "elsewhere"):
        exceptions = getattr(contract, part)
        for each in exceptions:
            fewer: Any = (
                exceptions - {each}
                if isinstance(exceptions, frozenset)
                else {key: value for key, value in exceptions.items() if key != each}
            )
            with pytest.MonkeyPatch.context() as patch:
                patch.setitem(CONTRACTS, name, replace(contract, **{part: fewer}))
                assert complaints(name, schema) != plain, f"{part}: {each}"


@EVERY_STREAM
def test_a_mistake_would_be_noticed(name: str) -> None:
    schema = STREAMS[name].schema
    plain = complaints(name, schema)
    known = told_fields(CONTRACTS[name])
    wrong: dict[str, Schema] = {
        "time": {"type": ["null", "string"], "format": "date-time"},
        "object": {"type": ["null", "object"], "properties": {}},
        "array": {"type": ["null", "array"], "items": {"type": ["null", "string"]}},
        **{kind: {"type": ["null", kind]} for kind in ("boolean", "integer", "number", "string")},
    }
    for field_, kind in schema["properties"].items():
        rest = {key: value for key, value in schema["properties"].items() if key != field_}
        if field_ in known:
            assert complaints(name, {**schema, "properties": rest}) != plain, field_
        elif field_ not in CONTRACTS[name].added:
            continue  # It is a mistake already.
        for other, mistake in wrong.items():
            disputed = field_ in known and len(known[field_].kinds) > 1
            if other != our_kind(kind) and not (disputed and other in {"string", "integer"}):
                mistaken = {**schema, "properties": {**rest, field_: mistake}}
                assert complaints(name, mistaken) != plain, f"{field_} as {other}"
    more = {**schema["properties"], "made_up": wrong["string"]}
    assert complaints(name, {**schema, "properties": more}) != plain


@EVERY_STREAM
def test_the_schema_holds_values_of_every_type_the_contract_allows(name: str) -> None:
    contract, schema = CONTRACTS[name], STREAMS[name].schema
    check, known = validator(schema), told_fields(contract)
    blanks = {"integer": 1, "string": "1", "time": 1_789_073_105}
    keys = {key: blanks[our_kind(schema["properties"][key])] for key in schema["required"]}
    for field_ in known.keys() & schema["properties"].keys():
        kind = schema["properties"][field_]
        for sample in samples(known[field_], kind):
            assert not (sample is None and field_ in keys), f"{field_} is a key and may be null"
            if sample == "" and field_ in keys:
                continue  # No key at all.
            reader = Reader(name, schema, ReadOutcome())
            record = reader({**keys, field_: sample})
            assert record is not None
            check.validate(record)
            assert reader.dropped == set(), field_
            assert record[field_] == recorded(sample, kind)


class Run(NamedTuple):
    """How all examples are read at once."""

    example: int = 0
    domains: tuple[str, ...] = ()

    def read(self, *streams: str) -> tuple[Output, set[str]]:
        """The records, and the operations that were asked for."""
        api = Api(example=self.example)
        config = {
            "app_api_key": "none",
            "api_url": "https://contract.test",
            "requests_per_second": 1000,
            "esp_suppression_domains": list(self.domains),
        }
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(requests.adapters.HTTPAdapter, "send", api.method())
            return run_tap(config, streams=streams), api.asked


RUNS = (Run(), Run(example=1), Run(domains=("example.org",)))


@cache
def _read_all(run: Run) -> tuple[Output, set[str]] | None:
    try:
        return run.read(*ANSWERED)
    except Exception:  # noqa: BLE001 - whatever it is, only its own stream's test shall fail
        return None


def read(run: Run, name: str) -> tuple[Output, set[str]]:
    """One stream, read with all others if none of them fails."""
    return _read_all(run) or run.read(name)


@pytest.mark.parametrize("name", ANSWERED)
def test_the_contracts_examples_become_valid_records_that_hold_everything(name: str) -> None:
    contract, schema = CONTRACTS[name], STREAMS[name].schema
    check = validator(schema)
    seen = set()
    for run in RUNS:
        output, asked = read(run, name)
        records = output.records[name]
        for record in records:
            check.validate(record)
            assert record.keys() == schema["properties"].keys()
        rows = [
            row
            for operation in contract.answers.keys() & asked
            for row in rows_of(
                OPERATIONS[operation].example(run.example), contract.answers[operation]
            )
        ]
        assert bool(records) == bool(rows)
        for added in contract.added.keys() - contract.rare if rows else ():
            assert any(record[added] is not None for record in records), added
        for row in rows:
            for wanted in expected_records(contract, row, schema):
                assert any(holds(record, wanted) for record in records), wanted
        seen |= asked
    assert contract.answers.keys() <= seen


def test_a_disputed_kind_is_held_whatever_comes() -> None:
    disputed = {
        f"{name}.{path}"
        for name, contract in CONTRACTS.items()
        for path in _disputed(told_fields(contract))
    }
    assert {"messages.customer_identifiers.cio_id", "campaign_actions.id"} <= disputed
    assert {"newsletter_test_groups.content_ids[]", "link_metrics.link_id"} <= disputed


def _disputed(members: Mapping[str, Told]) -> Iterable[str]:
    for name, told in members.items():
        if len(told.kinds) > 1 and not told.anything:
            yield name
        yield from (f"{name}.{path}" for path in _disputed(told.members))
        if told.items is not None:
            yield from (f"{name}{path}" for path in _disputed({"[]": told.items}))
