"""Fields in the contracts, and expected records of their examples."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cache
from typing import TYPE_CHECKING, Any

import jsonschema
from contract_list import CONTRACTS, DOCUMENTS, Contract

from tap_customerio.streams import all_streams
from tap_customerio.streams.schema import json_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tap_customerio.streams.schema import Schema


KINDS = {"array", "boolean", "integer", "number", "object", "string"}

STREAMS = {stream_class.name: stream_class for stream_class in all_streams()}
WITH_RESPONSES = [name for name, contract in CONTRACTS.items() if contract.responses]


@dataclass(frozen=True)
class Stated:
    """Type of a value in a contract; `time` is a separate type."""

    kinds: frozenset[str]
    nullable: bool = False
    members: Mapping[str, Stated] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    rest: Stated | None = None
    """Members that the contract does not name."""
    items: Stated | None = None

    @classmethod
    def read(cls, schema: Any, components: dict[str, Any], *, time: bool = False) -> Stated:
        """Read a schema of a contract; the unit of an object applies to its members."""
        if schema is True:
            return cls(frozenset(KINDS), nullable=True)
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return cls.read(components[name], components, time=name == "UnixSeconds")
        if "anyOf" in schema:
            options = [cls.read(option, components) for option in schema["anyOf"]]
            [stated] = [option for option in options if option.kinds]
            return replace(stated, nullable=any(option.nullable for option in options))
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
        """Whether the contract does not state a type."""
        return self.kinds == KINDS


@cache
def find(place: str) -> Stated:
    """The schema in the contracts at `Name.member.list[]`."""
    name, *steps = place.replace("[]", ".[]").split(".")
    [components] = [
        document["components"]["schemas"]
        for document in DOCUMENTS
        if name in document["components"]["schemas"]
    ]
    stated = Stated.read(components[name], components)
    for step in steps:
        if step == "[]":
            assert stated.items is not None
            stated = stated.items
        else:
            stated = stated.members[step]
    return stated


def laid_out(
    contract: Contract,
    members: Mapping[str, Any],
    inside: Callable[[Any], Mapping[str, Any]],
    path: str = "",
) -> Iterator[tuple[str, Any]]:
    """Members of a row by the stream's fields, without omitted ones."""
    for name, member in members.items():
        where = f"{path}{name}"
        if where in contract.lifted:
            yield from laid_out(contract, inside(member), inside, f"{where}.")
        elif where not in contract.left_out:
            yield contract.renamed[where].is_ if where in contract.renamed else name, member


def _inside(stated: Stated) -> dict[str, Stated]:
    return {**stated.members, **({"*": stated.rest} if stated.rest else {})}


def stated_fields(contract: Contract) -> dict[str, Stated]:
    """The contract's types of the stream's fields."""
    found: dict[str, Stated] = {}
    for place in contract.rows:
        row = find(place)
        members = {contract.whole: row} if contract.whole else row.members
        for name, member in laid_out(contract, members, _inside):
            counts = contract.per_bucket and "array" in member.kinds
            stated = member.items if counts and member.items else member
            assert name not in found or found[name].kinds == stated.kinds, name
            found[name] = replace(stated, rest=None) if name in contract.elsewhere else stated
    return found


def promised(contract: Contract) -> set[str]:
    """Fields that the contract requires in every row."""
    found = set()
    for place in contract.rows:
        row = find(place)
        named = {name: row.members[name] for name in row.required}
        named |= {name: row.members[name] for name in contract.lifted if name in row.members}
        found |= {contract.whole} if contract.whole else set()
        found |= {
            name
            for name, _ in laid_out(
                contract,
                named,
                lambda stated: {name: stated.members[name] for name in stated.required},
            )
        }
    return found


def our_kind(kind: Schema) -> str:
    """The type of a field in a stream's schema."""
    if kind.get("format") == "date-time":
        return "time"
    return "anything" if kind is ANYTHING else json_type(kind)


ANYTHING: Schema = {}


