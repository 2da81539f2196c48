"""Compares every stream's schema with the contracts of the API, and reads their examples."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests
from contract_api import OPERATIONS, Api, rows_of
from contract_list import CONTRACTS
from contract_reading import (
    STREAMS,
    WITH_RESPONSES,
    Stated,
    complaints,
    expected_records,
    holds,
    our_kind,
    promised,
    recorded,
    samples,
    stated_fields,
    validator,
)
from harness import run_tap

from tap_customerio.streams.reader import Reader
from tap_customerio.sync.outcome import ReadOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness import Output

    from tap_customerio.streams.schema import Schema


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
"""Operations that no stream reads, with the reasons."""
EVERY_STREAM = pytest.mark.parametrize("name", CONTRACTS)


def test_every_stream_has_a_contract() -> None:
    assert CONTRACTS.keys() == STREAMS.keys(), "its path is not in tests/contracts"
    for name, contract in CONTRACTS.items():
        assert contract.rows, name
        assert bool(contract.responses) != bool(contract.no_responses), name


def test_every_operation_of_the_contracts_is_read_or_excluded_for_a_reason() -> None:
    read = {operation for contract in CONTRACTS.values() for operation in contract.responses}
    assert read <= OPERATIONS.keys()
    for operation in OPERATIONS:
        left = [pattern for pattern in UNREAD if re.fullmatch(pattern, operation)]
        assert bool(left) != (operation in read), operation
    for pattern in UNREAD:
        assert any(re.fullmatch(pattern, operation) for operation in OPERATIONS), pattern


@EVERY_STREAM
def test_the_schema_matches_the_contract(name: str) -> None:
    assert stated_fields(CONTRACTS[name])
    lines = complaints(name, STREAMS[name].schema)
    assert not lines, "\n".join([f"{name} differs from the contract:", *sorted(lines)])


@EVERY_STREAM
def test_every_exception_is_needed(name: str) -> None:
    contract, schema = CONTRACTS[name], STREAMS[name].schema
    known, properties = stated_fields(contract), schema["properties"]
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


@pytest.mark.slow
@EVERY_STREAM
def test_a_mistake_would_be_noticed(name: str) -> None:
    schema = STREAMS[name].schema
    plain = complaints(name, schema)
    known = stated_fields(CONTRACTS[name])
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
            continue  # It is already a mistake.
        for other, mistake in wrong.items():
            disputed = field_ in known and len(known[field_].kinds) > 1
            if other != our_kind(kind) and not (disputed and other in {"string", "integer"}):
                mistaken = {**schema, "properties": {**rest, field_: mistake}}
                assert complaints(name, mistaken) != plain, f"{field_} as {other}"
    more = {**schema["properties"], "made_up": wrong["string"]}
    assert complaints(name, {**schema, "properties": more}) != plain


@pytest.mark.slow
@EVERY_STREAM
def test_the_schema_accepts_values_of_every_type_in_the_contract(name: str) -> None:
    contract, schema = CONTRACTS[name], STREAMS[name].schema
    check, known = validator(schema), stated_fields(contract)
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
    """The result of reading all examples at once."""

    example: int = 0
    domains: tuple[str, ...] = ()

    def read(self, *streams: str) -> tuple[Output, set[str]]:
        """The records, and the requested operations."""
        api = Api(example=self.example)
        config = {
            "app_api_key": "none",
            "api_url": "https://contract.test",
            "requests_per_second": 1000,
            "esp_suppression_domains": list(self.domains),
        }
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(requests.adapters.HTTPAdapter, "send", api.method())
            return run_tap(config, streams=streams), api.requested


RUNS = (Run(), Run(example=1), Run(domains=("example.org",)))


@cache
def _read_all(run: Run) -> tuple[Output, set[str]] | None:
    try:
        return run.read(*WITH_RESPONSES)
    except Exception:  # noqa: BLE001 - fail only the test of this stream
        return None


def read(run: Run, name: str) -> tuple[Output, set[str]]:
    """Read one stream together with all others if none of them fails."""
    return _read_all(run) or run.read(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_RESPONSES)
def test_the_contracts_examples_become_complete_valid_records(name: str) -> None:
    contract, schema = CONTRACTS[name], STREAMS[name].schema
    check = validator(schema)
    seen = set()
    for run in RUNS:
        output, requested = read(run, name)
        records = output.records[name]
        for record in records:
            check.validate(record)
            assert record.keys() == schema["properties"].keys()
        rows = [
            row
            for operation in contract.responses.keys() & requested
            for row in rows_of(
                OPERATIONS[operation].example(run.example), contract.responses[operation]
            )
        ]
        assert bool(records) == bool(rows)
        for added in contract.added.keys() - contract.rare if rows else ():
            assert any(record[added] is not None for record in records), added
        for row in rows:
            for wanted in expected_records(contract, row, schema):
                assert any(holds(record, wanted) for record in records), wanted
        seen |= requested
    assert contract.responses.keys() <= seen


def test_a_field_with_a_disputed_type_accepts_all_of_them() -> None:
    disputed = {
        f"{name}.{path}"
        for name, contract in CONTRACTS.items()
        for path in _disputed(stated_fields(contract))
    }
    assert {"messages.customer_identifiers.cio_id", "campaign_actions.id"} <= disputed
    assert {"newsletter_test_groups.content_ids[]", "link_metrics.link_id"} <= disputed


def _disputed(members: Mapping[str, Stated]) -> Iterable[str]:
    for name, stated in members.items():
        if len(stated.kinds) > 1 and not stated.anything:
            yield name
        yield from (f"{name}.{path}" for path in _disputed(stated.members))
        if stated.items is not None:
            yield from (f"{name}{path}" for path in _disputed({"[]": stated.items}))