def member_kind(kind: Schema, name: str) -> Schema | None:
    """A member of an object in a stream's schema; None if it is omitted."""
    extra: Schema | bool | None = kind.get("additionalProperties")
    found: Schema | None = kind.get("properties", {}).get(
        name, ANYTHING if extra is True else extra
    )
    return found


def complaints(name: str, schema: Schema) -> list[str]:
    """All differences between a stream's schema and its contract."""
    contract = CONTRACTS[name]
    known = stated_fields(contract)
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


def differences(
    stated: Stated, kind: Schema | None, path: str, contract: Contract
) -> Iterator[str]:
    """Differences of one field, or a part of it."""
    if kind is None:
        yield f"{path}: known to the contract, not to the stream"
        return
    ours = our_kind(kind)
    if path in contract.other_kind:
        expected = {contract.other_kind[path].is_}
    elif stated.anything:
        expected = {"anything", "string"}  # JSON text holds any value
    elif len(stated.kinds) > 1:
        expected = {*stated.kinds, "string"} - {"array", "object"}  # JSON text holds these too
    else:
        expected = {*stated.kinds}
    if ours not in expected:
        yield f"{path}: {ours}, but by the contract {' or '.join(sorted(expected))}"
    elif ours == "object":
        yield from _member_differences(stated, kind, path, contract)
    elif ours == "array" and stated.items is not None:
        yield from differences(stated.items, kind["items"], f"{path}[]", contract)


def _member_differences(
    stated: Stated, kind: Schema, path: str, contract: Contract
) -> Iterator[str]:
    for name, member in _inside(stated).items():
        yield from differences(member, member_kind(kind, name), f"{path}.{name}", contract)
    for name in kind.get("properties", {}).keys() - stated.members.keys():
        if stated.rest is None:
            yield f"{path}.{name}: known to the stream, not to the contract"
        else:
            yield from differences(
                stated.rest, kind["properties"][name], f"{path}.{name}", contract
            )
    if kind.get("additionalProperties") and stated.rest is None:
        yield f"{path}.*: the contract knows of no further members"


def expected_value(value: Any, kind: Schema | None) -> Any:
    """The expected value in a record for a value of the API."""
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
            result = [expected_value(item, kind["items"]) for item in value]
        case "object":
            result = {
                name: expected_value(item, member_kind(kind, name)) for name, item in value.items()
            }
        case _:
            result = value
    return result


def samples(stated: Stated, kind: Schema | None) -> Iterator[Any]:
    """Values of every type that the contract allows, including nested ones."""
    if stated.nullable:
        yield None
    if stated.anything:
        yield from (True, 7, 1.5, "text", [1, "a", None], {"a": {"b": [1]}})
        return
    simple = {
        "time": (1_789_073_105, 0),
        "integer": (7,),
        "boolean": (True, False),
        # A value that is a number in one place and text in another becomes text.
        "string": ("7",) if kind and our_kind(kind) == "integer" else ("some text", ""),
    }
    for name in sorted(stated.kinds):
        if name in simple:
            yield from simple[name]
        elif name == "array":
            items = kind and kind.get("items")
            yield []
            yield list(samples(stated.items, items)) if stated.items else [1, "a", {"b": None}]
        else:
            inner = kind if kind and our_kind(kind) == "object" else {}
            yield {}
            for member, within in {**stated.members, **_open(stated)}.items():
                for sample in samples(within, member_kind(inner, member)):
                    yield {member: sample}


def _open(stated: Stated) -> dict[str, Stated]:
    return {} if stated.rest is None else {"a:new 1": stated.rest}


CHECKER = jsonschema.FormatChecker(formats=())


@CHECKER.checks("date-time")
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or bool(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value)
    )


def validator(schema: Schema) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(schema, format_checker=CHECKER)


def expected_records(contract: Contract, row: Any, schema: Schema) -> Iterator[dict[str, Any]]:
    """The records that one row must become, with the fields to compare."""
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
    """A field's value in a record; null lists are empty."""
    return (
        [] if value is None and kind and our_kind(kind) == "array" else expected_value(value, kind)
    )


def holds(record: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(name in record and record[name] == value for name, value in wanted.items())
